mod broken;
mod client_certificates;
mod ending;
mod handshake;
mod sni;
mod stream;
mod upgrade;
mod verification;

use std::sync::LazyLock;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, PKCS_ED25519,
    date_time_ymd,
};
use reactor::testing::Pair;

use crate::remote_end::RemoteEnd;
use crate::tls::{Certificates, Client, Roots, Server};

/// What issues the certificates of these tests. Signatures by Ed25519 are all of one length.
pub(super) static AUTHORITY: LazyLock<CertifiedIssuer<'static, KeyPair>> = LazyLock::new(|| {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = date_time_ymd(1990, 1, 1);
    CertifiedIssuer::self_signed(params, KeyPair::generate_for(&PKCS_ED25519).unwrap()).unwrap()
});

/// A certificate and its key, in PEM.
pub(super) struct Pem {
    pub(super) chain: String,
    pub(super) key: String,
}

impl Pem {
    pub(super) fn of(names: &[&str]) -> Self {
        Self::with(names, |_| {})
    }

    pub(super) fn with(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        params.not_before = date_time_ymd(1990, 1, 1);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let certificate = params.signed_by(&key, &AUTHORITY).unwrap();
        Self { chain: certificate.pem(), key: key.serialize_pem() }
    }

    pub(super) fn certificates(&self) -> Certificates {
        Certificates::from_pem(self.chain.as_bytes(), self.key.as_bytes()).unwrap()
    }
}

/// A certificate that nobody but its owner has issued.
pub(super) fn self_signed(name: &str) -> Pem {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    Pem { chain: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

pub(super) fn roots() -> Roots {
    Roots::from_pem(AUTHORITY.pem().as_bytes()).unwrap()
}

pub(super) fn server() -> Server {
    Server::new(Pem::of(&["server.example"]).certificates())
}

pub(super) fn client() -> Client {
    Client::new().roots(roots())
}

/// A client and a server on one wire.
pub(super) struct Wire {
    pub(super) pair: Pair,
    pub(super) client: RemoteEnd,
    pub(super) server: RemoteEnd,
}

impl Wire {
    pub(super) fn between(client: &Client, server: &Server) -> Self {
        let (at_client, at_server) = (RemoteEnd::default(), RemoteEnd::default());
        let pair =
            Pair::connect(client.around("server.example", at_client.factory()), server.around(at_server.factory()));
        let mut wire = Self { pair, client: at_client, server: at_server };
        wire.pair.run_until_quiet();
        wire
    }

    pub(super) fn open() -> Self {
        let wire = Self::between(&client(), &server());
        assert!(wire.client.is_connected() && wire.server.is_connected());
        wire
    }

    pub(super) fn run(&mut self) {
        self.pair.run_until_quiet();
    }

    /// Why the outer connections have ended.
    pub(super) fn reasons(&mut self) -> [String; 2] {
        self.pair.advance(Duration::from_secs(1));
        [&self.pair.client, &self.pair.server]
            .map(|end| end.close_reason().map_or_else(|| "none".to_owned(), |why| why.to_string()))
    }
}
