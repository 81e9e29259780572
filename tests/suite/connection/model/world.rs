//! Two real connections, driven step by step.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use std::{fmt, io};

use bytes::Bytes;
use reactor::connection::Connection;
use reactor::testing::StringTransport;
use reactor::{CloseReason, DeferredCall, DelayedCall, OnEof, Protocol, Transport};

use super::script::{Act, Awaited, Event, Input, Outcome, Payload, Questions, Step, View, Who, text};

pub(crate) struct World {
    ends: [RealEnd; 2],
    shared: Rc<Shared>,
    /// Whose timers they use.
    outer: StringTransport,
}

struct RealEnd {
    connection: Option<Connection>,
    made: bool,
    ended: bool,
    lost: bool,
    shut: bool,
}

/// What the callbacks of both connections use.
struct Shared {
    transports: RefCell<Vec<Transport>>,
    events: RefCell<Vec<Event>>,
    reactions: RefCell<VecDeque<Vec<Act>>>,
    /// What is being received.
    incoming: RefCell<Vec<u8>>,
    timers: RefCell<Vec<DelayedCall>>,
    deferred: RefCell<Vec<(DeferredCall, Rc<Gate>)>>,
    writes: Cell<usize>,
    /// Calls of each connection that were neither made nor dropped.
    alive: [Rc<Cell<usize>>; 2],
    dropping: Cell<bool>,
}

impl World {
    pub(crate) fn new() -> Self {
        let outer = StringTransport::connect(|_transport: Transport| Outer);
        // The futures of a case have all the time they need.
        outer.reactor().set_shutdown_deadline(Duration::MAX);
        let shared = Rc::new(Shared {
            transports: RefCell::default(),
            events: RefCell::default(),
            reactions: RefCell::default(),
            incoming: RefCell::default(),
            timers: RefCell::default(),
            deferred: RefCell::default(),
            writes: Cell::new(0),
            alive: Default::default(),
            dropping: Cell::new(false),
        });
        let ends = Who::BOTH.map(|who| {
            let transport = Transport::nested(outer.transport());
            shared.transports.borrow_mut().push(transport.clone());
            let protocol = Box::new(Subject { who, shared: Rc::clone(&shared) });
            RealEnd {
                connection: Some(Connection::new(transport, protocol)),
                made: false,
                ended: false,
                lost: false,
                shut: false,
            }
        });
        Self { ends, shared, outer }
    }

    /// Whether a driver may do this now.
    fn applies(&self, input: Input) -> bool {
        let (who, ready) = match input {
            Input::Advance(_) | Input::Open(_) | Input::Outside(_) => return true,
            Input::Made(who) => return !self.end(who).made && !self.end(who).lost && self.has_connection(who),
            Input::Dropped(who) | Input::Lost(who) => return self.has_connection(who),
            Input::Received(who, _) => {
                // While it is merely paused it is not to be read. What is read too late is ignored.
                let questions = self.questions(who);
                (who, questions.wants_read || questions.view.closing || self.end(who).ended)
            }
            Input::Shut(who) => {
                let questions = self.questions(who);
                (who, !self.end(who).shut && (questions.wants_write_eof || questions.wants_close))
            }
            Input::Ended(who) | Input::Turn(who) | Input::Sent(who, _) | Input::LentAndWrote(who, _) => (who, true),
        };
        ready && self.has_connection(who) && self.end(who).made
    }

    pub(crate) fn run(&mut self, step: &Step) -> Outcome {
        let mut outcome =
            Outcome { applied: self.applies(step.input), events: Vec::new(), lent: Vec::new(), reason: String::new() };
        if !outcome.applied {
            return outcome;
        }
        let shared = Rc::clone(&self.shared);
        shared.reactions.replace(step.reactions.iter().cloned().collect());
        match step.input {
            Input::Made(who) => {
                self.ends[who as usize].made = true;
                self.connection(who).made();
            }
            Input::Received(who, len) => {
                let data = text(len, len).as_bytes();
                shared.incoming.replace(data.to_vec());
                self.connection(who).received(data);
            }
            Input::Ended(who) => {
                self.ends[who as usize].ended = true;
                self.connection(who).received_eof();
            }
            Input::Turn(who) => loop {
                let before = shared.events.borrow().len();
                self.connection(who).turn(&mut Context::from_waker(Waker::noop()));
                if shared.events.borrow().len() == before {
                    break;
                }
            },
            Input::Sent(who, most) => {
                outcome.lent = self.connection(who).with_output(<[u8]>::to_vec);
                self.connection(who).sent(outcome.lent.len().min(most));
            }
            Input::LentAndWrote(who, len) => {
                let act = Act::Write(who, len);
                outcome.lent = self.connection(who).with_output(|lent| {
                    // What it looks like while it is lent is not said.
                    shared.write(who, len);
                    lent.to_vec()
                });
                shared.log(Event::Did(act, None, shared.view(who)));
            }
            Input::Shut(who) => {
                self.ends[who as usize].shut = true;
                self.connection(who).write_eof_sent();
            }
            Input::Lost(who) => {
                let questions = self.questions(who);
                let reason = self.connection(who).failure().unwrap_or_else(|| {
                    let error = io::Error::from(io::ErrorKind::ConnectionReset);
                    if questions.wants_close { CloseReason::Done } else { CloseReason::Lost(Arc::new(error)) }
                });
                outcome.reason = reason.to_string();
                self.ends[who as usize].lost = true;
                self.connection(who).lost(reason);
            }
            Input::Dropped(who) => {
                let connection = self.ends[who as usize].connection.take();
                shared.dropping.set(true);
                drop(connection);
                shared.dropping.set(false);
            }
            Input::Advance(time) => self.outer.advance(Duration::from_millis(time)),
            Input::Open(number) => {
                let gate = {
                    let deferred = shared.deferred.borrow();
                    (!deferred.is_empty()).then(|| Rc::clone(&deferred[number % deferred.len()].1))
                };
                if let Some(gate) = gate {
                    gate.open();
                }
            }
            Input::Outside(act) => shared.act(act),
        }
        outcome.events = shared.events.take();
        outcome
    }

    pub(crate) fn questions(&self, who: Who) -> Questions {
        let end = self.end(who);
        let view = self.shared.view(who);
        let nothing = Questions { view, wants_read: false, wants_write_eof: false, wants_close: false, failure: None };
        let Some(connection) = &end.connection else { return nothing };
        let failure = connection.failure();
        let asked = !end.lost && failure.is_none();
        Questions {
            view,
            wants_read: connection.wants_read(),
            wants_write_eof: asked && connection.wants_write_eof(),
            wants_close: asked && connection.wants_close(),
            failure: failure.map(|reason| reason.to_string()),
        }
    }

    /// Calls of both connections that were neither made nor dropped.
    pub(crate) fn calls_alive(&self) -> usize {
        self.shared.alive.iter().map(|alive| alive.get()).sum()
    }

    fn end(&self, who: Who) -> &RealEnd {
        &self.ends[who as usize]
    }

    fn has_connection(&self, who: Who) -> bool {
        self.end(who).connection.is_some()
    }

    fn connection(&mut self, who: Who) -> &mut Connection {
        self.ends[who as usize].connection.as_mut().unwrap()
    }
}

impl Shared {
    fn log(&self, event: Event) {
        self.events.borrow_mut().push(event);
    }

    fn log_act(&self, act: Act, answer: Option<bool>) {
        self.log(Event::Did(act, answer, self.view(act.subject())));
    }

    fn transport(&self, who: Who) -> Transport {
        self.transports.borrow()[who as usize].clone()
    }

    fn view(&self, who: Who) -> View {
        let transport = self.transport(who);
        View { unsent: transport.unsent_bytes(), full: transport.is_full(), closing: transport.is_closing() }
    }

    fn take_text(&self, len: usize) -> &'static str {
        let number = self.writes.replace(self.writes.get() + 1);
        text(number, len)
    }

    fn write(&self, who: Who, len: usize) {
        let text = self.take_text(len);
        self.transport(who).write(text);
    }

    /// What a callback does. It ends at the first panic.
    fn react(&self, event: Event) -> Vec<Act> {
        self.log(event);
        let acts = self.reactions.borrow_mut().pop_front().unwrap_or_default();
        for act in &acts {
            if let Act::Panic(payload) = *act {
                if self.dropping.get() {
                    break;
                }
                // Unlike `panic!` it prints nothing.
                match payload {
                    Payload::Text => resume_unwind(Box::new("as told")),
                    Payload::Bomb => resume_unwind(Box::new(Bomb)),
                }
            }
            self.act(*act);
        }
        acts
    }

    fn act(&self, act: Act) {
        let transport = self.transport(act.subject());
        let timer = |number: usize| {
            let timers = self.timers.borrow();
            (!timers.is_empty()).then(|| timers[number % timers.len()].clone())
        };
        let mut answer = None;
        match act {
            Act::Write(who, len) => self.write(who, len),
            Act::WriteBytes(_, len) => transport.write_bytes(Bytes::from_static(self.take_text(len).as_bytes())),
            Act::WriteFmt(_, len) => {
                write!(transport, "{}", Interposing(transport.clone(), self.take_text(len)));
            }
            Act::Lose(_) => transport.lose_connection(),
            Act::Abort(_) => transport.abort_connection(),
            Act::Fail(_) => transport.fail_connection(CloseReason::failed("enough")),
            Act::WriteEof(_) => transport.write_eof(),
            Act::PauseReading(_) => transport.pause_reading(),
            Act::ResumeReading(_) => transport.resume_reading(),
            Act::PacedBy(_, destination) => transport.paced_by(&self.transport(destination)),
            Act::SetLimit(_, limit) => transport.set_output_limit(limit),
            Act::CallLater(who, delay) => {
                let number = self.timers.borrow().len();
                let guard = Guard::new(&transport, &self.alive[who as usize]);
                let call = transport.call_later(Duration::from_millis(delay), move |this: &mut Subject| {
                    drop(guard);
                    this.shared.react(Event::TimedCall(this.who, number));
                });
                self.timers.borrow_mut().push(call);
            }
            Act::Cancel(number) => answer = Some(timer(number).is_some_and(|timer| timer.cancel())),
            Act::Reset(number, delay) => {
                answer = Some(timer(number).is_some_and(|timer| timer.reset(Duration::from_millis(delay))));
            }
            Act::Delay(number, delay) => {
                answer = Some(timer(number).is_some_and(|timer| timer.delay(Duration::from_millis(delay))));
            }
            Act::Defer(who, awaited) => {
                let number = self.deferred.borrow().len();
                let guard = Guard::new(&transport, &self.alive[who as usize]);
                let gate = Rc::new(Gate { open: Cell::new(awaited != Awaited::Gate), waker: RefCell::new(None) });
                let waiting = Rc::clone(&gate);
                let future = async move {
                    std::future::poll_fn(|cx| waiting.poll(cx)).await;
                    if awaited == Awaited::Panic {
                        resume_unwind(Box::new("a future".to_owned()));
                    }
                    drop(guard);
                };
                let call = transport.defer(future, move |this: &mut Subject, ()| {
                    this.shared.react(Event::DeferredCall(this.who, number));
                });
                self.deferred.borrow_mut().push((call, gate));
            }
            Act::CancelDeferred(number) => {
                let deferred = self.deferred.borrow();
                answer = Some(!deferred.is_empty() && deferred[number % deferred.len()].0.cancel());
            }
            Act::KeepWriting | Act::NotYet | Act::Panic(_) => {}
        }
        self.log_act(act, answer);
    }
}

/// The protocol of either connection.
struct Subject {
    who: Who,
    shared: Rc<Shared>,
}

impl Protocol for Subject {
    fn connection_made(&mut self) {
        self.shared.react(Event::Made(self.who));
    }

    fn data_received(&mut self, data: &[u8]) {
        assert_eq!(data, *self.shared.incoming.borrow(), "other bytes are received than came");
        self.shared.react(Event::Received(self.who, data.len()));
    }

    fn eof_received(&mut self) -> OnEof {
        let acts = self.shared.react(Event::Ended(self.who));
        match acts.into_iter().find(|act| matches!(act, Act::KeepWriting | Act::NotYet)) {
            Some(Act::KeepWriting) => OnEof::KeepWriting,
            Some(_) => OnEof::NotYet,
            None => OnEof::Close,
        }
    }

    fn pause_writing(&mut self) {
        self.shared.react(Event::PauseWriting(self.who));
    }

    fn resume_writing(&mut self) {
        self.shared.react(Event::ResumeWriting(self.who));
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        let alive = self.shared.alive[self.who as usize].get();
        self.shared.react(Event::Lost(self.who, reason.to_string(), alive));
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        self.shared.react(Event::Gone(self.who));
    }
}

/// What carries the timers of the connections.
struct Outer;

impl Protocol for Outer {
    fn data_received(&mut self, _data: &[u8]) {}
}

/// Counts as long as it lives, and uses its transport when it is dropped, as everything of a user's may.
struct Guard {
    transport: Transport,
    alive: Rc<Cell<usize>>,
}

impl Guard {
    fn new(transport: &Transport, alive: &Rc<Cell<usize>>) -> Self {
        alive.set(alive.get() + 1);
        Self { transport: transport.clone(), alive: Rc::clone(alive) }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.alive.set(self.alive.get() - 1);
        // Whatever is borrowed meanwhile shows.
        self.transport.set_no_delay(!self.transport.is_full());
    }
}

/// What a deferred future waits for.
struct Gate {
    open: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Gate {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.open.get() {
            return Poll::Ready(());
        }
        self.waker.replace(Some(cx.waker().clone()));
        Poll::Pending
    }

    fn open(&self) {
        self.open.set(true);
        let waker = self.waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Writes to the transport it is being formatted for.
struct Interposing(Transport, &'static str);

impl fmt::Display for Interposing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write("!");
        f.write_str(self.1)
    }
}

/// The payload of a panic that panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        resume_unwind(Box::new("a bomb"));
    }
}
