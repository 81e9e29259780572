use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;

use crate::tls::certificates::{certificates, read};
use crate::tls::error::TlsError;
use crate::util::file::name_of;

/// The certificates of the authorities that are trusted to issue those of the other side.
#[derive(Clone)]
pub struct Roots(pub(crate) Arc<RootCertStore>);

impl Roots {
    /// Reads all certificates in a PEM file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, has no certificate, or has one that cannot be an authority's.
    pub fn from_pem_file(path: impl AsRef<Path>) -> Result<Self, TlsError> {
        let path = path.as_ref();
        Self::of(&read(path)?, &name_of(path))
    }

    /// The same for a text.
    ///
    /// # Errors
    ///
    /// As [`from_pem_file`](Self::from_pem_file).
    pub fn from_pem(pem: &[u8]) -> Result<Self, TlsError> {
        Self::of(pem, "the authorities' text")
    }

    fn of(pem: &[u8], name: &str) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(pem, name)? {
            let wrong =
                |error| TlsError::because(format!("a certificate in {name} cannot be that of an authority"), error);
            roots.add(certificate).map_err(wrong)?;
        }
        Ok(Self(Arc::new(roots)))
    }
}

impl PartialEq for Roots {
    fn eq(&self, other: &Self) -> bool {
        self.0.roots == other.0.roots
    }
}

impl Eq for Roots {}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roots").field("count", &self.0.len()).finish_non_exhaustive()
    }
}
