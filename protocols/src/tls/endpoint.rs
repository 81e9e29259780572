//! The `tls:` endpoint: over TCP, or around other endpoints.

use std::cell::{OnceCell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, SystemTime};
use std::{fmt, fs, io};

use async_trait::async_trait;
use futures_channel::oneshot;
use reactor::connect::ConnectErrorKind;
use reactor::endpoint::{Arguments, ClientEndpoint, EndpointError, ServerEndpoint};
use reactor::task::LoopingCall;
use reactor::{ConnectError, Factory, Port, Protocol, Reactor, Transport};

use crate::tls::certificates::Certificates;
use crate::tls::certificates::client_certificates::ClientCertificates;
use crate::tls::certificates::fingerprint::Fingerprint;
use crate::tls::certificates::roots::Roots;
use crate::tls::client::Client;
use crate::tls::error::TlsError;
use crate::tls::factory::TlsFactory;
use crate::tls::server::Server;

pub(crate) fn server(reactor: &Reactor, arguments: &mut Arguments) -> Result<Box<dyn ServerEndpoint>, EndpointError> {
    // `tls:8443:…` is `tls:…:tcp:8443`, with the arguments in any order.
    let is_port = arguments.clone().required("port").is_ok_and(|port| port.port().is_ok());
    let rest = if is_port { None } else { Some(arguments.rest()?) };
    let files = Files::of(arguments)?;
    let files =
        files.ok_or_else(|| arguments.error("has no certificate: give it certificate= and key=, or directory="))?;
    let settings = ServerSettings {
        client_roots: arguments.optional("client-ca")?.map(|path| PathBuf::from(path.as_str())),
        alpn: arguments.optional("alpn")?.map(|list| list.list()).unwrap_or_default(),
        handshake: arguments.optional("handshake")?.map(|seconds| seconds.seconds()).transpose()?,
    };
    let whole = arguments.clone();
    let inside = rest.unwrap_or_else(|| arguments.rest_as("tcp")).server_endpoint(reactor)?;
    let endpoint =
        TlsServer { arguments: whole, reactor: reactor.clone(), inside, files, settings, tls: RefCell::default() };
    Ok(Box::new(endpoint))
}

pub(crate) fn client(reactor: &Reactor, arguments: &mut Arguments) -> Result<Box<dyn ClientEndpoint>, EndpointError> {
    // `tls:example.org:443:…` is `tls:server=example.org:…:tcp:example.org:443`, with the arguments in any order.
    let named = arguments.clone().optional("server")?.map(|name| name.to_string());
    let rest = if named.is_some() { Some(arguments.rest()?) } else { None };
    let server = match named {
        Some(name) => {
            arguments.optional("server")?;
            name
        }
        None => arguments.clone().required("host")?.to_string(),
    };
    let fingerprint = match arguments.optional("fingerprint")? {
        Some(text) => Some(text.as_str().parse().map_err(|_| text.error("is not a SHA-256 fingerprint"))?),
        None => None,
    };
    let settings = ClientSettings {
        files: Files::of(arguments)?,
        roots: arguments.optional("ca")?.map(|path| PathBuf::from(path.as_str())),
        fingerprint,
        alpn: arguments.optional("alpn")?.map(|list| list.list()).unwrap_or_default(),
        handshake: arguments.optional("handshake")?.map(|seconds| seconds.seconds()).transpose()?,
    };
    let whole = arguments.clone();
    let inside = rest.unwrap_or_else(|| arguments.rest_as("tcp")).client_endpoint(reactor)?;
    Ok(Box::new(TlsClient {
        arguments: whole,
        reactor: reactor.clone(),
        inside,
        server,
        settings,
        tls: OnceCell::new(),
    }))
}

/// Where certificates and keys are.
#[derive(Clone)]
enum Files {
    Pair(PathBuf, PathBuf),
    Directory(PathBuf),
}

impl Files {
    fn of(arguments: &mut Arguments) -> Result<Option<Self>, EndpointError> {
        let mut path = |name| Ok(arguments.optional(name)?.map(|path| PathBuf::from(path.as_str())));
        let (certificate, key, directory) = (path("certificate")?, path("key")?, path("directory")?);
        match (certificate, key, directory) {
            (None, None, None) => Ok(None),
            // One file may have both.
            (Some(certificate), key, None) => Ok(Some(Self::Pair(certificate.clone(), key.unwrap_or(certificate)))),
            (None, None, Some(directory)) => Ok(Some(Self::Directory(directory))),
            (_, _, Some(_)) => Err(arguments.error("has both a directory of certificates and a certificate or a key")),
            (None, Some(_), None) => Err(arguments.error("has a key without a certificate=")),
        }
    }

    fn read(&self) -> Result<Certificates, TlsError> {
        match self {
            Self::Pair(certificate, key) => Certificates::from_pem_files(certificate, key),
            Self::Directory(directory) => Certificates::from_directory(directory),
        }
    }

    /// Something that changes when they do.
    fn stamp(&self) -> Stamp {
        let mut paths = match self {
            Self::Pair(certificate, key) => vec![certificate.clone(), key.clone()],
            Self::Directory(directory) => {
                let entries = fs::read_dir(directory).into_iter().flatten();
                entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
            }
        };
        paths.sort();
        let stamp = |path| {
            let metadata = fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        paths.iter().map(stamp).collect()
    }
}

/// The times of the last changes, and the lengths, of files.
type Stamp = Vec<Option<(SystemTime, u64)>>;

/// Does something slow, such as reading files, without blocking the reactor.
async fn in_thread<T: Send + 'static>(reactor: &Reactor, job: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (tell, told) = oneshot::channel();
    let job = move || {
        // The asker may be gone.
        let _ = tell.send(job());
    };
    reactor.call_in_thread(job).map_err(io::Error::other)?;
    told.await.map_err(|_| io::Error::other("the reactor stopped while files were read"))
}

struct TlsServer {
    arguments: Arguments,
    reactor: Reactor,
    inside: Box<dyn ServerEndpoint>,
    files: Files,
    settings: ServerSettings,
    /// What was listened on last.
    tls: RefCell<Option<Server>>,
}

#[derive(Clone)]
struct ServerSettings {
    client_roots: Option<PathBuf>,
    alpn: Vec<String>,
    handshake: Option<Duration>,
}

impl ServerSettings {
    fn server(&self, files: &Files) -> Result<Server, TlsError> {
        let mut server = Server::new(files.read()?);
        if let Some(path) = &self.client_roots {
            server = server.client_certificates(ClientCertificates::required(Roots::from_pem_file(path)?));
        }
        if let Some(timeout) = self.handshake {
            server = server.handshake_timeout(timeout);
        }
        Ok(server.alpn(&self.alpn.iter().map(String::as_str).collect::<Vec<_>>()))
    }
}

#[async_trait(?Send)]
impl ServerEndpoint for TlsServer {
    async fn listen(&self, factory: Box<dyn Factory>) -> io::Result<Port> {
        let (settings, files) = (self.settings.clone(), self.files.clone());
        // In this order: a change in between is noticed.
        let read = in_thread(&self.reactor, move || (files.stamp(), settings.server(&files))).await?;
        let (stamp, server) = (read.0, read.1.map_err(|error| self.wrong(&error))?);
        self.tls.replace(Some(server.clone()));
        let inside = server.around(factory);
        let watched =
            Watched { inside, reactor: self.reactor.clone(), server, files: self.files.clone(), stamp, watch: None };
        self.inside.listen(Box::new(watched)).await
    }

    async fn reload(&self) -> io::Result<()> {
        let server = self.tls.borrow().clone();
        if let Some(server) = server {
            let files = self.files.clone();
            let certificates = in_thread(&self.reactor, move || files.read()).await?;
            server.reload(certificates.map_err(|error| self.wrong(&error))?);
        }
        self.inside.reload().await
    }
}

impl TlsServer {
    fn wrong(&self, error: &TlsError) -> io::Error {
        io::Error::other(format!("{self}: {error}"))
    }
}

impl fmt::Display for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.arguments.fmt(f)
    }
}

/// A factory that reads its certificates again when their files have changed.
struct Watched {
    inside: TlsFactory,
    reactor: Reactor,
    server: Server,
    files: Files,
    /// That of the files when they were read last.
    stamp: Stamp,
    watch: Option<LoopingCall>,
}

impl Watched {
    fn watch(&self) -> LoopingCall {
        let (reactor, server, files) = (self.reactor.clone(), self.server.clone(), self.files.clone());
        let stamp = Rc::new(RefCell::new(self.stamp.clone()));
        self.reactor.call_every(LOOK_INTERVAL, move |tick| {
            let (reactor, server, files, stamp) = (reactor.clone(), server.clone(), files.clone(), Rc::clone(&stamp));
            let asker = reactor.clone();
            asker.spawn(async move {
                let looked = files.clone();
                if let Ok(found) = in_thread(&reactor, move || looked.stamp()).await
                    && stamp.replace(found.clone()) != found
                    && let Ok(read) = in_thread(&reactor, move || files.read()).await
                {
                    match read {
                        Ok(certificates) => {
                            tracing::info!(
                                ?certificates,
                                "the certificates have changed and are presented from now on"
                            );
                            server.reload(certificates);
                        }
                        Err(error) => {
                            tracing::error!(%error, "the certificates have changed and are wrong: the old ones stay");
                        }
                    }
                }
                drop(tick);
            });
        })
    }
}

impl Factory for Watched {
    fn start_factory(&mut self) {
        self.watch = Some(self.watch());
        self.inside.start_factory();
    }

    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        self.inside.build_protocol(transport)
    }

    fn stop_factory(&mut self) {
        if let Some(watch) = self.watch.take() {
            watch.stop();
        }
        self.inside.stop_factory();
    }
}

struct TlsClient {
    arguments: Arguments,
    reactor: Reactor,
    inside: Box<dyn ClientEndpoint>,
    server: String,
    settings: ClientSettings,
    /// Once it was connected to.
    tls: OnceCell<Client>,
}

#[derive(Clone)]
struct ClientSettings {
    files: Option<Files>,
    roots: Option<PathBuf>,
    fingerprint: Option<Fingerprint>,
    alpn: Vec<String>,
    handshake: Option<Duration>,
}

impl ClientSettings {
    fn client(&self) -> Result<Client, TlsError> {
        let mut client = Client::new();
        if let Some(path) = &self.roots {
            client = client.roots(Roots::from_pem_file(path)?);
        }
        if let Some(fingerprint) = self.fingerprint {
            client = client.fingerprint(fingerprint);
        }
        if let Some(files) = &self.files {
            client = client.certificates(files.read()?);
        }
        if let Some(timeout) = self.handshake {
            client = client.handshake_timeout(timeout);
        }
        Ok(client.alpn(&self.alpn.iter().map(String::as_str).collect::<Vec<_>>()))
    }
}

#[async_trait(?Send)]
impl ClientEndpoint for TlsClient {
    async fn connect(&self, factory: Box<dyn Factory>) -> Result<Transport, ConnectError> {
        if self.tls.get().is_none() {
            let settings = self.settings.clone();
            let client = in_thread(&self.reactor, move || settings.client()).await;
            let client = client.and_then(|client| client.map_err(io::Error::other));
            let failed = |error| ConnectError::new(self.to_string(), ConnectErrorKind::Other, Some(error));
            // Another attempt may have been faster.
            let _ = self.tls.set(client.map_err(failed)?);
        }
        let client = self.tls.get().cloned().unwrap_or_default();
        self.inside.connect(Box::new(client.around(&self.server, factory))).await
    }
}

impl fmt::Display for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.arguments.fmt(f)
    }
}

/// How often certificates are looked at for changes.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
