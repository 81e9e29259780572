//! The services of the program: those of each thread, and those of the first.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::{fmt, io};

use async_trait::async_trait;
use irc_server::connection::{ClusterService, Hub, Node, Session, Upkeep};
use irc_server::server::Timestamp;
use irc_server::settings::{Listen, Settings};
use irc_server::store::Store;
use protocols::add_endpoint_schemes;
use protocols::console::Console;
use protocols::irc::IrcReceiver;
use protocols::metrics::Metrics;
use reactor::endpoint::{ServerEndpoint, server_from_string};
use reactor::service::{EndpointService, MultiService, ServiceError};
use reactor::{Factory, Port, Reactor};

use crate::announcement::{Announcement, Kind};
use crate::configuration::Configuration;
use crate::log::LogFilter;
use crate::{certificate, endpoints, numbers};

/// What the threads of the program have in common.
pub(crate) struct Program {
    configuration: Configuration,
    settings: Arc<Settings>,
    log: LogFilter,
    /// Made by the first thread, before the others begin.
    node: OnceLock<Node>,
}

impl Program {
    pub(crate) fn new(configuration: Configuration, settings: Settings, log: LogFilter) -> Self {
        Self { configuration, settings: Arc::new(settings), log, node: OnceLock::new() }
    }

    /// The services of a thread.
    pub(crate) fn services(&self, reactor: &Reactor) -> Result<MultiService, ServiceError> {
        add_endpoint_schemes(reactor);
        // Who starts the server names its endpoints, and may pass these to it.
        reactor.allow_endpoint_schemes(&["fd", "systemd"]);
        let is_first = reactor.thread_number() == 0;
        let node = self.node(reactor)?;
        let hub = Hub::new(&node, reactor);
        let own_certificate = self.own_certificate(is_first)?;
        let mut all = MultiService::new(reactor, "everything");
        if is_first {
            all = all.with(Upkeep::new(&hub)).with(ClusterService::new(&hub));
        }
        let mut ports = Vec::new();
        for (kind, description) in self.descriptions(own_certificate.as_deref())? {
            let factory: Box<dyn Factory> = match kind {
                Kind::Metrics => Box::new(Metrics::new(numbers::registry(&node))),
                Kind::Web | Kind::WebTls => Box::new(hub.web(&self.settings.listen)),
                Kind::Plain | Kind::Tls => Box::new(clients(&hub)),
            };
            let endpoint = Named::new(reactor, kind.name(), &description)?;
            ports.push((kind, Rc::new(EndpointService::new(endpoint, factory))));
        }
        all = ports.iter().fold(all, |all, (_, port)| all.with(Rc::clone(port)));
        if let Some(path) = &self.settings.listen.console {
            let log = self.log.clone();
            let console = Console::new("irc-server").on_log(move |level, target| log.set(level, target));
            let endpoint = Named::new(reactor, "console", &endpoints::console(path))?;
            all = all.with(EndpointService::new(endpoint, console.factory()));
        }
        Ok(all.with(Announcement::new(&hub, reactor, ports, own_certificate)))
    }

    fn node(&self, reactor: &Reactor) -> Result<Node, ServiceError> {
        if let Some(node) = self.node.get() {
            node.store().finish_with(reactor);
            return Ok(node.clone());
        }
        let settings = &self.settings;
        let store = Store::open(reactor, settings.database.as_deref(), settings.history.clone())?;
        let configuration = self.configuration.clone();
        let reload = move || configuration.read();
        let node = Node::new(Arc::clone(settings), store, reload, Timestamp::of(reactor.time_of_day()));
        Ok(self.node.get_or_init(|| node).clone())
    }

    /// The file of the certificate that the server makes for itself, if it needs that.
    fn own_certificate(&self, is_first: bool) -> Result<Option<PathBuf>, ServiceError> {
        let settings = &self.settings;
        let Listen { tls, web_tls, .. } = &settings.listen;
        if tls.is_empty() && web_tls.is_empty() || settings.tls.certificate.is_some() {
            return Ok(None);
        }
        let database = settings.database.as_deref().unwrap_or_else(|| Path::new("irc-server"));
        let path = database.with_extension("pem");
        if is_first {
            certificate::ensure(&path, &settings.server_name)
                .map_err(|error| format!("cannot make a certificate in {}: {error}", path.display()))?;
        }
        Ok(Some(path))
    }

    /// Where to listen, and for what.
    fn descriptions(&self, own_certificate: Option<&Path>) -> Result<Vec<(Kind, String)>, ServiceError> {
        let Settings { listen, tls, .. } = &*self.settings;
        let certificate = tls.certificate.as_deref().or(own_certificate).unwrap_or_else(|| Path::new(""));
        let key = tls.key.as_deref().unwrap_or(certificate);
        let all = [
            (Kind::Plain, &listen.plain),
            (Kind::Tls, &listen.tls),
            (Kind::Web, &listen.web),
            (Kind::WebTls, &listen.web_tls),
            (Kind::Metrics, &listen.metrics),
        ];
        let all = all.into_iter().flat_map(|(kind, texts)| texts.iter().map(move |text| (kind, text)));
        let describe = |(kind, text): (Kind, &String)| {
            let description = match kind {
                Kind::Plain | Kind::Web | Kind::Metrics => endpoints::description(text),
                Kind::Tls => endpoints::secure(text, certificate, key),
                Kind::WebTls => endpoints::web_secure(text, certificate, key),
            };
            Ok((kind, description.map_err(|error| cannot_listen(kind.name(), error))?))
        };
        all.map(describe).collect()
    }
}

fn cannot_listen(name: &str, error: impl fmt::Display) -> String {
    format!("cannot listen where `{name}` of the settings says: {error}")
}

/// A factory of the sessions of clients, which go on in the next process.
fn clients(hub: &Hub) -> impl Factory + use<> {
    let (hub, resuming) = (hub.clone(), hub.clone());
    IrcReceiver::factory(move |irc| Session::new(&hub, irc))
        .resumable(move |irc, state| Session::resume_from(&resuming, irc, state))
}

/// An endpoint that is called like its key in the settings, and whose errors have advice.
struct Named {
    name: &'static str,
    endpoint: Box<dyn ServerEndpoint>,
}

impl Named {
    fn new(reactor: &Reactor, name: &'static str, description: &str) -> Result<Self, ServiceError> {
        let endpoint = server_from_string(reactor, description).map_err(|error| cannot_listen(name, error))?;
        Ok(Self { name, endpoint })
    }
}

#[async_trait(?Send)]
impl ServerEndpoint for Named {
    async fn listen(&self, factory: Box<dyn Factory>) -> io::Result<Port> {
        self.endpoint.listen(factory).await.map_err(with_advice)
    }

    async fn reload(&self) -> io::Result<()> {
        self.endpoint.reload().await
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

fn with_advice(error: io::Error) -> io::Error {
    let text = error.to_string();
    match error.kind() {
        // For UNIX sockets the error itself has the advice.
        io::ErrorKind::AddrInUse if text.ends_with("address in use") => {
            io::Error::new(error.kind(), format!("{text}; end the other program, or choose another port (0: any)"))
        }
        _ => error,
    }
}
