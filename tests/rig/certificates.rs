//! An authority for tests, and both ends of TLS that know it.

use std::sync::LazyLock;

use protocols::tls::{Certificates, Client, Roots, Server};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ED25519, date_time_ymd};

/// The name that the server's certificate is for.
pub const SERVER_NAME: &str = "server.example";

/// The authority's certificate, and the server's with its key, in PEM.
#[derive(Debug)]
pub struct Pem {
    pub authority: String,
    pub chain: String,
    pub key: String,
}

/// They are made once in a process, and valid for longer than any clock of a test says. Signatures by Ed25519 are all of one
/// length, so simulations repeat.
pub fn pem() -> &'static Pem {
    static PEM: LazyLock<Pem> =
        LazyLock::new(|| make(&PKCS_ED25519).expect("the parameters of the certificates are right"));
    &PEM
}

/// Those of another authority, which clients get to see after a reload.
pub fn renewed() -> &'static Pem {
    static PEM: LazyLock<Pem> =
        LazyLock::new(|| make(&PKCS_ED25519).expect("the parameters of the certificates are right"));
    &PEM
}

fn make(algorithm: &'static rcgen::SignatureAlgorithm) -> Result<Pem, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = date_time_ymd(1990, 1, 1);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate_for(algorithm)?)?;
    let names = [SERVER_NAME, "localhost", "127.0.0.1"].map(str::to_owned);
    let mut params = CertificateParams::new(names)?;
    params.not_before = date_time_ymd(1990, 1, 1);
    let key = KeyPair::generate_for(algorithm)?;
    let chain = params.signed_by(&key, &authority)?.pem();
    Ok(Pem { authority: authority.pem(), chain, key: key.serialize_pem() })
}

impl Pem {
    /// The server's.
    ///
    /// # Panics
    ///
    /// If the certificate and the key do not belong together.
    pub fn certificates(&self) -> Certificates {
        Certificates::from_pem(self.chain.as_bytes(), self.key.as_bytes()).expect("they belong together")
    }
}

/// A server with the certificate.
pub fn server() -> Server {
    Server::new(pem().certificates())
}

/// A client that trusts the authority.
pub fn client() -> Client {
    Client::new().roots(Roots::from_pem(pem().authority.as_bytes()).expect("it is an authority's"))
}
