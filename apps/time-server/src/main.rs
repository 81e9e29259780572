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
use std::process::ExitCode;
use std::rc::Rc;

use clap::Parser;
use protocols::LineReceiver;
use reactor::Factory;
use reactor::Port;
use reactor::Reactor;
use reactor::Transport;
use reactor::UnixListenOptions;

use crate::arguments::Arguments;
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

/// Listens where the arguments say, and serves until a signal comes.
fn serve(arguments: &Arguments) -> io::Result<()> {
    let reactor = Reactor::new()?;
    let journal = Rc::new(Journal::open(arguments.verbose > 0)?);
    let mut hosts = Vec::new();
    for address in arguments.tcp() {
        hosts.push(("tcp", reactor.listen_tcp(address, by_chunk(&journal))?.host()));
    }
    for address in &arguments.lines {
        hosts.push(("lines", reactor.listen_tcp(*address, by_line(&journal))?.host()));
    }
    for address in &arguments.web {
        hosts.push(("web", reactor.listen_tcp(*address, web::factory(&journal))?.host()));
    }
    for address in &arguments.udp {
        let journal = Rc::clone(&journal);
        let factory = move |transport| DatagramStamper::new(transport, Rc::clone(&journal));
        hosts.push(("udp", reactor.listen_udp(*address, factory)?.host()));
    }
    for path in &arguments.unix {
        hosts.push(("unix", listen_unix(&reactor, path, by_chunk(&journal))?.host()));
    }
    for path in &arguments.unix_lines {
        hosts.push(("unix-lines", listen_unix(&reactor, path, by_line(&journal))?.host()));
    }
    let announcing = Rc::clone(&journal);
    // Only then it takes signals: whoever has read the announcement may send one.
    reactor.call_when_running(move || {
        for (service, host) in hosts {
            announcing.waiting(service, &host);
        }
    });
    let served = reactor.run();
    journal.close();
    served
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

/// Listens on a UNIX socket, whatever a server that was killed has left there.
fn listen_unix(reactor: &Reactor, path: &str, factory: impl Factory) -> io::Result<Port> {
    // Without the error's kind: its own words say what can be done.
    reactor.listen_unix(UnixListenOptions::new(path).lock(true), factory).map_err(io::Error::other)
}
