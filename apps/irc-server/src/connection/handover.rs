//! Connections that go on in the process that takes over from this one.
//!
//! They come over one by one, and nobody is to be spoken to who has gone or has not come yet. So no lines are delivered meanwhile:
//! in the old process from the first that is asked for its state on, in the new one until no more have come for a while. What
//! clients send waits in their sockets.

use std::time::Duration;

use protocols::irc::Irc;
use reactor::connection::Resumable;

use crate::cluster::{decode, encode};
use crate::connection::hub::Hub;
use crate::connection::session::{Session, peer_of};
use crate::connection::wire::Wire;
use crate::server::{ClientId, Peer, Server};

/// If the old process is still there after this time, the new one has not taken its connections: it goes on with them.
const GIVE_UP: Duration = Duration::from_secs(5);
/// When no connection has come for this long, all have.
const QUIET: Duration = Duration::from_millis(250);

impl Session {
    /// A session of the process before, whose [state](Resumable::state) is this; `None` if it makes no sense here.
    pub fn resume_from(hub: &Hub, irc: Irc, state: &[u8]) -> Option<Self> {
        let mut session = Self::new(hub, irc);
        let peer = peer_of(session.wire().transport());
        let id = hub.took_over(session.wire().clone(), peer, state)?;
        session.go_on(id);
        Some(session)
    }
}

impl Resumable for Session {
    fn state(&mut self) -> Option<Vec<u8>> {
        let (hub, id) = (self.hub().clone(), self.id()?);
        hub.hold_for_successor();
        let carried = hub.call(Some(self), |server, _| server.carry(id))?;
        Some(encode(&carried).into())
    }
}

impl Hub {
    /// Whether no lines are delivered, since connections go over.
    pub(super) fn is_held(&self) -> bool {
        self.held().get()
    }

    fn hold_for_successor(&self) {
        if self.held().replace(true) {
            return;
        }
        self.node().lock().goes_over = true;
        self.each_wire(Wire::pause);
        let hub = self.clone();
        self.reactor().call_later(GIVE_UP, move || hub.release());
    }

    fn release(&self) {
        self.held().set(false);
        self.node().lock().goes_over = false;
        // Each may wait for something else, too.
        self.each_wire(|wire| wire.call_later(Duration::ZERO, |session: &mut Session| session.resume()));
    }

    fn took_over(&self, wire: Wire, peer: Peer, state: &[u8]) -> Option<ClientId> {
        let carried = decode(state)?;
        let thread = self.thread();
        let id = self.call(None, |server, now| server.take_over(now, thread, peer, carried))?;
        self.add_wire(id, wire);
        self.node().note_arrival(self.now());
        if !self.held().replace(true) {
            self.release_when_quiet();
        }
        Some(id)
    }

    fn release_when_quiet(&self) {
        let hub = self.clone();
        self.reactor().call_later(QUIET, move || {
            let quiet = u64::try_from(QUIET.as_millis()).unwrap_or(u64::MAX);
            if hub.now().since(hub.node().last_arrival()) < quiet {
                return hub.release_when_quiet();
            }
            hub.call(None, Server::all_taken_over);
            hub.release();
        });
    }

    /// A connection has gone over to the next process.
    pub(super) fn handed_over(&self, id: ClientId) {
        self.remove_wire(id);
        self.call(None, |server, now| server.forget(now, id));
    }
}
