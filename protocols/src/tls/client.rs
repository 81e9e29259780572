use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use reactor::text::escaped;
use reactor::{Factory, share};
use rustls::ClientConfig;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_platform_verifier::Verifier;

use crate::tls::certificates::Certificates;
use crate::tls::certificates::fingerprint::Fingerprint;
use crate::tls::certificates::pinned::Pinned;
use crate::tls::certificates::roots::Roots;
use crate::tls::end::{End, Peer};
use crate::tls::error::TlsError;
use crate::tls::factory::TlsFactory;
use crate::tls::options::{Options, Prepared};
use crate::tls::session::{ReactorTime, Session};

/// The client's end of TLS: a handle that makes factories around factories. Twisted's `optionsForClientTLS`, and with
/// [`around`](Self::around) its `wrapClientTLS`.
///
/// It checks that an authority trusted by the system has issued the server's certificate, and that the certificate is
/// for the server's name. It speaks TLS 1.2 and 1.3. Clones share the sessions that can be resumed.
///
/// ```no_run
/// use protocols::tls::Client;
/// # use reactor::{Protocol, Reactor, Transport};
/// # struct Question { transport: Transport }
/// # impl Protocol for Question { fn data_received(&mut self, _: &[u8]) {} }
///
/// let reactor = Reactor::new()?;
/// let tls = Client::new();
/// reactor.connect_tcp("example.org:443", tls.around("example.org", |transport| Question { transport }));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Client(Arc<ClientOptions>);

#[derive(Clone)]
struct ClientOptions {
    trusted: Trusted,
    certificates: Option<Certificates>,
    common: Options,
    config: Prepared<Result<Arc<ClientConfig>, TlsError>>,
}

/// Which servers are accepted.
#[derive(Clone, Debug)]
enum Trusted {
    Platform,
    Roots(Roots),
    Fingerprint(Fingerprint),
    Anyone,
}

impl Client {
    /// A client that trusts the system's authorities, and presents no certificate of its own.
    ///
    /// The authorities are read at the first connection.
    pub fn new() -> Self {
        Self(Arc::new(ClientOptions {
            trusted: Trusted::Platform,
            certificates: None,
            common: Options::default(),
            config: Prepared::default(),
        }))
    }

    /// A factory for connecting to the server of this name, or this IP address; the address to connect to is not taken
    /// from it. The protocols of `inside` are built when the server's certificate is verified. If it is not accepted, the
    /// attempt to connect fails with a reason that says what is wrong with which certificate.
    pub fn around(&self, server: &str, inside: impl Factory) -> TlsFactory {
        TlsFactory::new(self.end(server), share(inside), false)
    }

    /// A factory whose connections begin as plain text. The protocol inside starts TLS by [`start`](crate::tls::start()),
    /// or by the method `start_tls` of a receiver's handle, when the server has agreed.
    pub fn upgradable(&self, server: &str, inside: impl Factory) -> TlsFactory {
        TlsFactory::new(self.end(server), share(inside), true)
    }

    /// Trusts these authorities in place of the system's.
    pub fn roots(self, roots: Roots) -> Self {
        self.set(|options| options.trusted = Trusted::Roots(roots))
    }

    /// Accepts the server that has this certificate, and no other. The certificate's issuer, names and dates are not
    /// checked. For servers with a certificate of their own making.
    pub fn fingerprint(self, fingerprint: Fingerprint) -> Self {
        self.set(|options| options.trusted = Trusted::Fingerprint(fingerprint))
    }

    /// Accepts every server, so that anybody in between can read and change everything. For tests only.
    pub fn danger_accept_any_server(self) -> Self {
        self.set(|options| options.trusted = Trusted::Anyone)
    }

    /// Presents a certificate to servers that ask for one.
    pub fn certificates(self, certificates: Certificates) -> Self {
        self.set(|options| options.certificates = Some(certificates))
    }

    /// The application protocols that this client offers, such as `h2` and `http/1.1` (ALPN, RFC 7301). Which of them the
    /// server has chosen, if any, is in [`TlsInfo`](crate::tls::TlsInfo::alpn_protocol).
    pub fn alpn(self, protocols: &[&str]) -> Self {
        self.set(|options| options.common.set_alpn(protocols))
    }

    /// How long a handshake may take (10 s); the deadline of the attempt to connect applies, too.
    pub fn handshake_timeout(self, timeout: Duration) -> Self {
        self.set(|options| options.common.handshake_timeout = timeout)
    }

    /// As [`Server::provider`](crate::tls::Server::provider).
    ///
    /// # Errors
    ///
    /// If it has no cipher suite for TLS 1.2 or 1.3.
    pub fn provider(mut self, provider: Arc<CryptoProvider>) -> Result<Self, TlsError> {
        self.options().common.set_provider(provider)?;
        Ok(self)
    }

    /// As [`Server::log_keys`](crate::tls::Server::log_keys).
    pub fn log_keys(self) -> Self {
        self.set(|options| options.common.logs_keys = true)
    }

    fn end(&self, server: &str) -> End {
        let (options, name) = (Arc::clone(&self.0), Rc::from(server));
        End {
            session: {
                let name = Rc::clone(&name);
                Box::new(move || options.session(&name))
            },
            handshake_timeout: self.0.common.handshake_timeout,
            peer: Peer::Server(name),
        }
    }

    fn set(mut self, set: impl FnOnce(&mut ClientOptions)) -> Self {
        set(self.options());
        self
    }

    fn options(&mut self) -> &mut ClientOptions {
        let options = Arc::make_mut(&mut self.0);
        options.config = Prepared::default();
        options
    }
}

impl ClientOptions {
    fn session(&self, server: &str) -> Result<Session, TlsError> {
        let name = ServerName::try_from(server).map_err(|error| {
            TlsError::because(format!("{} is neither a host's name nor an IP address", escaped(server)), error)
        })?;
        let config = self.config.get_or_prepare(|| self.config()).as_ref().map_err(TlsError::clone)?;
        Session::client(config, name.to_owned()).map_err(|error| TlsError::of_rustls(error, Some(server)))
    }

    fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let builder = ClientConfig::builder_with_details(Arc::clone(self.common.provider()), Arc::new(ReactorTime))
            .with_safe_default_protocol_versions()
            .expect("the provider was checked")
            .dangerous()
            .with_custom_certificate_verifier(self.verifier()?);
        let mut config = match &self.certificates {
            Some(certificates) => {
                let certified = CertifiedKey::clone(certificates.first());
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols.clone_from(&self.common.alpn);
        config.key_log = self.common.key_log();
        Ok(Arc::new(config))
    }

    fn verifier(&self) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
        let algorithms = self.common.provider().signature_verification_algorithms;
        Ok(match &self.trusted {
            Trusted::Platform => {
                let verifier = Verifier::new(Arc::clone(self.common.provider()));
                Arc::new(
                    verifier.map_err(|error| {
                        TlsError::because("cannot read the authorities that this system trusts", error)
                    })?,
                )
            }
            Trusted::Roots(roots) => {
                WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots.0), Arc::clone(self.common.provider()))
                    .build()
                    .expect("there are roots, and no revocation lists")
            }
            Trusted::Fingerprint(accepted) => {
                Arc::new(Pinned { accepted: Some(vec![*accepted]), is_required: true, algorithms })
            }
            Trusted::Anyone => Arc::new(Pinned { accepted: None, is_required: true, algorithms }),
        })
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("trusted", &self.0.trusted)
            .field("certificates", &self.0.certificates)
            .finish_non_exhaustive()
    }
}
