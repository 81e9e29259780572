use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use crate::tls::certificates::fingerprint::Fingerprint;
use crate::tls::certificates::pinned::Pinned;
use crate::tls::certificates::roots::Roots;

/// The certificates that a server asks its clients for.
///
/// The certificate that a client presents is verified before the protocol inside is built; the protocol finds it in
/// [`TlsInfo`](crate::tls::TlsInfo::peer_certificates). With TLS 1.3 a client learns only after its own part of the
/// handshake that its certificate was refused: its connection counts as established, and then fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificates(Asked);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    ByRoots { roots: Roots, is_required: bool },
    ByFingerprint(Vec<Fingerprint>),
    Any,
}

impl ClientCertificates {
    /// Each client must present a certificate that one of these authorities has issued.
    pub fn required(roots: Roots) -> Self {
        Self(Asked::ByRoots { roots, is_required: true })
    }

    /// A client may present a certificate; if it does, one of these authorities must have issued it.
    pub fn optional(roots: Roots) -> Self {
        Self(Asked::ByRoots { roots, is_required: false })
    }

    /// Each client must present one of these certificates, whose issuers and dates are not checked.
    pub fn fingerprints(fingerprints: impl IntoIterator<Item = Fingerprint>) -> Self {
        Self(Asked::ByFingerprint(fingerprints.into_iter().collect()))
    }

    /// A client may present any certificate, which nobody vouches for: that it has the key is all that is checked. For
    /// programs that know the owners of accounts by their [`Fingerprint`]s.
    pub fn any() -> Self {
        Self(Asked::Any)
    }

    pub(crate) fn verifier(&self, provider: &Arc<CryptoProvider>) -> Arc<dyn ClientCertVerifier> {
        match &self.0 {
            Asked::ByRoots { roots, is_required } => {
                let builder = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots.0), Arc::clone(provider));
                let builder = if *is_required { builder } else { builder.allow_unauthenticated() };
                builder.build().expect("there are roots, and no revocation lists")
            }
            Asked::ByFingerprint(accepted) => Arc::new(Pinned {
                accepted: Some(accepted.clone()),
                is_required: true,
                algorithms: provider.signature_verification_algorithms,
            }),
            Asked::Any => Arc::new(Pinned {
                accepted: None,
                is_required: false,
                algorithms: provider.signature_verification_algorithms,
            }),
        }
    }
}
