//! Ports: which clients they accept and refuse, how they end and are handed over.

mod draining;
mod handover;
mod live;
mod overload;
mod ports;
mod refusals;

use std::sync::mpsc::Sender;

use reactor::Reactor;
use reactor::listen::Handover;

/// Finishes a handover in the background, and stops the reactor when the next process has taken over. Tells the outcome, and
/// later that.
fn finish_and_stop(reactor: &Reactor, handover: Handover, tell: Sender<Result<(), String>>) {
    let stopping = reactor.clone();
    reactor.spawn(async move {
        let taken_over = tell.clone();
        let finished = handover.finish(move || {
            taken_over.send(Ok(())).unwrap();
            stopping.stop();
        });
        tell.send(finished.await.map_err(|error| error.to_string())).unwrap();
    });
}
