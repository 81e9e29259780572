use std::fmt;

/// What a [`StatefulReceiver`](crate::stateful::StatefulReceiver) waits for: so many bytes, and the function to call with them.
pub struct State<H> {
    pub(crate) length: usize,
    pub(crate) function: fn(&mut H, &[u8]) -> Option<Self>,
}

impl<H> State<H> {
    /// Waits for `length` bytes, which may be none, and calls `function` with exactly these. It returns what to wait
    /// for next, or `None` for the same again.
    pub fn new(length: usize, function: fn(&mut H, &[u8]) -> Option<Self>) -> Self {
        Self { length, function }
    }
}

impl<H> fmt::Debug for State<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("length", &self.length).finish_non_exhaustive()
    }
}
