use std::fmt;

use ctutils::CtEq as _;
use zeroize::Zeroizing;

/// Bytes that are not to be shown: a password, a token. `Debug` shows none of them, and their memory is overwritten when
/// they are dropped.
///
/// ```
/// use protocols::auth::Secret;
///
/// let secret = Secret::new("sesame");
/// assert_eq!(format!("{secret:?}"), "Secret(…)");
/// assert!(secret.matches(b"sesame") && !secret.matches(b"sesam"));
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Keeps these bytes. What they were copied from is the caller's to overwrite.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether they are these bytes. The time it takes depends on their lengths alone.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        self.0.as_slice().ct_eq(bytes).to_bool()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
