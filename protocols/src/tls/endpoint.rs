//! The `tls:` endpoint: over TCP, or around other endpoints.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use std::{fmt, fs, io, mem};

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
use crate::util::file;
use crate::util::lock::lock;

pub(crate) fn server(reactor: &Reactor, arguments: &mut Arguments) -> Result<Box<dyn ServerEndpoint>, EndpointError> {
    // `tls:8443:…` is `tls:…:tcp:8443`, with the arguments in any order.
    let is_port = arguments.clone().required("port").is_ok_and(|port| port.port().is_ok());
    let rest = if is_port { None } else { Some(arguments.rest()?) };
    let files = Files::of(arguments)?;
    let files =
        files.ok_or_else(|| arguments.error("has no certificate: give it certificate= and key=, or directory="))?;
    let files = ServerFiles { own: files, clients: AskedClients::of(arguments)? };
    let settings = ServerSettings {
        alpn: arguments.optional("alpn")?.map(|list| list.list()).unwrap_or_default(),
        handshake: arguments.optional("handshake")?.map(|seconds| seconds.seconds()).transpose()?,
    };
    let whole = arguments.clone();
    let inside = rest.unwrap_or_else(|| arguments.rest_as("tcp")).server_endpoint(reactor)?;
    Ok(Box::new(TlsServer {
        arguments: whole,
        reactor: reactor.clone(),
        inside,
        files,
        settings,
        shared: RefCell::default(),
    }))
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

    fn paths(&self) -> Vec<PathBuf> {
        match self {
            Self::Pair(certificate, key) => vec![certificate.clone(), key.clone()],
            Self::Directory(directory) => {
                let entries = fs::read_dir(directory).into_iter().flatten();
                entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
            }
        }
    }
}

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
    files: ServerFiles,
    settings: ServerSettings,
    /// Once it was listened on.
    shared: RefCell<Option<Arc<Shared>>>,
}

#[derive(Clone)]
struct ServerSettings {
    alpn: Vec<String>,
    handshake: Option<Duration>,
}

impl ServerSettings {
    fn server(&self, read: Read) -> Server {
        let mut server = Server::new(read.certificates);
        if let Some(asked) = read.client_certificates {
            server = server.client_certificates(asked);
        }
        if let Some(timeout) = self.handshake {
            server = server.handshake_timeout(timeout);
        }
        server.alpn(&self.alpn.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

#[async_trait(?Send)]
impl ServerEndpoint for TlsServer {
    async fn listen(&self, factory: Box<dyn Factory>) -> io::Result<Port> {
        let shared = Shared::of(&self.to_string(), self.read().await?, &self.settings);
        let inside = shared.server.around(factory);
        self.shared.replace(Some(Arc::clone(&shared)));
        let watched = Watched { inside, reactor: self.reactor.clone(), shared, files: self.files.clone(), watch: None };
        self.inside.listen(Box::new(watched)).await
    }

    async fn reload(&self) -> io::Result<()> {
        let shared = self.shared.borrow().clone();
        if let Some(shared) = shared {
            shared.present(self.read().await?);
        }
        self.inside.reload().await
    }
}

impl TlsServer {
    async fn read(&self) -> io::Result<Read> {
        let files = self.files.clone();
        let read = in_thread(&self.reactor, move || files.read()).await?;
        read.map_err(|error| io::Error::other(format!("{self}: {error}")))
    }
}

impl fmt::Display for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.arguments.fmt(f)
    }
}

/// The files of a server.
#[derive(Clone)]
struct ServerFiles {
    own: Files,
    clients: AskedClients,
}

/// Which certificates clients are asked for.
#[derive(Clone)]
enum AskedClients {
    None,
    Any,
    /// Those that the authorities in a file have issued.
    By(PathBuf),
}

impl AskedClients {
    fn of(arguments: &mut Arguments) -> Result<Self, EndpointError> {
        let roots = arguments.optional("client-ca")?.map(|path| PathBuf::from(path.as_str()));
        let kind = arguments.optional("client-certificates")?;
        match (roots, kind) {
            (None, None) => Ok(Self::None),
            (Some(path), None) => Ok(Self::By(path)),
            (None, Some(kind)) if kind.as_str() == "any" => Ok(Self::Any),
            (None, Some(kind)) => Err(kind.error("must be any")),
            (Some(_), Some(_)) => Err(arguments.error("has both client-ca= and client-certificates=")),
        }
    }

    fn path(&self) -> Option<PathBuf> {
        match self {
            Self::By(path) => Some(path.clone()),
            Self::None | Self::Any => None,
        }
    }

    fn read(&self) -> Result<Option<ClientCertificates>, TlsError> {
        match self {
            Self::None => Ok(None),
            Self::Any => Ok(Some(ClientCertificates::any())),
            Self::By(path) => Roots::from_pem_file(path).map(|roots| Some(ClientCertificates::required(roots))),
        }
    }
}

/// What is in them.
struct Read {
    certificates: Certificates,
    client_certificates: Option<ClientCertificates>,
    stamp: Stamp,
}

/// Those of several files.
type Stamp = Vec<Option<file::Stamp>>;

impl ServerFiles {
    fn read(&self) -> Result<Read, TlsError> {
        // First: a change in between is noticed.
        let stamp = self.stamp();
        let client_certificates = self.clients.read()?;
        Ok(Read { certificates: self.own.read()?, client_certificates, stamp })
    }

    /// Something that changes when they do.
    fn stamp(&self) -> Stamp {
        let mut paths = self.own.paths();
        paths.extend(self.clients.path());
        paths.sort();
        paths.iter().map(|path| file::stamp(path)).collect()
    }
}

/// What all ports of one description have in common, on whichever thread they are, and also those that are opened when the
/// last one has closed, if the endpoint is the same: clients resume their sessions at each of them.
struct Shared {
    server: Server,
    /// That of the files when they were read last.
    stamp: Mutex<Stamp>,
}

impl Shared {
    fn of(description: &str, read: Read, settings: &ServerSettings) -> Arc<Self> {
        static ALL: Mutex<BTreeMap<String, Weak<Shared>>> = Mutex::new(BTreeMap::new());
        let mut all = lock(&ALL);
        if let Some(shared) = all.get(description).and_then(Weak::upgrade) {
            shared.present(read);
            return shared;
        }
        all.retain(|_, shared| shared.strong_count() > 0);
        let stamp = Mutex::new(read.stamp.clone());
        let shared = Arc::new(Self { server: settings.server(read), stamp });
        all.insert(description.to_owned(), Arc::downgrade(&shared));
        shared
    }

    fn present(&self, read: Read) {
        self.server.reload(read.certificates);
        if let Some(asked) = read.client_certificates {
            self.server.reload_client_certificates(asked);
        }
        self.is_news(read.stamp);
    }

    /// Whether nobody has seen the files like this.
    fn is_news(&self, found: Stamp) -> bool {
        let mut stamp = lock(&self.stamp);
        mem::replace(&mut *stamp, found.clone()) != found
    }
}

/// A factory that reads its certificates again when their files have changed.
struct Watched {
    inside: TlsFactory,
    reactor: Reactor,
    shared: Arc<Shared>,
    files: ServerFiles,
    watch: Option<LoopingCall>,
}

impl Watched {
    fn watch(&self) -> LoopingCall {
        let (reactor, shared, files) = (self.reactor.clone(), Arc::clone(&self.shared), self.files.clone());
        self.reactor.call_every(LOOK_INTERVAL, move |tick| {
            let (asker, shared, files) = (reactor.clone(), Arc::clone(&shared), files.clone());
            reactor.spawn(async move {
                let looked = files.clone();
                if let Ok(found) = in_thread(&asker, move || looked.stamp()).await
                    && shared.is_news(found)
                    && let Ok(read) = in_thread(&asker, move || files.read()).await
                {
                    match read {
                        Ok(read) => {
                            let certificates = &read.certificates;
                            tracing::info!(
                                ?certificates,
                                "the certificates have changed and are presented from now on"
                            );
                            shared.present(read);
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
