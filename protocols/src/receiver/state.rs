//! What a receiver tells the next process. It has three parts: a flag of the receiver's own, the kept input with its length,
//! and the handler's state.

/// Puts the parts together.
pub(crate) fn join(flag: bool, kept: &[u8], handler: &[u8]) -> Option<Vec<u8>> {
    let len = u32::try_from(kept.len()).ok()?.to_be_bytes();
    Some([&[u8::from(flag)], &len[..], kept, handler].concat())
}

/// Takes the parts apart; `None` if there are not as many.
pub(crate) fn split(state: &[u8]) -> Option<(bool, &[u8], &[u8])> {
    let (flag, state) = state.split_first()?;
    let (len, state) = state.split_first_chunk()?;
    let (kept, handler) = state.split_at_checked(u32::from_be_bytes(*len) as usize)?;
    Some((*flag == 1, kept, handler))
}
