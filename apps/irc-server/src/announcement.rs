use std::io::{self, Write as _};
use std::path::PathBuf;
use std::rc::Rc;

use irc_server::connection::Hub;
use protocols::tls::Certificates;
use reactor::Reactor;
use reactor::service::{EndpointService, Service, ServiceError};

/// The last service to start: on the first thread it prints where the others listen, and everywhere it ends the program when
/// none listens for clients any more. It is the first to stop, and tells the clients.
pub(crate) struct Announcement {
    hub: Hub,
    reactor: Reactor,
    ports: Vec<(Kind, Rc<EndpointService>)>,
    certificate: Option<PathBuf>,
}

/// What a port is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    Tls,
    Web,
    WebTls,
    Metrics,
}

impl Kind {
    /// The key in the settings.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls => "tls",
            Self::Web => "web",
            Self::WebTls => "web-tls",
            Self::Metrics => "metrics",
        }
    }

    /// How clients are told to get there.
    fn scheme(self) -> &'static str {
        match self {
            Self::Plain => "irc",
            Self::Tls => "ircs",
            Self::WebTls => "https",
            Self::Web | Self::Metrics => "http",
        }
    }
}

impl Announcement {
    pub(crate) fn new(
        hub: &Hub,
        reactor: &Reactor,
        ports: Vec<(Kind, Rc<EndpointService>)>,
        certificate: Option<PathBuf>,
    ) -> Self {
        Self { hub: hub.clone(), reactor: reactor.clone(), ports, certificate }
    }

    fn print(&self) {
        let mut lines = String::new();
        for (kind, port) in &self.ports {
            let Some(host) = port.port().map(|port| port.host()) else { continue };
            let place = match host.socket_addr() {
                Some(address) => format!("{}://{address}", kind.scheme()),
                None => host.to_string(),
            };
            lines += &format!("listening on {place}\n");
        }
        let certificate = self.certificate.as_ref().and_then(|path| Certificates::from_pem_files(path, path).ok());
        if let Some(fingerprint) = certificate.and_then(|certificate| certificate.fingerprints().next()) {
            lines += &format!("the certificate is the server's own; its SHA-256 fingerprint is {fingerprint}\n");
        }
        // Nobody may read it, and the server serves though.
        let _ = io::stdout().write_all(lines.as_bytes());
    }
}

#[async_trait::async_trait(?Send)]
impl Service for Announcement {
    fn name(&self) -> &str {
        "announcement"
    }

    async fn start(&self) -> Result<(), ServiceError> {
        if self.reactor.thread_number() == 0 {
            self.print();
        }
        let for_clients = self.ports.iter().filter(|(kind, _)| *kind != Kind::Metrics);
        let ports: Vec<_> = for_clients.filter_map(|(_, service)| service.port()).collect();
        let reactor = self.reactor.clone();
        self.reactor.spawn(async move {
            for port in ports {
                port.finished().await;
            }
            reactor.stop();
        });
        Ok(())
    }

    async fn stop(&self) {
        self.hub.shut_down();
    }
}
