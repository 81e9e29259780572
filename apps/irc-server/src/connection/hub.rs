use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, UNIX_EPOCH};

use futures_channel::mpsc::UnboundedReceiver;
use futures_util::StreamExt as _;
use futures_util::future::poll_fn;
use reactor::Reactor;

use crate::connection::node::Node;
use crate::connection::session::Session;
use crate::connection::wire::Wire;
use crate::server::request::{Answer, LoginFailure, RegisterFailure, Request};
use crate::server::{ClientId, Effect, Peer, Server, Timestamp};

/// How often the server looks for clients that are silent.
const TICK: Duration = Duration::from_secs(1);

/// The connections of one thread.
#[derive(Clone, Debug)]
pub struct Hub(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    node: Node,
    reactor: Reactor,
    thread: u16,
    wires: RefCell<HashMap<ClientId, Wire>>,
    /// What clients of other threads cause for those of this one.
    from_others: RefCell<UnboundedReceiver<Effect>>,
    /// What is to be carried out; kept for its memory.
    effects: RefCell<Vec<Effect>>,
    output_limit: usize,
}

impl Hub {
    /// The hub of the reactor's thread.
    #[must_use]
    pub fn new(node: &Node, reactor: &Reactor, output_limit: usize) -> Self {
        let number = reactor.thread_number();
        let hub = Self(Rc::new(Inner {
            from_others: RefCell::new(node.join(number)),
            node: node.clone(),
            reactor: reactor.clone(),
            // There are never so many threads that it does not fit.
            thread: u16::try_from(number).unwrap_or(u16::MAX),
            wires: RefCell::default(),
            effects: RefCell::default(),
            output_limit,
        }));
        hub.listen_to_others();
        if number == 0 {
            hub.tick();
        }
        hub
    }

    fn listen_to_others(&self) {
        let hub = self.clone();
        self.0.reactor.spawn(poll_fn(move |cx| {
            loop {
                let next = hub.0.from_others.borrow_mut().poll_next_unpin(cx);
                match next {
                    Poll::Ready(Some(effect)) => hub.carry_out(None, effect),
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
        }));
    }

    fn tick(&self) {
        let hub = self.clone();
        self.0.reactor.call_later(TICK, move || {
            hub.call(None, Server::tick);
            hub.tick();
        });
    }

    /// The time of day.
    fn now(&self) -> Timestamp {
        let since = self.0.reactor.time_of_day().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(since.as_millis().try_into().unwrap_or(u64::MAX))
    }

    pub(super) fn output_limit(&self) -> usize {
        self.0.output_limit
    }

    pub(super) fn connected(&self, wire: Wire, peer: Peer) -> ClientId {
        let (now, thread) = (self.now(), self.0.thread);
        let id = self.0.node.lock().server.connected(now, thread, peer);
        self.0.wires.borrow_mut().insert(id, wire);
        self.call(None, |_, _| {});
        id
    }

    pub(super) fn disconnected(&self, id: ClientId, reason: &[u8]) {
        self.0.wires.borrow_mut().remove(&id);
        self.call(None, |server, now| server.disconnected(now, id, reason));
    }

    /// Asks the server something, and carries out what it wants done; what concerns the session that asks, by the session.
    pub(super) fn call<R>(
        &self,
        mut session: Option<&mut Session>,
        question: impl FnOnce(&mut Server, Timestamp) -> R,
    ) -> R {
        let now = self.now();
        let mut effects = self.0.effects.take();
        let mut shared = self.0.node.lock();
        let result = question(&mut shared.server, now);
        shared.share_out(self.0.thread, &mut effects);
        drop(shared);
        // What others have caused was wanted before.
        while let Ok(effect) = self.0.from_others.borrow_mut().try_recv() {
            self.carry_out(session.as_deref_mut(), effect);
        }
        for effect in effects.drain(..) {
            self.carry_out(session.as_deref_mut(), effect);
        }
        self.0.effects.replace(effects);
        result
    }

    fn carry_out(&self, session: Option<&mut Session>, effect: Effect) {
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
            Effect::Keep(_) | Effect::Publish(_) | Effect::Ban(_) | Effect::Unban(_) | Effect::Reload => {}
        }
    }

    fn ask(&self, session: &Session, request: Request) {
        let answer = match request {
            Request::Keep(_) => Answer::Kept(true),
            Request::History(_) => Answer::History(None),
            Request::Targets { .. } => Answer::Targets(Vec::new()),
            Request::Oper { .. } => Answer::Oper(None),
            Request::ServerPassword(_) => Answer::Password(false),
            Request::Register { .. } => Answer::Registered(Err(RegisterFailure::Unavailable)),
            _ => Answer::Login(Err(LoginFailure::Unavailable)),
        };
        session.wire().defer(async move { answer }, Session::answered);
    }
}
