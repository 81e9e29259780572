//! Shows in a terminal what a running program does, through its console.

mod arguments;
mod dashboard;
mod draw;
mod history;
mod key;
mod link;
mod terminal;
mod unit;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::io::ErrorKind;
use std::process::ExitCode;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use clap::error::ErrorKind as Wrong;
use clap::{CommandFactory as _, Parser as _};
use protocols::add_endpoint_schemes;
use reactor::endpoint::{ClientEndpoint, client_from_string};
use reactor::{Reactor, Transport};
use tokio::signal::unix::{SignalKind, signal};

use crate::arguments::Arguments;
use crate::dashboard::Dashboard;
use crate::link::Shared;
use crate::terminal::{Screen, Terminal};

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("reactor-top: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    let reactor = Reactor::new()?;
    add_endpoint_schemes(&reactor);
    let endpoint = client_from_string(&reactor, &arguments.endpoint())
        .unwrap_or_else(|error| Arguments::command().error(Wrong::ValueValidation, error).exit());
    let terminal = Terminal::open().map_err(|error| {
        let message = format!("there is no terminal to draw on: {error}; programs ask the console itself, in JSON");
        io::Error::new(error.kind(), message)
    })?;
    let ended = show(&reactor, arguments, endpoint.into(), &terminal);
    // Before an error is printed.
    drop(terminal);
    match ended {
        // A signal.
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
        ended => ended,
    }
}

/// Runs until the user has enough.
fn show(
    reactor: &Reactor,
    arguments: &Arguments,
    endpoint: Rc<dyn ClientEndpoint>,
    terminal: &Terminal,
) -> io::Result<()> {
    let screen = Rc::<RefCell<Option<Transport>>>::default();
    let shared = {
        let screen = Rc::clone(&screen);
        let dashboard = Dashboard::new(arguments.console.clone(), arguments.limit);
        let redraw = move || {
            if let Some(transport) = &*screen.borrow() {
                transport.call_later(Duration::ZERO, Screen::invalidate);
            }
        };
        Shared::new(reactor, dashboard, endpoint, arguments.interval, redraw)
    };
    reactor.spawn(Rc::clone(&shared).keep_asking());
    let (input, output) = (terminal.device()?, terminal.device()?);
    let (size, this) = (output.size(), Rc::clone(&screen));
    let closed = reactor.connect_fds(input.into(), output.into(), move |transport: Transport| {
        this.replace(Some(transport.clone()));
        Screen::new(transport, Rc::clone(&shared), size).ok()
    })?;
    let hung_up = reactor.clone();
    reactor.spawn(async move {
        let kinds = [SignalKind::hangup(), SignalKind::quit()];
        let Ok(mut ends) = kinds.into_iter().map(signal).collect::<io::Result<Vec<_>>>() else { return };
        poll_fn(
            |cx| if ends.iter_mut().any(|end| end.poll_recv(cx).is_ready()) { Poll::Ready(()) } else { Poll::Pending },
        )
        .await;
        hung_up.stop();
    });
    let device = terminal.device()?;
    reactor.spawn(async move {
        // It fails only if the system has no descriptor left; the picture has the first size then.
        let Ok(mut resized) = signal(SignalKind::window_change()) else { return };
        while resized.recv().await.is_some() {
            let size = device.size();
            if let Some(transport) = &*screen.borrow() {
                transport.call_later(Duration::ZERO, move |screen: &mut Screen| screen.resize(size));
            }
        }
    });
    let reason = reactor.run_until(closed)?;
    if reason.is_clean() { Ok(()) } else { Err(io::Error::other(reason)) }
}
