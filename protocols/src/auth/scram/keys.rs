//! The keys of SCRAM-SHA-256 (RFC 5802, section 3), which come from a password.

use std::borrow::Cow;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// Overwritten when it is dropped.
pub(super) type Key = Zeroizing<[u8; 32]>;

/// The password, as slow to compute as there are iterations.
pub(super) fn salted_password(password: &[u8], salt: &[u8], iterations: u32) -> Key {
    let prepared = Zeroizing::new(prepared(password).into_owned());
    let Ok(salted) = pbkdf2::pbkdf2_array::<Hmac<Sha256>, 32>(&prepared, salt, iterations) else {
        unreachable!("HMAC takes keys of any length");
    };
    Key::new(salted)
}

pub(super) fn client_proof_key(salted_password: &Key) -> Key {
    hmac(&**salted_password, &[b"Client Key"])
}

pub(super) fn server_key(salted_password: &Key) -> Key {
    hmac(&**salted_password, &[b"Server Key"])
}

pub(super) fn hmac(key: &[u8], data: &[&[u8]]) -> Key {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { unreachable!("HMAC takes keys of any length") };
    data.iter().for_each(|part| mac.update(part));
    Key::new(mac.finalize().into_bytes().into())
}

/// The key that this and `mask` have bit by bit.
pub(super) fn xor(mut key: Key, mask: &Key) -> Key {
    key.iter_mut().zip(&**mask).for_each(|(byte, mask)| *byte ^= mask);
    key
}

pub(super) fn digest(data: &[u8]) -> [u8; 32] {
    Sha256::digest(data).into()
}

pub(super) fn random(bytes: &mut [u8]) {
    // A system without random bytes could not have provided them for this process's hash maps either.
    getrandom::fill(bytes).expect("the system gives random bytes");
}

/// The password by SASLprep (RFC 4013), so that it is the same however it was typed. As it is, if it is no text that SASLprep
/// allows: PostgreSQL does the same.
fn prepared(password: &[u8]) -> Cow<'_, [u8]> {
    match str::from_utf8(password).ok().and_then(|text| stringprep::saslprep(text).ok()) {
        Some(Cow::Owned(text)) => Cow::Owned(text.into_bytes()),
        Some(Cow::Borrowed(text)) => Cow::Borrowed(text.as_bytes()),
        None => Cow::Borrowed(password),
    }
}
