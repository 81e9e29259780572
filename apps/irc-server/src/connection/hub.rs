use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use futures_channel::mpsc::UnboundedReceiver;
use futures_util::StreamExt as _;
use futures_util::future::poll_fn;
use reactor::Reactor;

use crate::connection::cluster::Cluster;
use crate::connection::logins::Logins;
use crate::connection::node::{Node, Shared, Wanted};
use crate::connection::session::Session;
use crate::connection::wire::Wire;
use crate::server::{ClientId, Effect, Peer, Server, Timestamp};

/// The connections of one thread.
#[derive(Clone)]
pub struct Hub(Rc<Inner>);

struct Inner {
    node: Node,
    reactor: Reactor,
    thread: u16,
    logins: Logins,
    wires: RefCell<HashMap<ClientId, Wire>>,
    /// What clients of other threads cause for those of this one.
    from_others: RefCell<UnboundedReceiver<Effect>>,
    /// What is to be carried out; kept for its memory.
    wanted: RefCell<Vec<Wanted>>,
    /// Whether no lines are delivered, since connections go over to another process, or come from one.
    held: Cell<bool>,
}

impl Hub {
    /// The hub of the reactor's thread.
    #[must_use]
    pub fn new(node: &Node, reactor: &Reactor) -> Self {
        let number = reactor.thread_number();
        let hub = Self(Rc::new(Inner {
            from_others: RefCell::new(node.join(number)),
            node: node.clone(),
            reactor: reactor.clone(),
            // There are never 65,536 threads.
            thread: u16::try_from(number).unwrap_or(u16::MAX),
            logins: Logins::new(node),
            wires: RefCell::default(),
            wanted: RefCell::default(),
            held: Cell::default(),
        }));
        hub.listen_to_others();
        hub
    }

    fn listen_to_others(&self) {
        let hub = self.clone();
        self.0.reactor.spawn(poll_fn(move |cx| {
            loop {
                let next = hub.0.from_others.borrow_mut().poll_next_unpin(cx);
                match next {
                    Poll::Ready(Some(effect)) => hub.carry_out(None, Wanted::Effect(effect)),
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
        }));
    }

    /// The time of day.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::of(self.0.reactor.time_of_day())
    }

    pub(super) fn node(&self) -> &Node {
        &self.0.node
    }

    pub(super) fn reactor(&self) -> &Reactor {
        &self.0.reactor
    }

    pub(super) fn logins(&self) -> &Logins {
        &self.0.logins
    }

    pub(super) fn thread(&self) -> u16 {
        self.0.thread
    }

    pub(super) fn held(&self) -> &Cell<bool> {
        &self.0.held
    }

    pub(super) fn each_wire(&self, call: impl FnMut(&Wire)) {
        self.0.wires.borrow().values().for_each(call);
    }

    pub(super) fn add_wire(&self, id: ClientId, wire: Wire) {
        self.0.wires.borrow_mut().insert(id, wire);
    }

    pub(super) fn remove_wire(&self, id: ClientId) {
        self.0.wires.borrow_mut().remove(&id);
    }

    pub(super) fn connected(&self, wire: Wire, peer: Peer) -> ClientId {
        self.call(None, |server, now| {
            let id = server.connected(now, self.0.thread, peer);
            // It may be refused, and is told so by this.
            self.add_wire(id, wire);
            id
        })
    }

    pub(super) fn disconnected(&self, id: ClientId, reason: &[u8]) {
        self.remove_wire(id);
        self.call(None, |server, now| server.disconnected(now, id, reason));
    }

    /// Asks the server something, and carries out what it wants done; what concerns the session that asks, by the session.
    pub(super) fn call<R>(
        &self,
        session: Option<&mut Session>,
        question: impl FnOnce(&mut Server, Timestamp) -> R,
    ) -> R {
        self.call_shared(session, |shared, now| question(&mut shared.server, now))
    }

    /// The same, for what a client says. While connections go over to the next process, that is left out and not acknowledged:
    /// some of those who should hear it may have gone.
    pub(super) fn hear(&self, session: &mut Session, question: impl FnOnce(&mut Server, Timestamp)) {
        self.call_shared(Some(session), |shared, now| {
            if !shared.goes_over {
                question(&mut shared.server, now);
            }
        });
    }

    /// The same, for what concerns the cluster, if the node is part of one.
    pub(super) fn with_cluster(&self, question: impl FnOnce(&mut Cluster, &mut Server, Instant, Timestamp)) {
        let instant = self.0.reactor.now();
        self.call_shared(None, |Shared { server, cluster, .. }, now| {
            if let Some(cluster) = cluster {
                question(cluster, server, instant, now);
            }
        });
    }

    fn call_shared<R>(
        &self,
        mut session: Option<&mut Session>,
        question: impl FnOnce(&mut Shared, Timestamp) -> R,
    ) -> R {
        let now = self.now();
        let mut wanted = self.0.wanted.take();
        let mut shared = self.0.node.lock();
        let result = question(&mut shared, now);
        // What others have caused so far was wanted before; as long as the server is locked, nothing is added.
        while let Ok(effect) = self.0.from_others.borrow_mut().try_recv() {
            wanted.push(Wanted::Effect(effect));
        }
        shared.share_out(self.0.node.store(), self.0.thread, &mut wanted);
        drop(shared);
        for wanted in wanted.drain(..) {
            self.carry_out(session.as_deref_mut(), wanted);
        }
        self.0.wanted.replace(wanted);
        result
    }

    fn carry_out(&self, session: Option<&mut Session>, wanted: Wanted) {
        let effect = match wanted {
            Wanted::Effect(effect) => effect,
            Wanted::Kept(id, committed) => {
                if let Some(session) = session.filter(|session| session.id() == Some(id)) {
                    session.wait();
                    self.wait_until_kept(session, committed);
                }
                return;
            }
        };
        match effect {
            Effect::Send(id, line) => {
                if let Some(wire) = self.0.wires.borrow().get(&id) {
                    wire.send(line);
                }
            }
            Effect::Close(id) => {
                let wire = self.0.wires.borrow().get(&id).cloned();
                if let Some(wire) = wire {
                    wire.close();
                }
            }
            Effect::Pause(id, delay) => {
                if let Some(session) = session.filter(|session| session.id() == Some(id)) {
                    session.slow_down(delay);
                }
            }
            Effect::Ask(id, request) => {
                if let Some(session) = session.filter(|session| session.id() == Some(id)) {
                    session.wait();
                    self.ask(session, request);
                }
            }
            Effect::Ban(ban) => {
                self.0.node.directory().ban_changed(self, Arc::clone(&ban.mask), Some(*ban));
            }
            Effect::Unban(mask) => self.0.node.directory().ban_changed(self, mask, None),
            Effect::Reload => self.reload_in_background(),
            // These are carried out where effects are shared out.
            Effect::Keep(..) | Effect::Publish(_) => {}
        }
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("thread", &self.0.thread).finish_non_exhaustive()
    }
}
