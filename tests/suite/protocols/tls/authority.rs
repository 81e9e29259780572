//! An authority, and the certificates that it issues, as files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use protocols::tls::{Certificates, Client, Roots, Server};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;

/// Its files are deleted with it.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// The files of a certificate and its key, in PEM.
pub(crate) struct Issued {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        // Each has a name of its own: those that have one in common are told apart by their signatures only.
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        Self::called(&format!("authority {}", COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    pub(crate) fn called(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    /// The file with its own certificate.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Issues a certificate for these names, in the files `FILE.pem` and `FILE.key`.
    pub(crate) fn issue(&self, file: &str, names: &[&str]) -> Issued {
        self.issue_with(file, names, |_| {})
    }

    pub(crate) fn issue_with(&self, file: &str, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let key = KeyPair::generate().unwrap();
        let mut params = params(names);
        change(&mut params);
        let chain = params.signed_by(&key, &self.issuer).unwrap();
        self.write(file, &chain.pem(), &key)
    }

    /// The same, signed by its own key.
    pub(crate) fn self_signed(&self, file: &str, names: &[&str]) -> Issued {
        let key = KeyPair::generate().unwrap();
        let chain = params(names).self_signed(&key).unwrap();
        self.write(file, &chain.pem(), &key)
    }

    fn write(&self, file: &str, chain: &str, key: &KeyPair) -> Issued {
        let path = |ending: &str| self.folder.path().join(format!("{file}.{ending}"));
        let issued = Issued { chain: path("pem"), key: path("key") };
        fs::write(&issued.chain, chain).unwrap();
        fs::write(&issued.key, key.serialize_pem()).unwrap();
        issued
    }

    /// A client that trusts it, and no other.
    pub(crate) fn client(&self) -> Client {
        Client::new().roots(self.roots())
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots::from_pem_file(self.path()).unwrap()
    }
}

impl Issued {
    pub(crate) fn certificates(&self) -> Certificates {
        Certificates::from_pem_files(&self.chain, &self.key).unwrap()
    }

    pub(crate) fn server(&self) -> Server {
        Server::new(self.certificates())
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names.clone()).unwrap();
    params.distinguished_name.push(DnType::CommonName, names.concat());
    params.not_before = date_time_ymd(2020, 1, 1);
    params.use_authority_key_identifier_extension = true;
    params
}
