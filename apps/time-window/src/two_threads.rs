//! The window on the main thread, the reactor on one of its own.
//!
//! To the reactor goes what the window asks for, by handles that any thread may have (`RemoteReactor`, `RemoteTransport`). Back
//! come changes of what is shown, behind a lock, and a request to paint. This is the way for toolkits that want the main thread
//! for themselves.

use std::sync::mpsc;
use std::{io, thread};

use eframe::egui::{Context, ViewportCommand};
use reactor::Reactor;
use reactor::threads::RemoteReactor;

use crate::client::{Shared, connect};
use crate::window::Window;

pub(crate) fn run(server: String) -> io::Result<()> {
    let context = Context::default();
    let repaint = context.clone();
    let shared = Shared::new(move || repaint.request_repaint());
    let (window, closing) = (Window::new(shared.clone()), context.clone());
    let (tell, started) = mpsc::channel();
    let network = thread::Builder::new().name("network".to_owned()).spawn(move || {
        let ended = serve(&server, &shared, &tell);
        // It was stopped by a signal, or has failed.
        closing.send_viewport_cmd(ViewportCommand::Close);
        closing.request_repaint();
        ended
    })?;
    let shown = match started.recv() {
        Ok(remote) => {
            let options = eframe::NativeOptions::default();
            let shown =
                eframe::run_native_ext(crate::TITLE, options, Some(context), Box::new(|_| Ok(Box::new(window))));
            remote.stop();
            shown.map_err(|error| io::Error::other(format!("cannot open a window: {error}")))
        }
        // It has ended already, and says why.
        Err(_) => Ok(()),
    };
    let served = network.join().map_err(|_| io::Error::other("the network's thread has panicked"))?;
    shown.and(served)
}

fn serve(server: &str, shared: &Shared, tell: &mpsc::Sender<RemoteReactor>) -> io::Result<()> {
    let reactor = Reactor::new()?;
    connect(&reactor, server, shared);
    // The receiver waits for it.
    let _ = tell.send(reactor.remote());
    match reactor.run() {
        // By a signal.
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        ended => ended,
    }
}
