//! What a receiver tells the next process. It has three parts: two flags, the kept input with its length, and the handler's
//! state.

/// The parts.
pub(crate) struct ReceiverState<'a> {
    /// A flag of the receiver's own.
    pub(crate) flag: bool,
    /// Something is left to deliver of what is kept.
    pub(crate) held: bool,
    pub(crate) kept: &'a [u8],
    pub(crate) handler: &'a [u8],
}

const FLAG: u8 = 1;
const HELD: u8 = 2;

impl<'a> ReceiverState<'a> {
    /// Puts the parts together.
    pub(crate) fn join(&self) -> Option<Vec<u8>> {
        let flags = (u8::from(self.flag) * FLAG) | (u8::from(self.held) * HELD);
        let len = u32::try_from(self.kept.len()).ok()?.to_be_bytes();
        Some([&[flags], &len[..], self.kept, self.handler].concat())
    }

    /// Takes the parts apart; `None` if there are not as many.
    pub(crate) fn split(state: &'a [u8]) -> Option<Self> {
        let (flags, state) = state.split_first()?;
        let (len, state) = state.split_first_chunk()?;
        let (kept, handler) = state.split_at_checked(u32::from_be_bytes(*len) as usize)?;
        Some(Self { flag: flags & FLAG != 0, held: flags & HELD != 0, kept, handler })
    }
}
