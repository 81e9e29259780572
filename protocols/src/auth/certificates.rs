use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use async_trait::async_trait;
use reactor::{Reactor, Transport};

use crate::auth::checker::Checker;
use crate::auth::credentials::Credentials;
use crate::auth::error::LoginError;
use crate::auth::identity::Identity;
use crate::tls::{Fingerprint, TlsInfo};

/// The certificate that a TLS client has presented. The server has verified it, if it
/// [asks for one](crate::tls::Server::client_certificates).
#[derive(Clone)]
pub struct PeerCertificate(Rc<TlsInfo>, Fingerprint);

impl PeerCertificate {
    /// That of the peer of this connection; `None` without TLS, or if the peer has presented none.
    pub fn of(transport: &Transport) -> Option<Self> {
        let info = TlsInfo::of(transport)?;
        let fingerprint = info.peer_fingerprint()?;
        Some(Self(info, fingerprint))
    }

    /// Its fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        self.1
    }

    /// What the handshake has negotiated, with the whole certificate.
    pub fn tls_info(&self) -> &TlsInfo {
        &self.0
    }
}

impl Credentials for PeerCertificate {
    const KIND: &'static str = "certificates";
}

impl fmt::Debug for PeerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PeerCertificate").field(&self.1).finish()
    }
}

/// Accounts by the fingerprints of their owners' certificates. Cheap to clone; the clones share the accounts.
///
/// Let the server accept these same certificates, by
/// [`ClientCertificates::fingerprints`](crate::tls::ClientCertificates::fingerprints), or those of an authority.
///
/// ```
/// use protocols::auth::{CertificateTable, Identity, Portal};
/// use protocols::tls::Fingerprint;
///
/// let accounts = CertificateTable::new();
/// accounts.insert(Fingerprint::of(b"not really a certificate"), "ann");
/// let portal = Portal::new(|who: &Identity| who.clone());
/// portal.register_checker(accounts.clone());
/// ```
#[derive(Clone, Debug, Default)]
pub struct CertificateTable(Rc<RefCell<HashMap<Fingerprint, String>>>);

impl CertificateTable {
    /// A table without accounts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the owner of this certificate the account of this name. An account may have several.
    pub fn insert(&self, certificate: Fingerprint, name: impl Into<String>) {
        self.0.borrow_mut().insert(certificate, name.into());
    }

    /// Removes a certificate. Returns false if there is none. Its logins go on.
    pub fn remove(&self, certificate: Fingerprint) -> bool {
        self.0.borrow_mut().remove(&certificate).is_some()
    }
}

#[async_trait(?Send)]
impl Checker<PeerCertificate> for CertificateTable {
    async fn check(&self, certificate: PeerCertificate, _reactor: &Reactor) -> Result<Option<Identity>, LoginError> {
        Ok(self.0.borrow().get(&certificate.fingerprint()).map(|name| name.as_str().into()))
    }
}
