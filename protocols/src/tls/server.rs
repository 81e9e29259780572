use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use reactor::{Factory, share};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{ClientHello, NoClientAuth, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::tls::certificates::Certificates;
use crate::tls::certificates::client_certificates::ClientCertificates;
use crate::tls::end::{End, FailedHandshakes, Peer};
use crate::tls::error::TlsError;
use crate::tls::factory::TlsFactory;
use crate::tls::options::Options;
use crate::tls::session::{ReactorTime, Session};

/// The server's end of TLS: a handle that makes factories around factories. Twisted's `CertificateOptions`, and with
/// [`around`](Self::around) its `TLSMemoryBIOFactory`.
///
/// Clones share the certificates and what clients resume their sessions by, also those on other threads. It offers
/// TLS 1.2 and 1.3, with the cipher suites and the key exchanges that rustls recommends, and no early data.
///
/// ```no_run
/// use protocols::tls::{Certificates, Server};
/// # use reactor::{Protocol, Reactor, Transport};
/// # struct Echo { transport: Transport }
/// # impl Protocol for Echo { fn data_received(&mut self, data: &[u8]) { self.transport.write(data) } }
///
/// let reactor = Reactor::new()?;
/// let tls = Server::new(Certificates::from_pem_files("chain.pem", "key.pem")?);
/// reactor.listen_tcp(8443, tls.around(|transport| Echo { transport }))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Server(Arc<ServerOptions>);

#[derive(Clone)]
struct ServerOptions {
    certificates: Arc<Presented>,
    clients: Arc<RwLock<Arc<Clients>>>,
    common: Options,
    failed_handshakes: Arc<AtomicU64>,
    config: Config,
}

/// What clients are asked for, and what they resume their sessions by. The two change together: a session that is resumed
/// has no certificate verified.
struct Clients {
    certificates: Option<ClientCertificates>,
    tickets: Option<Arc<dyn ProducesTickets>>,
}

impl Clients {
    fn asked_for(certificates: Option<ClientCertificates>) -> Arc<Self> {
        // Only the system's lack of random numbers makes it fail; then sessions are not resumed.
        Arc::new(Self { certificates, tickets: Ticketer::new().ok() })
    }
}

/// The settings in the form that rustls wants, for the clients that they were made for.
#[derive(Default)]
struct Config(RwLock<Option<(Arc<Clients>, Arc<ServerConfig>)>>);

impl Config {
    fn get_or_prepare(&self, clients: &Arc<Clients>, prepare: impl FnOnce() -> Arc<ServerConfig>) -> Arc<ServerConfig> {
        let of_clients = |(prepared, _): &&(Arc<Clients>, _)| Arc::ptr_eq(prepared, clients);
        if let Some((_, config)) = read(&self.0).as_ref().filter(of_clients) {
            return Arc::clone(config);
        }
        let config = prepare();
        *write(&self.0) = Some((Arc::clone(clients), Arc::clone(&config)));
        config
    }
}

/// The options of a clone are about to change.
impl Clone for Config {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Server {
    /// A server that presents these certificates, and does not ask clients for any.
    pub fn new(certificates: Certificates) -> Self {
        Self(Arc::new(ServerOptions {
            certificates: Arc::new(Presented(RwLock::new(certificates))),
            clients: Arc::new(RwLock::new(Clients::asked_for(None))),
            common: Options::default(),
            failed_handshakes: Arc::default(),
            config: Config::default(),
        }))
    }

    /// A factory whose connections are secured from their first byte on. The protocols of `inside` are built when the
    /// handshake is over, so that their factory finds [what was negotiated](crate::tls::TlsInfo::of).
    pub fn around(&self, inside: impl Factory) -> TlsFactory {
        TlsFactory::new(self.end(), share(inside), false)
    }

    /// A factory whose connections begin as plain text. The protocol inside starts TLS by
    /// [`start`](crate::tls::start()), or by the method `start_tls` of a receiver's handle: mail and chat protocols call
    /// that STARTTLS.
    pub fn upgradable(&self, inside: impl Factory) -> TlsFactory {
        TlsFactory::new(self.end(), share(inside), true)
    }

    /// Presents these certificates from now on, on all threads. Existing connections stay as they are, and clients that
    /// were connected before resume their sessions.
    ///
    /// Read the new ones first: if they are wrong, nothing changes.
    ///
    /// ```no_run
    /// # use protocols::tls::{Certificates, Server, TlsError};
    /// # fn renewed(tls: &Server) -> Result<(), TlsError> {
    /// tls.reload(Certificates::from_pem_files("chain.pem", "key.pem")?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn reload(&self, certificates: Certificates) {
        *write(&self.0.certificates.0) = certificates;
    }

    /// Asks clients for certificates. By default it does not.
    ///
    /// Sessions of clients that were asked for others, or for none, are not resumed.
    pub fn client_certificates(self, asked: ClientCertificates) -> Self {
        self.set(|options| options.clients = Arc::new(RwLock::new(Clients::asked_for(Some(asked)))))
    }

    /// Asks clients for these certificates from now on, on all threads, also at the clones that were made since
    /// [`client_certificates`](Self::client_certificates): to let somebody in, or keep somebody out, without a restart.
    /// Existing connections stay as they are. If these are others than before, sessions from before are not resumed.
    pub fn reload_client_certificates(&self, asked: ClientCertificates) {
        let mut clients = write(&self.0.clients);
        if clients.certificates.as_ref() != Some(&asked) {
            *clients = Clients::asked_for(Some(asked));
        }
    }

    /// The application protocols that this server speaks, such as `h2` and `http/1.1`, the preferred one first (ALPN, RFC
    /// 7301). A client that offers some, but none of these, is refused; one that offers none is not. By default every
    /// client is accepted. Twisted's `acceptableProtocols`.
    pub fn alpn(self, protocols: &[&str]) -> Self {
        self.set(|options| options.common.set_alpn(protocols))
    }

    /// How long a handshake may take (10 s).
    pub fn handshake_timeout(self, timeout: Duration) -> Self {
        self.set(|options| options.common.handshake_timeout = timeout)
    }

    /// Uses other cryptography than aws-lc-rs, or other cipher suites.
    ///
    /// # Errors
    ///
    /// If it has no cipher suite for TLS 1.2 or 1.3.
    pub fn provider(mut self, provider: Arc<CryptoProvider>) -> Result<Self, TlsError> {
        self.options().common.set_provider(provider)?;
        Ok(self)
    }

    /// Writes the keys of all connections to the file that the environment variable `SSLKEYLOGFILE` names, so that
    /// Wireshark and the like can read what was captured. Anybody with the file can read the traffic: for debugging only.
    pub fn log_keys(self) -> Self {
        self.set(|options| options.common.logs_keys = true)
    }

    /// The number of failed handshakes, including those that timed out. At most one in five seconds is logged.
    pub fn failed_handshakes(&self) -> u64 {
        self.0.failed_handshakes.load(Ordering::Relaxed)
    }

    fn end(&self) -> End {
        let options = Arc::clone(&self.0);
        End {
            session: Box::new(move || options.session()),
            handshake_timeout: self.0.common.handshake_timeout,
            peer: Peer::Client(FailedHandshakes::counted_in(&self.0.failed_handshakes)),
        }
    }

    fn set(mut self, set: impl FnOnce(&mut ServerOptions)) -> Self {
        set(self.options());
        self
    }

    fn options(&mut self) -> &mut ServerOptions {
        let options = Arc::make_mut(&mut self.0);
        options.config = Config::default();
        options
    }
}

impl ServerOptions {
    fn session(&self) -> Result<Session, TlsError> {
        let clients = Arc::clone(&read(&self.clients));
        let config = self.config.get_or_prepare(&clients, || self.config(&clients));
        Session::server(&config).map_err(|error| TlsError::of_rustls(error, None))
    }

    fn config(&self, clients: &Clients) -> Arc<ServerConfig> {
        let verifier = clients
            .certificates
            .as_ref()
            .map_or_else(|| Arc::new(NoClientAuth) as _, |asked| asked.verifier(self.common.provider()));
        let mut config = ServerConfig::builder_with_details(Arc::clone(self.common.provider()), Arc::new(ReactorTime))
            .with_safe_default_protocol_versions()
            .expect("the provider was checked")
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::clone(&self.certificates) as _);
        config.alpn_protocols.clone_from(&self.common.alpn);
        config.key_log = self.common.key_log();
        if let Some(tickets) = &clients.tickets {
            config.ticketer = Arc::clone(tickets);
        }
        Arc::new(config)
    }
}

/// The certificates that are presented now.
#[derive(Debug)]
struct Presented(RwLock<Certificates>);

impl ResolvesServerCert for Presented {
    fn resolve(&self, client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(read(&self.0).for_name(client.server_name()))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("certificates", &*read(&self.0.certificates.0))
            .field("client_certificates", &read(&self.0.clients).certificates)
            .finish_non_exhaustive()
    }
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
