//! States of several parts, each behind its length: four bytes, the first of them the highest.

pub(crate) fn add_part(state: &mut Vec<u8>, part: &[u8]) -> Option<()> {
    state.extend(u32::try_from(part.len()).ok()?.to_be_bytes());
    state.extend(part);
    Some(())
}

/// Takes the first part; `None` if it is not whole.
pub(crate) fn take_part<'a>(state: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut left = *state;
    let len = take_number(&mut left)? as usize;
    let (part, left) = left.split_at_checked(len)?;
    *state = left;
    Some(part)
}

pub(crate) fn take_number(bytes: &mut &[u8]) -> Option<u32> {
    let (number, left) = bytes.split_first_chunk()?;
    *bytes = left;
    Some(u32::from_be_bytes(*number))
}
