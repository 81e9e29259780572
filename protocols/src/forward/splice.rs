//! Two connections, each of which is sent what the other receives: what a forwarder and a proxy do in the end.

use reactor::net::ConnectOptions;
use reactor::{CloseReason, ConnectError, Connector, OnEof, Protocol, Transport};

/// The accepted connection's side: its protocol passes its callbacks on to this.
///
/// What is unsent on one side holds up the reading of the other. The end of one stream becomes the end of the other,
/// while the opposite direction goes on. When one connection has ended in order, the other closes when it has sent
/// everything; when one was broken off, the other is reset, for something may be missing.
pub(crate) struct Forward {
    /// Of the connection that was made for the accepted one.
    connector: Connector,
}

impl Forward {
    /// Connects to `target`. Until that has succeeded `incoming` is not read; before it is, and before anything is
    /// forwarded to it, `established` is called with the new transport.
    pub(crate) fn connect(
        incoming: &Transport,
        target: ConnectOptions,
        mut established: impl FnMut(&Transport) + 'static,
        mut failed: impl FnMut(ConnectError) + 'static,
    ) -> Self {
        incoming.pause_reading();
        let (reactor, incoming) = (incoming.reactor(), incoming.clone());
        let connector = reactor.connect_tcp(target, move |outgoing: Transport| {
            incoming.paced_by(&outgoing);
            outgoing.paced_by(&incoming);
            established(&outgoing);
            incoming.resume_reading();
            Outgoing { incoming: incoming.clone() }
        });
        Self { connector: connector.on_failed(move |_, error| failed(error)) }
    }

    pub(crate) fn data_received(&self, data: &[u8]) {
        if let Some(outgoing) = self.connector.transport() {
            outgoing.write(data);
        }
    }

    pub(crate) fn eof_received(&self) -> OnEof {
        // Before the connection is there reading is paused, so the question comes again when it is.
        self.connector.transport().map_or(OnEof::NotYet, |outgoing| pass_on_eof(&outgoing))
    }

    pub(crate) fn connection_lost(&self, reason: &CloseReason) {
        match self.connector.transport() {
            Some(outgoing) => pass_on_end(&outgoing, reason),
            None => self.connector.disconnect(),
        }
    }
}

/// The protocol of the connection that was made for another.
struct Outgoing {
    incoming: Transport,
}

impl Protocol for Outgoing {
    fn data_received(&mut self, data: &[u8]) {
        self.incoming.write(data);
    }

    fn eof_received(&mut self) -> OnEof {
        pass_on_eof(&self.incoming)
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        pass_on_end(&self.incoming, &reason);
    }
}

fn pass_on_eof(to: &Transport) -> OnEof {
    to.write_eof();
    OnEof::KeepWriting
}

fn pass_on_end(to: &Transport, reason: &CloseReason) {
    if reason.is_clean() {
        to.lose_connection();
    } else {
        to.abort_connection();
    }
}
