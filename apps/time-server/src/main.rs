//! A time server: it answers what it receives with the time and the same bytes.

mod arguments;
mod datagrams;
mod diagnostics;
mod journal;
mod one_line;
mod stamp;
mod stream;
mod web;

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;

use clap::CommandFactory;
use clap::Parser;
use clap::error::ErrorKind;
use protocols::LineReceiver;
use protocols::add_endpoint_schemes;
use reactor::Factory;
use reactor::Reactor;
use reactor::ServerEndpoint;
use reactor::Transport;
use reactor::server_from_string;

use crate::arguments::Arguments;
use crate::arguments::Service;
use crate::datagrams::DatagramStamper;
use crate::journal::Journal;
use crate::one_line::OneLine;
use crate::stream::Stamper;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    diagnostics::start(&arguments);
    let served = if arguments.stdio { serve_standard_input(&arguments) } else { serve(&arguments) };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            diagnostics::complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Answers what comes on standard input until that ends or a signal comes.
fn serve_standard_input(arguments: &Arguments) -> io::Result<()> {
    let reactor = Reactor::new()?;
    // What it tells is lost: standard output is the peer's from here on.
    let journal = Rc::new(Journal::open(arguments.verbose > 0)?);
    let session = reactor.stdio(by_chunk(&journal))?;
    match reactor.run_until(session) {
        Ok(reason) if reason.is_clean() => Ok(()),
        Ok(reason) => Err(io::Error::other(reason)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        Err(error) => Err(error),
    }
}

/// Listens where the arguments say, and serves until a signal comes or nothing is listened on any more.
fn serve(arguments: &Arguments) -> io::Result<()> {
    let reactor = Reactor::new()?;
    add_endpoint_schemes(&reactor);
    let services = arguments.services().into_iter().map(|(service, description)| {
        match server_from_string(&reactor, &description) {
            Ok(endpoint) => (service, endpoint),
            Err(error) => {
                let message = format!("--{} {error}", service.name());
                Arguments::command().error(ErrorKind::ValueValidation, message).exit()
            }
        }
    });
    let services: Vec<_> = services.collect();
    let journal = Rc::new(Journal::open(arguments.verbose > 0)?);
    let served = reactor.run_until(serve_all(&reactor, services, &arguments.udp, &journal));
    journal.close();
    match served {
        Ok(served) => served,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        Err(error) => Err(error),
    }
}

async fn serve_all(
    reactor: &Reactor,
    services: Vec<(Service, Box<dyn ServerEndpoint>)>,
    udp: &[SocketAddr],
    journal: &Rc<Journal>,
) -> io::Result<()> {
    let mut ports = Vec::new();
    for (service, endpoint) in services {
        let factory: Box<dyn Factory> = match service {
            Service::Tcp | Service::Unix => Box::new(by_chunk(journal)),
            Service::Lines | Service::UnixLines => Box::new(by_line(journal)),
            Service::Web => Box::new(web::factory(journal)),
        };
        ports.push((service.name(), endpoint.listen(factory).await?));
    }
    for address in udp {
        let journal = Rc::clone(journal);
        let factory = move |transport| DatagramStamper::new(transport, Rc::clone(&journal));
        ports.push(("udp", reactor.listen_udp(*address, factory)?));
    }
    // Signals are taken by now: whoever has read the announcement may send one.
    for (service, port) in &ports {
        journal.waiting(service, &port.host());
    }
    for (_, port) in ports {
        port.closed().await;
    }
    Ok(())
}

fn by_chunk(journal: &Rc<Journal>) -> impl Factory + use<> {
    let journal = Rc::clone(journal);
    move |transport: Transport| Stamper::new(transport, Rc::clone(&journal))
}

fn by_line(journal: &Rc<Journal>) -> impl Factory + use<> {
    let journal = Rc::clone(journal);
    LineReceiver::factory(move |lines| OneLine::new(lines, Rc::clone(&journal)))
        .delimiter(one_line::DELIMITER)
        .max_length(one_line::LONGEST)
}
