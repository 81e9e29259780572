use std::rc::Rc;
use std::sync::Arc;

use reactor::service::{EndpointService, ServiceError};
use reactor::{Reactor, service};

use crate::arguments::Service;
use crate::journal::Journal;
use crate::location::Location;

/// The last service to start: on the first thread it reports where the others listen, and everywhere it ends the program
/// when none listens any more.
pub(crate) struct Announcement {
    reactor: Reactor,
    journal: Arc<Journal>,
    ports: Vec<(Location, Rc<EndpointService>)>,
}

impl Announcement {
    pub(crate) fn new(reactor: &Reactor, journal: Arc<Journal>, ports: Vec<(Location, Rc<EndpointService>)>) -> Self {
        Self { reactor: reactor.clone(), journal, ports }
    }
}

#[async_trait::async_trait(?Send)]
impl service::Service for Announcement {
    fn name(&self) -> &str {
        "announcement"
    }

    async fn start(&self) -> Result<(), ServiceError> {
        let mut listening = Vec::new();
        for (location, service) in &self.ports {
            if let Some(port) = service.port() {
                if self.reactor.thread_number() == 0 {
                    self.journal.waiting(service.name(), &location.at(&port.host()));
                }
                // These alone are no reason to go on.
                if service.name() != Service::Metrics.name() {
                    listening.push(port);
                }
            }
        }
        let reactor = self.reactor.clone();
        self.reactor.spawn(async move {
            for port in listening {
                port.finished().await;
            }
            reactor.stop();
        });
        Ok(())
    }

    async fn stop(&self) {}
}
