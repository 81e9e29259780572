//! Certificates: what a side of TLS presents, and which ones of the other side it accepts.

pub(crate) mod client_certificates;
pub(crate) mod fingerprint;
pub(crate) mod pinned;
pub(crate) mod roots;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;

use crate::tls::certificates::fingerprint::Fingerprint;
use crate::tls::error::{TlsError, certificate};
use crate::util::file::name_of;

/// What one side of TLS presents: certificate chains and their private keys.
///
/// Cheap to clone. `Debug` shows fingerprints only, never a part of a key.
#[derive(Clone)]
pub struct Certificates {
    /// The first is presented to clients that ask for none of the names.
    all: Arc<[Arc<CertifiedKey>]>,
    /// Those in files named after a server.
    by_name: Arc<HashMap<String, usize>>,
}

impl Certificates {
    /// Reads a certificate chain, the server's own certificate first, and its key, in PEM. Both may be in one file: name
    /// it twice.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, the certificate or the key is missing, or they do not belong together.
    pub fn from_pem_files(chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, TlsError> {
        let (chain, key) = (chain.as_ref(), key.as_ref());
        let (chain_pem, key_pem) = (read(chain)?, read(key)?);
        Ok(Self::one(certified(&chain_pem, &key_pem, &name_of(chain), &name_of(key))?))
    }

    /// The same for texts.
    ///
    /// # Errors
    ///
    /// If the certificate or the key is missing or malformed, or if they do not belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Ok(Self::one(certified(chain, key, "the certificate's text", "the key's text")?))
    }

    /// Reads all files of a directory whose names end in `.pem`, each with a certificate chain and its key. For servers
    /// with several names.
    ///
    /// A client that asks for `example.org` (by SNI) gets the certificate in `example.org.pem`, or else the first one
    /// that is for that name. Others get the one in `default.pem`, or else the first, in the order of the files' names.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read or has no such file, or if a file is not as described.
    pub fn from_directory(directory: impl AsRef<Path>) -> Result<Self, TlsError> {
        let directory = directory.as_ref();
        let cannot_read =
            |error| TlsError::because(format!("cannot read the directory {}: {error}", name_of(directory)), error);
        let mut paths = std::fs::read_dir(directory)
            .and_then(|entries| {
                entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<PathBuf>, _>>()
            })
            .map_err(cannot_read)?;
        paths.retain(|path| path.extension() == Some(OsStr::new("pem")));
        paths.sort_by_key(|path| (path.file_stem() != Some(OsStr::new("default")), path.clone()));
        if paths.is_empty() {
            return Err(TlsError::new(format!("there is no file in {} whose name ends in .pem", name_of(directory))));
        }
        let (mut all, mut by_name) = (Vec::new(), HashMap::new());
        for path in paths {
            if let Some(name) = path.file_stem().and_then(OsStr::to_str) {
                by_name.insert(name.to_ascii_lowercase(), all.len());
            }
            let (pem, file) = (read(&path)?, name_of(&path));
            all.push(certified(&pem, &pem, &file, &file)?);
        }
        Ok(Self { all: all.into(), by_name: Arc::new(by_name) })
    }

    fn one(certified: Arc<CertifiedKey>) -> Self {
        Self { all: Arc::new([certified]), by_name: Arc::default() }
    }

    /// The certificate for clients that ask for this server name, if they ask for one.
    pub(crate) fn for_name(&self, name: Option<&str>) -> Arc<CertifiedKey> {
        let found = name.filter(|_| self.all.len() > 1).and_then(|name| {
            let by_name = self.by_name.get(&name.to_ascii_lowercase()).map(|index| &self.all[*index]);
            by_name.or_else(|| self.all.iter().find(|certified| is_for(certified, name)))
        });
        Arc::clone(found.unwrap_or(&self.all[0]))
    }

    /// The only certificate, or the first.
    pub(crate) fn first(&self) -> &Arc<CertifiedKey> {
        &self.all[0]
    }

    /// The fingerprints of the certificates, in the order of their files.
    pub fn fingerprints(&self) -> impl Iterator<Item = Fingerprint> {
        self.all.iter().flat_map(|certified| certified.cert.first()).map(|certificate| Fingerprint::of(certificate))
    }
}

/// A certificate whose key is not in a file but in a hardware module, for example.
impl From<CertifiedKey> for Certificates {
    fn from(certified: CertifiedKey) -> Self {
        Self::one(Arc::new(certified))
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.fingerprints()).finish()
    }
}

fn is_for(certified: &CertifiedKey, name: &str) -> bool {
    let parsed = certified.end_entity_cert().and_then(ParsedCertificate::try_from);
    parsed.is_ok_and(|parsed| ServerName::try_from(name).is_ok_and(|name| verify_server_name(&parsed, &name).is_ok()))
}

/// Reads a certificate and its key out of the contents of two files, which may be one.
fn certified(chain: &[u8], key: &[u8], chain_name: &str, key_name: &str) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = certificates(chain, chain_name)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| {
        TlsError::new(format!("there is no private key in {key_name}: a key begins with -----BEGIN PRIVATE KEY-----"))
    })?;
    let key = any_supported_type(&key).map_err(|error| {
        TlsError::because(format!("the private key in {key_name} is of a kind that TLS cannot use here"), error)
    })?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(Arc::new(certified)),
        Err(rustls::Error::InconsistentKeys(_)) => Err(TlsError::new(format!(
            "the private key in {key_name} does not belong to the first certificate in {chain_name}"
        ))),
        Err(error) => {
            let wrong = match &error {
                rustls::Error::InvalidCertificate(wrong) => certificate(wrong),
                _ => "cannot be used".to_owned(),
            };
            Err(TlsError::because(format!("the first certificate in {chain_name} {wrong}"), error))
        }
    }
}

/// Reads all certificates out of the contents of a file; there is at least one.
pub(crate) fn certificates(pem: &[u8], name: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(TlsError::new(format!(
            "there is no certificate in {name}: a certificate begins with -----BEGIN CERTIFICATE-----"
        ))),
        Err(error) => Err(TlsError::because(format!("a certificate in {name} is not well-formed"), error)),
    }
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::because(format!("cannot read {}: {error}", name_of(path)), error))
}
