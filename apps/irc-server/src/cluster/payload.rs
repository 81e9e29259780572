//! What nodes tell each other of the server, as bytes.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The first byte: another number is another format of what follows, in whatever it is.
const FORMAT: u8 = 1;

/// A value as other nodes are told it.
pub(crate) fn encode(value: &impl Serialize) -> Bytes {
    postcard::to_extend(value, vec![FORMAT]).expect("a list of bytes takes whatever is added to it").into()
}

/// What another node has told; `None` if it cannot be read.
pub(crate) fn decode<T: DeserializeOwned>(payload: &[u8]) -> Option<T> {
    let (&format, rest) = payload.split_first()?;
    match postcard::take_from_bytes(rest) {
        Ok((value, [])) if format == FORMAT => Some(value),
        _ => None,
    }
}
