//! What a connection and its handles share.

use std::any::Any;
use std::cell::{Cell, OnceCell, Ref, RefCell, RefMut};
use std::mem;
use std::rc::{Rc, Weak};
use std::time::Duration;

use futures_channel::oneshot;

use crate::address::Address;
use crate::address::peer_credentials::PeerCredentials;
use crate::hub::Hub;
use crate::hub::intake::{Displace, Intake};
use crate::hub::output::{Output, Stock};
use crate::time::call::{Call, Notify, Whose};
use crate::time::calls::{Calls, Owner};
use crate::time::panic_log::log_panic;
use crate::transport::attached_values::AttachedValues;
use crate::transport::close_reason::CloseReason;
use crate::transport::descriptors::queue::DescriptorQueue;
use crate::transport::lifecycle::{Drain, Eof, Lifecycle, Pace};
use crate::transport::moving::pump::Pump;
use crate::transport::origin::Origin;
use crate::transport::traffic::tap::Tap;

/// The state of one connection, as its handles and its driver see it.
pub(crate) struct State {
    pub(crate) hub: Rc<Hub>,
    /// The connection's number, which the connections inside its layers have, too.
    pub(crate) id: u64,
    /// That of the outer connection, if it has none of its own.
    origin: Option<Box<Origin>>,
    pub(super) parent: OnceCell<Parent>,
    /// The connection inside this one, if this is a layer and that is built.
    pub(super) inside: Cell<Option<Weak<Self>>>,
    /// The protocol's own, for code outside it.
    pub(super) handle: Cell<Option<Rc<dyn Any>>>,
    /// What layers tell the protocols inside them.
    pub(super) attached: AttachedValues,
    /// How many layers wait for a header or a handshake; kept by the outermost only.
    pub(super) pending: Cell<u32>,
    pub(crate) calls: Calls,
    pub(super) output: RefCell<Output>,
    output_limit: Cell<usize>,
    /// Unsent and charged bytes, including those inside layers, as they count in the memory budget; kept by the outermost
    /// only.
    pub(super) held: Cell<usize>,
    /// Unsent bytes that were written in answer to input.
    pub(super) owed: Cell<usize>,
    /// The number of internal holds on reading, besides the user's pause.
    pub(super) holds: Cell<u32>,
    pub(super) paused: Cell<bool>,
    /// It is read however much is owed.
    pub(super) reads_ahead: Cell<bool>,
    /// The outer connection is held because this one does not want to read.
    pub(crate) holds_outer: Cell<bool>,
    /// Whether a whole message was received since this was last read.
    message: Cell<bool>,
    pub(crate) pace: Cell<Pace>,
    pub(super) lifecycle: Cell<Lifecycle>,
    pub(super) drain: Cell<Drain>,
    /// The driver is running, and will check everything again before it sleeps.
    pub(super) driven: Cell<bool>,
    /// Something has changed since the driver last checked.
    pub(super) dirty: Cell<bool>,
    /// A layer in this connection may have something to pass on outwards: since it last began to, something has changed
    /// inside, or this connection has ceased to be full.
    pub(super) to_pass: Cell<bool>,
    /// A layer inside still holds bytes that were written before this connection began to close.
    unfinished: Cell<bool>,
    /// The protocol is to be replaced; and something that an earlier one has left is to be delivered first.
    pub(super) switch_asked: Cell<bool>,
    pub(super) rest_waits: Cell<bool>,
    /// Descriptors can be sent.
    pub(crate) passes_descriptors: Cell<bool>,
    /// Made when it is first needed.
    cold: OnceCell<Box<RefCell<Cold>>>,
}

/// The state that most connections never need.
#[derive(Default)]
pub(crate) struct Cold {
    /// Why the connection has failed, if it has.
    failure: Option<CloseReason>,
    /// What was unsent when the connection ended, or when its output was dropped before that.
    unsent_at_end: usize,
    /// Why it is closed in order, if that was said.
    pub(super) close_reason: Option<CloseReason>,
    /// Its key in the memory budget while it is listed there.
    pub(super) holder: u32,
    /// Connections that are not read while this one is full.
    pub(crate) sources: Vec<Weak<State>>,
    options: Option<SocketOptions>,
    /// What to call when the connection is asked to finish.
    pub(crate) on_drain: Option<Call>,
    /// What to call when everything is sent.
    pub(super) when_sent: Vec<Call>,
    /// The receivers of the close reason.
    pub(crate) watchers: Vec<oneshot::Sender<CloseReason>>,
    /// Those who watch what passes.
    pub(super) taps: Vec<Tap>,
    /// The receivers that wait for the connection to be established.
    pub(super) establishing: Vec<oneshot::Sender<()>>,
    /// How to replace the protocol, and what it has left.
    pub(super) switch: Option<Box<dyn Any>>,
    pub(super) rest: Vec<u8>,
    pub(crate) descriptors: DescriptorQueue,
    pub(crate) peer_credentials: Option<PeerCredentials>,
}

/// Changes of socket options that the driver has yet to make.
#[derive(Clone, Copy, Default)]
pub(crate) struct SocketOptions {
    pub(crate) no_delay: Option<bool>,
    pub(crate) keep_alive: Option<Option<Duration>>,
}

/// What to wake when there is something to do.
pub(super) enum Parent {
    Pump(Weak<dyn Pump>),
    Outer(Rc<State>),
}

impl State {
    pub(crate) fn new(hub: &Rc<Hub>, host: Address, peer: Address, output_limit: usize) -> Self {
        Self::with(hub, hub.take_id(), Some(Origin::new(host, peer)), output_limit)
    }

    /// That of a connection inside another, which has the same addresses or these.
    pub(crate) fn nested(outer: &Rc<Self>, host_and_peer: Option<(Address, Address)>) -> Self {
        let origin = host_and_peer.map(|(host, peer)| Origin::new(host, peer));
        let inner = Self::with(&outer.hub, outer.id, origin, outer.output_limit());
        inner.set_outer(Rc::clone(outer));
        inner
    }

    fn with(hub: &Rc<Hub>, id: u64, origin: Option<Box<Origin>>, output_limit: usize) -> Self {
        Self {
            hub: Rc::clone(hub),
            id,
            origin,
            parent: OnceCell::new(),
            inside: Cell::new(None),
            handle: Cell::new(None),
            attached: AttachedValues::default(),
            pending: Cell::new(0),
            calls: Calls::default(),
            output: RefCell::default(),
            output_limit: Cell::new(output_limit),
            held: Cell::new(0),
            owed: Cell::new(0),
            holds: Cell::new(0),
            paused: Cell::new(false),
            reads_ahead: Cell::new(false),
            holds_outer: Cell::new(false),
            message: Cell::new(false),
            pace: Cell::new(Pace::KeepsUp),
            lifecycle: Cell::new(Lifecycle::BEGIN),
            drain: Cell::new(Drain::NotAsked),
            driven: Cell::new(false),
            dirty: Cell::new(true),
            to_pass: Cell::new(true),
            unfinished: Cell::new(false),
            switch_asked: Cell::new(false),
            rest_waits: Cell::new(false),
            passes_descriptors: Cell::new(false),
            cold: OnceCell::new(),
        }
    }

    pub(crate) fn host(&self) -> &Address {
        &self.origin().host
    }

    pub(crate) fn peer(&self) -> &Address {
        &self.origin().peer
    }

    /// The intake of the port that accepted it.
    pub(crate) fn accepted_by(&self) -> Option<&Rc<Intake>> {
        self.root().origin().accepted_by.get()
    }

    pub(crate) fn set_accepted_by(&self, intake: &Rc<Intake>) {
        let _ = self.origin().accepted_by.set(Rc::clone(intake));
    }

    fn origin(&self) -> &Origin {
        match (&self.origin, self.outer()) {
            (Some(origin), _) => origin,
            (None, Some(outer)) => outer.origin(),
            (None, None) => unreachable!("only a connection inside another has no origin of its own"),
        }
    }

    pub(crate) fn output_limit(&self) -> usize {
        self.output_limit.get()
    }

    /// How many more bytes may be queued.
    pub(crate) fn output_room(&self) -> usize {
        self.output_limit.get().saturating_sub(self.unsent_bytes())
    }

    pub(crate) fn set_output_limit(&self, bytes: usize) {
        self.output_limit.set(bytes);
    }

    pub(crate) fn lifecycle(&self) -> Lifecycle {
        self.lifecycle.get()
    }

    /// Ends the connection with a reason that overrides an earlier one: a panic must not be masked.
    pub(crate) fn fail(&self, reason: CloseReason) {
        if self.has_ended() {
            return;
        }
        self.lifecycle.set(Lifecycle::Failed);
        // The old reason may hold a user's error, so it is dropped with nothing borrowed.
        let old = self.with_cold(|cold| cold.failure.replace(reason));
        drop(old);
        self.wake();
    }

    #[inline]
    pub(crate) fn failure(&self) -> Option<CloseReason> {
        if self.has_failed() { self.cold()?.failure.clone() } else { None }
    }

    /// Ends this side's stream when everything is sent.
    pub(crate) fn write_eof(&self) {
        if self.is_writable() {
            self.lifecycle.set(Lifecycle::Open(Eof::Wanted));
            self.wake();
        }
    }

    #[inline]
    pub(crate) fn has_failed(&self) -> bool {
        self.lifecycle.get() == Lifecycle::Failed
    }

    /// Whether it is neither closing, nor failed, nor ended.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.lifecycle.get(), Lifecycle::Open(_))
    }

    /// Whether bytes can be written.
    #[inline]
    pub(crate) fn is_writable(&self) -> bool {
        self.lifecycle.get() == Lifecycle::BEGIN
    }

    /// Whether it is to close when everything is sent.
    pub(crate) fn is_closing(&self) -> bool {
        matches!(self.lifecycle.get(), Lifecycle::Closing(_))
    }

    pub(crate) fn wants_close(&self) -> bool {
        self.is_closing() && self.is_finished()
    }

    pub(crate) fn wants_write_eof(&self) -> bool {
        self.lifecycle.get().eof() == Some(Eof::Wanted) && self.is_finished()
    }

    /// Whether this side's stream is to end, or has ended.
    pub(crate) fn wants_eof(&self) -> bool {
        matches!(self.lifecycle.get().eof(), Some(Eof::Wanted | Eof::Sent))
    }

    /// Whether all that was written has left, what layers inside hold included.
    pub(crate) fn is_finished(&self) -> bool {
        self.output.borrow().len() == 0 && !self.unfinished.get()
    }

    pub(crate) fn is_unfinished(&self) -> bool {
        self.unfinished.get()
    }

    pub(crate) fn set_unfinished(&self, unfinished: bool) {
        if self.unfinished.replace(unfinished) && !unfinished {
            self.tell_if_all_is_sent();
        }
    }

    /// Takes the output out, to show it to code that may write more, until
    /// [`take_output_back`](Self::take_output_back). It still counts as being here.
    #[inline]
    pub(crate) fn lend_output(&self) -> Output {
        self.output.borrow_mut().lend()
    }

    #[inline]
    pub(crate) fn take_output_back(&self, lent: Output) {
        self.output.borrow_mut().take_back(lent, &self.hub.stock);
    }

    pub(crate) fn peer_credentials(&self) -> Option<PeerCredentials> {
        match self.outer() {
            Some(outer) => outer.peer_credentials(),
            None => self.cold()?.peer_credentials,
        }
    }

    pub(crate) fn set_eof_sent(&self) {
        self.lifecycle.set(self.lifecycle.get().with_eof_sent());
        self.tell_if_all_is_sent();
    }

    pub(crate) fn eof_sent(&self) -> bool {
        self.lifecycle.get().eof() == Some(Eof::Sent)
    }

    #[inline]
    pub(crate) fn unsent_bytes(&self) -> usize {
        self.output.borrow().len()
    }

    pub(crate) fn unsent_at_end(&self) -> usize {
        self.cold().map_or(0, |cold| cold.unsent_at_end)
    }

    /// Takes out what will never be sent, to be dropped with nothing borrowed.
    #[must_use]
    pub(crate) fn discard_output(&self) -> Option<Output> {
        // Borrowed while a stream writes; the stream may be a user's and may have called this.
        let mut output = self.output.try_borrow_mut().ok()?;
        if output.len() > 0 {
            self.with_cold(|cold| cold.unsent_at_end += output.len());
        }
        Some(output.clear())
    }

    pub(crate) fn output(&self) -> &RefCell<Output> {
        &self.output
    }

    /// Records that the first `n` bytes of the output have left.
    pub(crate) fn sent(&self, n: usize) {
        if self.any_taps() {
            self.tell_sent(n);
        }
        let (gone, left) = {
            let mut output = self.output.borrow_mut();
            (output.advance(n, &self.hub.stock), output.len())
        };
        if self.is_much(left + n) && !self.is_much(left) {
            // There is room again for what waits inside.
            self.to_pass.set(true);
        }
        self.give_back_memory(n);
        self.repay(n);
        if left == 0 {
            self.catch_up();
            self.tell_if_all_is_sent();
        }
        if gone.is_some() {
            log_panic("drop of bytes that were sent", || drop(gone));
        }
    }

    #[inline]
    pub(crate) fn note_message(&self) {
        if !self.message.replace(true) {
            self.wake();
        }
    }

    pub(crate) fn has_message(&self) -> bool {
        self.message.get()
    }

    pub(crate) fn take_message(&self) -> bool {
        self.message.take()
    }

    /// Takes the changes of socket options requested since the last call.
    pub(crate) fn take_options(&self) -> Option<SocketOptions> {
        self.cold_mut()?.options.take()
    }

    /// Makes every handle stale, and drops timers, deferred calls and unsent output.
    pub(crate) fn end(&self) {
        self.lifecycle.set(Lifecycle::Ended);
        // The outermost also gives back what is held inside layers.
        let held = if self.outer().is_some() { self.unsent_bytes() + self.rest_bytes() } else { self.held.get() };
        self.give_back_memory(held);
        let unsent = self.discard_output();
        self.catch_up();
        // These own user code, which may use this same transport when dropped, or panic.
        let cold = self.cold_mut().map(|mut cold| {
            let unsent_at_end = cold.unsent_at_end;
            mem::replace(&mut *cold, Cold { unsent_at_end, ..Cold::default() })
        });
        log_panic("drop of what a connection had", || drop((unsent, cold, self.attached.take_all())));
        log_panic("drop of a protocol's handle", || self.set_handle(None));
        self.calls.close(&self.hub.timers);
    }

    #[inline]
    pub(crate) fn has_ended(&self) -> bool {
        self.lifecycle.get() == Lifecycle::Ended
    }

    /// Queues `len` bytes by `push`, or ends the connection if they exceed the limit.
    #[inline]
    pub(crate) fn write(self: &Rc<Self>, len: usize, push: impl FnOnce(&mut Output, &Stock)) {
        if len > 0 && self.is_writable() && self.has_budget(len) {
            self.queue(len, push);
        }
    }

    pub(crate) fn pump(&self) -> Option<&Weak<dyn Pump>> {
        match self.parent.get() {
            Some(Parent::Pump(pump)) => Some(pump),
            Some(Parent::Outer(_)) | None => None,
        }
    }

    #[inline]
    pub(super) fn queue(self: &Rc<Self>, len: usize, push: impl FnOnce(&mut Output, &Stock)) {
        let unsent = {
            let mut output = self.output.borrow_mut();
            let queued = output.len();
            if queued > 0 && queued.saturating_add(len) > self.output_limit.get() {
                drop(output);
                return self.fail(CloseReason::Overflow);
            }
            push(&mut output, &self.hub.stock);
            output.len()
        };
        self.hold_memory(len);
        self.fill(unsent);
        self.wake();
    }

    pub(crate) fn with_cold<R>(&self, change: impl FnOnce(&mut Cold) -> R) -> R {
        change(&mut self.cold.get_or_init(Box::default).borrow_mut())
    }

    pub(super) fn cold(&self) -> Option<Ref<'_, Cold>> {
        self.cold.get().map(|cold| cold.borrow())
    }

    pub(super) fn cold_mut(&self) -> Option<RefMut<'_, Cold>> {
        self.cold.get().map(|cold| cold.borrow_mut())
    }

    pub(crate) fn set_option(&self, set: impl FnOnce(&mut SocketOptions)) {
        if !self.has_ended() {
            self.with_cold(|cold| set(cold.options.get_or_insert_default()));
            self.wake();
        }
    }
}

impl Owner for State {
    fn calls(&self) -> &Calls {
        &self.calls
    }
}

impl Displace for State {
    fn displace(&self) {
        if !self.has_failed() {
            self.fail(CloseReason::failed("gave way to a newer client before it was established"));
        }
    }
}

impl Notify for State {
    fn notify(&self, call: Call) {
        self.call_now(call);
    }

    fn whose(&self) -> Whose {
        Whose { connection: Some(self.id), name: self.calls.name() }
    }
}
