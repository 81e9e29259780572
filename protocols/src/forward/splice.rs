//! Two connections, each of which sends what the other receives: the final state of a forwarder and of a proxy.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use reactor::net::ConnectOptions;
use reactor::{CloseReason, ConnectError, Connector, DelayedCall, OnEof, Protocol, Transport};

/// The accepted connection's side: its protocol passes its callbacks on to this.
///
/// Unsent output on one side pauses reading on the other. The end of one stream becomes the end of the other, while the
/// opposite direction goes on. When one connection ends in order, the other closes after sending everything; when one
/// breaks, the other is reset, because something may be missing.
pub(crate) struct Forward {
    /// The connector of the connection made for the accepted one.
    connector: Connector,
    rest: Rc<Rest>,
}

impl Forward {
    /// Connects to `target`. Until that succeeds, `incoming` is not read; before reading starts and before anything is
    /// forwarded, `established` is called with the new transport.
    pub(crate) fn connect(
        incoming: &Transport,
        target: ConnectOptions,
        half_closed: Option<Duration>,
        mut established: impl FnMut(&Transport) + 'static,
        mut failed: impl FnMut(ConnectError) + 'static,
    ) -> Self {
        incoming.pause_reading();
        let (reactor, incoming) = (incoming.reactor(), incoming.clone());
        let rest = Rc::new(Rest { limit: half_closed, timer: RefCell::default() });
        let shared = Rc::clone(&rest);
        let connector = reactor.connect_tcp(target, move |outgoing: Transport| {
            incoming.paced_by(&outgoing);
            outgoing.paced_by(&incoming);
            established(&outgoing);
            incoming.resume_reading();
            Outgoing { incoming: incoming.clone(), outgoing, rest: Rc::clone(&shared) }
        });
        Self { connector: connector.on_failed(move |_, error| failed(error)), rest }
    }

    pub(crate) fn data_received(&self, data: &[u8]) {
        if let Some(outgoing) = self.connector.transport() {
            self.rest.goes_on();
            outgoing.write(data);
        }
    }

    pub(crate) fn eof_received(&self) -> OnEof {
        // Reading is paused until the connection exists, so the end is reported again afterwards.
        self.connector.transport().map_or(OnEof::NotYet, |outgoing| {
            self.rest.begins(&outgoing);
            pass_on_eof(&outgoing)
        })
    }

    pub(crate) fn connection_lost(&self, reason: &CloseReason) {
        self.rest.is_over();
        match self.connector.transport() {
            Some(outgoing) => pass_on_end(&outgoing, reason),
            None => self.connector.disconnect(),
        }
    }
}

/// The protocol of the connection that was made for another.
struct Outgoing {
    incoming: Transport,
    outgoing: Transport,
    rest: Rc<Rest>,
}

impl Protocol for Outgoing {
    fn data_received(&mut self, data: &[u8]) {
        self.rest.goes_on();
        self.incoming.write(data);
    }

    fn eof_received(&mut self) -> OnEof {
        self.rest.begins(&self.outgoing);
        pass_on_eof(&self.incoming)
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.rest.is_over();
        pass_on_end(&self.incoming, &reason);
    }
}

/// The remaining direction after one of the two streams has ended: a peer that has forgotten the other would keep both
/// connections forever.
struct Rest {
    /// How long it may be silent.
    limit: Option<Duration>,
    timer: RefCell<Option<DelayedCall>>,
}

impl Rest {
    fn begins(&self, outgoing: &Transport) {
        if let Some(limit) = self.limit
            && self.timer.borrow().is_none()
        {
            let given_up = outgoing.clone();
            // The end of this one is passed on to the other.
            let timer = outgoing.reactor().call_later(limit, move || given_up.fail_connection(CloseReason::TimedOut));
            self.timer.replace(Some(timer));
        }
    }

    fn goes_on(&self) {
        if let (Some(timer), Some(limit)) = (&*self.timer.borrow(), self.limit) {
            timer.reset(limit);
        }
    }

    fn is_over(&self) {
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
    }
}

/// The default of how long the remaining direction may be silent.
pub(crate) const HALF_CLOSED: Duration = Duration::from_secs(5 * 60);

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
