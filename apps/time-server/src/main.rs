//! A time server: it answers with the time and the bytes it received.

mod announcement;
mod arguments;
mod datagrams;
mod diagnostics;
mod journal;
mod json;
mod location;
mod message;
mod one_line;
mod stamp;
mod status;
mod stream;
mod web;

use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use async_trait::async_trait;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use protocols::console::Console;
use protocols::metrics::Metrics;
use protocols::metrics::prometheus_client::metrics::info::Info;
use protocols::metrics::prometheus_client::registry::{Registry, Unit};
use protocols::policies::{FirstMessageTimeout, IdleTimeout};
use protocols::{LineReceiver, add_endpoint_schemes};
use reactor::connection::resumable;
use reactor::endpoint::{ServerEndpoint, server_from_string};
use reactor::service::{EndpointService, MultiService, Runner, ServiceError};
use reactor::{Factory, Port, Reactor};

use crate::announcement::Announcement;
use crate::arguments::{Arguments, Service};
use crate::datagrams::DatagramStamper;
use crate::diagnostics::LogFilter;
use crate::journal::Journal;
use crate::location::Location;
use crate::one_line::OneLine;
use crate::stamp::Stamps;
use crate::stream::Stamper;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let log = diagnostics::start(&arguments);
    if !arguments.stdio {
        let mut runner = Runner::new("time-server");
        if let Some(path) = &arguments.handover {
            runner = runner.handover(path);
        }
        if let Some(user) = &arguments.user {
            runner = runner.user(user);
        }
        if let Some(path) = &arguments.pid_file {
            runner = runner.pid_file(path);
        }
        return match Journal::open(arguments.verbose > 0, arguments.log_format).map(Arc::new) {
            Ok(journal) => {
                runner.threads(arguments.threads()).run(|reactor| services(reactor, &arguments, &journal, &log))
            }
            Err(error) => {
                diagnostics::complain(&error);
                ExitCode::FAILURE
            }
        };
    }
    match serve_standard_input(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            diagnostics::complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Answers standard input until it ends or a signal arrives.
fn serve_standard_input(arguments: &Arguments) -> io::Result<()> {
    let reactor = Reactor::new()?;
    // Its messages are lost: standard output belongs to the peer from now on.
    let journal = Arc::new(Journal::open(arguments.verbose > 0, arguments.log_format)?);
    let session = reactor.stdio(by_chunk(&journal, Stamps::asked_for(arguments)))?;
    match reactor.run_until(session) {
        Ok(reason) if reason.is_clean() => Ok(()),
        Ok(reason) => Err(reason.into()),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        Err(error) => Err(error),
    }
}

/// A service for each address in the arguments, followed by the announcement. Each thread has these.
fn services(
    reactor: &Reactor,
    arguments: &Arguments,
    journal: &Arc<Journal>,
    log: &LogFilter,
) -> Result<MultiService, ServiceError> {
    add_endpoint_schemes(reactor);
    // The user who starts the server names its endpoints, and may pass these to it.
    reactor.allow_endpoint_schemes(&["fd", "stdio", "systemd"]);
    let listener = |option: &str, description: &str| match server_from_string(reactor, description) {
        Ok(endpoint) => endpoint,
        Err(error) => Arguments::command().error(ErrorKind::ValueValidation, format!("--{option} {error}")).exit(),
    };
    let endpoints = arguments.services().into_iter().map(|(service, description)| {
        (service, Location::of(service, &description), listener(service.name(), &description))
    });
    let endpoints: Vec<_> = endpoints.collect();
    let stamps = Stamps::asked_for(arguments);
    let mut ports = Vec::new();
    for (service, location, endpoint) in endpoints {
        let factory: Box<dyn Factory> = match service {
            Service::Tcp | Service::Unix => {
                limited(arguments.idle_timeout, by_chunk(journal, stamps), IdleTimeout::around)
            }
            Service::Lines | Service::UnixLines => {
                limited(arguments.line_timeout, by_line(journal, stamps), FirstMessageTimeout::around)
            }
            Service::Web => Box::new(web::factory(journal, stamps, &arguments.web_host)),
            Service::Metrics => Box::new(metrics(journal)),
        };
        let endpoint = Advised { service: service.name(), endpoint };
        ports.push((location, Rc::new(EndpointService::new(endpoint, factory))));
    }
    for &address in &arguments.udp {
        let (reactor, journal) = (reactor.clone(), Arc::clone(journal));
        let listen = async move || {
            let journal = Arc::clone(&journal);
            reactor.listen_udp(address, move |transport| DatagramStamper::new(transport, Arc::clone(&journal), stamps))
        };
        let listen = async move || listen().await.map_err(diagnostics::with_advice);
        ports.push((Location::default(), Rc::new(EndpointService::from_fn("udp", listen))));
    }
    let closing = Arc::clone(journal);
    reactor.after_shutdown(move || closing.close());
    let all = MultiService::new(reactor, "all addresses").independent();
    let mut all = ports.iter().fold(all, |all, (_, port)| all.with(Rc::clone(port)));
    if let Some(description) = &arguments.console {
        let log = log.clone();
        let console = Console::new("time-server").on_log(move |level, target| log.set(level, target));
        let endpoint = Advised { service: "console", endpoint: listener("console", description) };
        all = all.with(EndpointService::new(endpoint, console.factory()));
    }
    Ok(all.with(Announcement::new(reactor, Arc::clone(journal), ports)))
}

/// An endpoint that is called like the option that names it, and whose errors have advice.
struct Advised {
    service: &'static str,
    endpoint: Box<dyn ServerEndpoint>,
}

#[async_trait(?Send)]
impl ServerEndpoint for Advised {
    async fn listen(&self, factory: Box<dyn Factory>) -> io::Result<Port> {
        self.endpoint.listen(factory).await.map_err(diagnostics::with_advice)
    }

    async fn reload(&self) -> io::Result<()> {
        self.endpoint.reload().await
    }
}

impl fmt::Display for Advised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.service)
    }
}

/// Wraps this time-out around a factory, unless it is zero seconds.
fn limited<F: Factory, T: Factory>(seconds: u32, inside: F, around: impl FnOnce(Duration, F) -> T) -> Box<dyn Factory> {
    match seconds {
        0 => Box::new(inside),
        seconds => Box::new(around(Duration::from_secs(seconds.into()), inside)),
    }
}

fn by_chunk(journal: &Arc<Journal>, stamps: Stamps) -> impl Factory + use<> {
    let (journal, resumed) = (Arc::clone(journal), Arc::clone(journal));
    resumable(
        move |transport| Stamper::new(transport, Arc::clone(&journal), stamps),
        move |transport, _state| Some(Stamper::new(transport, Arc::clone(&resumed), stamps)),
    )
}

fn by_line(journal: &Arc<Journal>, stamps: Stamps) -> impl Factory + use<> {
    let (journal, resumed) = (Arc::clone(journal), Arc::clone(journal));
    LineReceiver::factory(move |lines| OneLine::new(lines, Arc::clone(&journal), stamps))
        .delimiter(one_line::DELIMITER)
        .max_length(one_line::LONGEST)
        .resumable(move |lines, _state| Some(OneLine::resume(lines, Arc::clone(&resumed), stamps)))
}

/// The numbers of the reactor, and those of the journal.
fn metrics(journal: &Journal) -> Metrics {
    let mut registry = Registry::with_prefix("time_server");
    let received = &journal.received;
    registry.register(
        "messages",
        "Chunks, lines, datagrams and messages that were answered",
        received.messages.clone(),
    );
    let help = "Bytes that were received in them";
    registry.register_with_unit("received", help, Unit::Bytes, received.bytes.clone());
    registry.register("build", "The version of the server", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
    Metrics::new(registry)
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::arguments::Format;
    use reactor::testing::StringTransport;

    #[test]
    fn a_client_that_sends_no_line_or_nothing_at_all_is_let_go_and_with_0_is_not() {
        let journal = Arc::new(Journal::open(false, Format::Text).unwrap());
        for (seconds, lets_go) in [(30, true), (0, false)] {
            let lines = limited(seconds, by_line(&journal, Stamps::default()), FirstMessageTimeout::around);
            let chunks = limited(seconds, by_chunk(&journal, Stamps::default()), IdleTimeout::around);
            for (mut wire, piece) in
                [(StringTransport::connect(lines), "no line end"), (StringTransport::connect(chunks), "")]
            {
                wire.advance(Duration::from_secs(29));
                if !piece.is_empty() {
                    wire.receive(piece);
                }
                wire.advance(Duration::from_secs(2));
                assert_eq!(wire.close_reason().is_some(), lets_go);
            }
        }
    }
}
