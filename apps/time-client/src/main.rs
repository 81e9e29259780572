//! A client of a time server: it prompts for a line, sends it, and prints the reply.

mod arguments;
mod console;
mod conversation;
mod datagrams;
mod history;
mod reply;
mod terminal;

use std::io::{ErrorKind, IsTerminal};
use std::process::ExitCode;
use std::rc::Rc;
use std::{env, io};

use clap::Parser;
use protocols::add_endpoint_schemes;
use reactor::Reactor;
use reactor::address::ToTarget;
use reactor::endpoint::{ClientEndpoint, client_from_string};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{fmt, registry};

use crate::arguments::{Arguments, fail};
use crate::console::{Console, notice};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    arguments.check();
    log_what_is_asked_for(arguments.verbose);
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            notice(format_args!("time-client: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<ExitCode> {
    let reactor = Reactor::new()?;
    add_endpoint_schemes(&reactor);
    if arguments.allow_exec {
        reactor.allow_endpoint_schemes(&["exec"]);
    }
    let endpoint = client_from_string(&reactor, &arguments.endpoint()).unwrap_or_else(|error| fail(error));
    let console = Rc::new(Console::open(arguments.verbose > 0, !arguments.no_history)?);
    let ended = reactor.run_until(converse(&reactor, arguments, &*endpoint, &console));
    // Checked before the console is closed, which ends the prompt.
    let at_prompt = console.at_prompt();
    console.close();
    match ended {
        Ok(outcome) => outcome.map(|()| ExitCode::SUCCESS),
        Err(error) if error.kind() == ErrorKind::Interrupted && at_prompt => Ok(ExitCode::SUCCESS),
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(ExitCode::from(INTERRUPTED)),
        Err(error) => Err(error),
    }
}

/// The exit status of a program that SIGINT has ended, as shells report it.
const INTERRUPTED: u8 = 130;

async fn converse(
    reactor: &Reactor,
    arguments: &Arguments,
    endpoint: &dyn ClientEndpoint,
    console: &Rc<Console>,
) -> io::Result<()> {
    if arguments.udp {
        return datagrams::converse(reactor, &arguments.host_and_port().to_target(), console).await;
    }
    conversation::converse(reactor, endpoint, arguments.lines, console).await
}

fn log_what_is_asked_for(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::OFF,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let by_option = || (verbose > 0).then(|| Targets::new().with_default(level));
    let by_variable = env::var("RUST_LOG").ok().and_then(|variable| variable.parse().ok());
    if let Some(filter) = by_variable.or_else(by_option) {
        let lines = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
        registry().with(filter).with(lines.log_internal_errors(false)).init();
    }
}
