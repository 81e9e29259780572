//! Proof that a server has understood the request.

use data_encoding::BASE64;
use sha1::{Digest as _, Sha1};

/// The answer to a key (RFC 6455, section 4.2.2).
pub(crate) fn accept(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64.encode(&hash.finalize())
}

/// A fresh key for a request.
pub(crate) fn new() -> String {
    let mut bytes = [0; 16];
    // A system without random bytes could not have provided them for this process's hash maps either.
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    BASE64.encode(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_that_of_the_specification() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_ne!(new(), new());
    }
}
