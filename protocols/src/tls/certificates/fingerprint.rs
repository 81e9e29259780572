use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::tls::error::TlsError;

/// The SHA-256 digest of a certificate, which distinguishes it from all others. Its text is what
/// `openssl x509 -fingerprint -sha256` prints; lower case and digits without colons are read, too.
///
/// ```
/// use protocols::tls::Fingerprint;
///
/// let fingerprint = Fingerprint::of(b"not really a certificate");
/// assert_eq!(fingerprint.to_string().len(), 95);
/// assert_eq!(fingerprint.to_string().to_lowercase().replace(':', "").parse(), Ok(fingerprint));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl FromStr for Fingerprint {
    type Err = TlsError;

    fn from_str(text: &str) -> Result<Self, TlsError> {
        let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').map(|byte| byte.to_ascii_lowercase()).collect();
        let mut digest = [0; 32];
        match data_encoding::HEXLOWER.decode_len(digits.len()) {
            Ok(32) => {}
            _ => {
                return Err(TlsError::new(format!(
                    "{text:?} is not a SHA-256 fingerprint: that has 64 hexadecimal digits"
                )));
            }
        }
        match data_encoding::HEXLOWER.decode_mut(&digits, &mut digest) {
            Ok(_) => Ok(Self(digest)),
            Err(_) => Err(TlsError::new(format!(
                "{text:?} is not a SHA-256 fingerprint: not all of its characters are hexadecimal digits"
            ))),
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02X}", if index == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}
