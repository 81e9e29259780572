use std::fmt;

/// The next part that a [`StatefulReceiver`](crate::stateful::StatefulReceiver) waits for: its length, and the function
/// to call with it.
pub struct State<H> {
    pub(crate) length: usize,
    pub(crate) function: fn(&mut H, &[u8]) -> Option<Self>,
}

impl<H> State<H> {
    /// Waits for `length` bytes, possibly 0, and calls `function` with them. The function returns the next state, or
    /// `None` to repeat this one.
    pub fn new(length: usize, function: fn(&mut H, &[u8]) -> Option<Self>) -> Self {
        Self { length, function }
    }
}

impl<H> fmt::Debug for State<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("length", &self.length).finish_non_exhaustive()
    }
}
