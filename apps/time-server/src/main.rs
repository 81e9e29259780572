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
use reactor::Reactor;
use reactor::Transport;

use crate::arguments::Arguments;
use crate::datagrams::DatagramStamper;
use crate::journal::Journal;
use crate::one_line::OneLine;
use crate::stream::Stamper;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    diagnostics::start(&arguments);
    match serve(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            diagnostics::complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Listens where the arguments say, and serves until a signal comes.
fn serve(arguments: &Arguments) -> io::Result<()> {
    let reactor = Reactor::new()?;
    let journal = Rc::new(Journal::open(arguments.verbose > 0)?);
    let mut hosts = Vec::new();
    for address in arguments.tcp() {
        let journal = Rc::clone(&journal);
        let factory = move |transport: Transport| Stamper::new(transport, Rc::clone(&journal));
        hosts.push(("tcp", reactor.listen_tcp(address, factory)?.host()));
    }
    for address in &arguments.lines {
        let journal = Rc::clone(&journal);
        let factory = LineReceiver::factory(move |lines| OneLine::new(lines, Rc::clone(&journal)))
            .delimiter(one_line::DELIMITER)
            .max_length(one_line::LONGEST);
        hosts.push(("lines", reactor.listen_tcp(*address, factory)?.host()));
    }
    for address in &arguments.web {
        hosts.push(("web", reactor.listen_tcp(*address, web::factory(Rc::clone(&journal)))?.host()));
    }
    for address in &arguments.udp {
        let journal = Rc::clone(&journal);
        let factory = move |transport| DatagramStamper::new(transport, Rc::clone(&journal));
        hosts.push(("udp", reactor.listen_udp(*address, factory)?.host()));
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
