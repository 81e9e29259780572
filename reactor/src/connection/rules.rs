//! What a connection does with its inputs, and answers to its driver.

use std::any::Any;
use std::fmt;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::task::Context;

use crate::connection::{Connection, Layer, OnEof, PeerStream, Protocol};
use crate::time::call::Callee;
use crate::time::panic_log::report_panic;
use crate::time::pulse::{Callback, Subject, observed};
use crate::transport::Transport;
use crate::transport::close_reason::CloseReason;
use crate::transport::lifecycle::Pace;
use crate::transport::state::State;
use crate::transport::traffic::tap::TrafficKind;
use crate::util::closer::close_in_thread;
use crate::util::panics::catch_panic;

impl Connection {
    /// Joins a protocol to the transport it was built with.
    pub fn new(transport: Transport, protocol: Box<dyn Protocol>) -> Self {
        let mut this = Self {
            transport,
            protocol: Some(protocol),
            peer_stream: PeerStream::Open,
            layered: false,
            made: false,
            name: 0,
        };
        this.introduce();
        this.transport.0.set_inside();
        this
    }

    /// Learns what the protocol is.
    pub(super) fn introduce(&mut self) {
        let Some(protocol) = &mut self.protocol else { return };
        let handler = protocol.handler().map(|handler| (*handler).type_id());
        self.layered = protocol.layer().is_some();
        let hub = &self.transport.0.hub;
        let target = hub.share_target((&**protocol as &dyn Any).type_id(), handler, protocol.type_name());
        self.name = target.number;
        self.transport.0.calls.set_target(target);
    }

    /// The handle that the protocol also has.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The protocol; `None` once the connection is lost.
    pub fn protocol(&mut self) -> Option<&mut dyn Protocol> {
        self.protocol.as_deref_mut()
    }

    /// Input: the connection is established.
    pub fn made(&mut self) {
        self.made = true;
        if !self.layered {
            return self.call(Callback::ConnectionMade, Protocol::connection_made);
        }
        let outer = self.transport.clone();
        self.call(Callback::ConnectionMade, |protocol| {
            protocol.connection_made();
            with_inside(protocol, &outer, |inside| {
                if !inside.made {
                    inside.made();
                }
            });
        });
    }

    /// Input: the peer sent `data`. Ignored if it is empty, or if the connection is closing.
    pub fn received(&mut self, data: &[u8]) {
        if self.state().any_taps() && !data.is_empty() && !self.has_ended() && !self.transport.is_closing() {
            self.state().tell_received(data);
        }
        if self.state().is_switch_asked() || self.state().rest_waits() {
            return self.received_while_switching(data);
        }
        if !data.is_empty() {
            self.input(Callback::DataReceived, |protocol| protocol.data_received(data));
        }
    }

    /// Input: the peer sent this descriptor, with the bytes that are [`received`](Self::received) next. If the
    /// connection is closing, the descriptor is closed.
    pub fn file_descriptor_received(&mut self, descriptor: OwnedFd) {
        if self.has_ended() || self.transport.is_closing() {
            return close_in_thread(descriptor);
        }
        self.input(Callback::FileDescriptorReceived, |protocol| protocol.file_descriptor_received(descriptor));
    }

    #[inline]
    pub(super) fn input(&mut self, kind: Callback, callback: impl FnOnce(&mut dyn Protocol)) {
        if !self.has_ended() && !self.transport.is_closing() {
            self.deliver(kind, callback);
        }
    }

    #[inline]
    pub(super) fn deliver(&mut self, kind: Callback, callback: impl FnOnce(&mut dyn Protocol)) {
        let before = self.state().load();
        if self.run(kind, callback) {
            // Before `pause_writing`, because what that callback writes is not an answer to input.
            self.state().owe_what_exceeds(before);
            self.pace();
        }
    }

    /// Input: the peer has ended its stream. If the protocol answers [`OnEof::Close`] and has deferred no call, or if this
    /// side has already ended its stream, the connection is closing from here on.
    pub fn received_eof(&mut self) -> OnEof {
        match self.peer_stream {
            PeerStream::Open => self.tell_eof(),
            PeerStream::EofUnanswered => OnEof::NotYet,
            PeerStream::EofCloses => OnEof::Close,
            PeerStream::Eof => OnEof::KeepWriting,
        }
    }

    fn tell_eof(&mut self) -> OnEof {
        self.state().tell_taps(|| TrafficKind::ReceivedEnd);
        let mut answer = OnEof::Close;
        if self.state().rest_waits() {
            answer = OnEof::NotYet;
        } else if !self.transport.is_closing() && !self.state().is_switch_asked() {
            self.call(Callback::EofReceived, |protocol| answer = protocol.eof_received());
        }
        if self.state().is_switch_asked() {
            answer = OnEof::NotYet;
        }
        let answers_later = self.state().is_writable() && self.state().calls.any_deferred();
        self.peer_stream = match answer {
            OnEof::NotYet => PeerStream::EofUnanswered,
            OnEof::Close if answers_later => PeerStream::EofCloses,
            OnEof::Close | OnEof::KeepWriting => PeerStream::Eof,
        };
        if self.peer_stream == PeerStream::EofCloses {
            self.state().lose_in_time();
        } else if answer == OnEof::Close || (answer == OnEof::KeepWriting && self.state().eof_sent()) {
            self.transport.lose_connection();
        }
        answer
    }

    /// Input: the connection was woken. Makes the calls that are due and polls deferred futures.
    pub fn turn(&mut self, cx: &mut Context<'_>) {
        if self.state().is_switch_asked() {
            self.switch();
        }
        self.pace();
        if self.state().take_drain() {
            let mut has_inside = false;
            self.run(Callback::Layer, |protocol| {
                has_inside = protocol.layer().is_some_and(|layer| layer.inside().is_some());
            });
            self.state().tell_of_drain(has_inside);
        }
        if self.state().calls.any_ready() {
            self.make_calls(cx);
        }
        if self.state().rest_waits() {
            self.deliver_rest();
        }
        if !self.state().has_failed() && self.is_due_inside() {
            let outer = self.transport.clone();
            self.call(Callback::Layer, |protocol| with_inside(protocol, &outer, |inside| inside.turn_if_due(cx)));
        }
        if self.peer_stream == PeerStream::EofUnanswered && !self.state().is_paused() {
            self.tell_eof();
        }
        if self.peer_stream == PeerStream::EofCloses && !self.state().calls.any_deferred() {
            self.peer_stream = PeerStream::Eof;
            self.transport.lose_connection();
        }
        if self.state().is_finishing() && !self.state().calls.any_deferred() {
            self.transport.lose_connection();
        }
    }

    /// A turn, if it would do anything. Most would not.
    #[inline]
    pub(crate) fn turn_if_due(&mut self, cx: &mut Context<'_>) {
        if self.is_due() {
            self.turn(cx);
        }
    }

    #[inline]
    fn is_due(&self) -> bool {
        self.state().is_due()
            || matches!(self.peer_stream, PeerStream::EofUnanswered | PeerStream::EofCloses)
            || self.is_due_inside()
    }

    /// Whether the protocol is a layer that has something to pass on, in either direction, or whose connection inside has
    /// something to do.
    #[inline]
    pub(crate) fn is_due_inside(&self) -> bool {
        self.layered && self.state().has_to_pass()
    }

    fn make_calls(&mut self, cx: &mut Context<'_>) {
        for _ in 0..CALLS_AT_ONCE {
            if self.protocol.is_none() || self.transport.has_failed() || self.state().is_switch_asked() {
                return;
            }
            let next = || catch_panic(|| self.transport.0.calls.next(cx));
            match observed(self.subject(Callback::Deferred), next) {
                Ok(Some(call)) => self.call(Callback::Call, |protocol| call(&mut ProtocolCallee(protocol))),
                Ok(None) => return,
                Err(message) => self.panicked(message),
            }
        }
        self.state().wake();
    }

    /// Input: the connection has ended. Drops timers, deferred calls and unsent output, calls `connection_lost`, and
    /// drops the protocol. A second call does nothing. A protocol whose connection was never made is dropped without a
    /// callback.
    pub fn lost(&mut self, reason: CloseReason) {
        let Some(mut protocol) = self.protocol.take() else { return };
        let reason = if reason.is_clean() { self.state().close_reason() } else { reason };
        let (watchers, taps) = (self.state().take_watchers(), self.state().take_taps());
        let end = catch_panic(|| self.state().end());
        let (mut lost, mut inside_lost) = (Ok(()), Ok(()));
        if self.made {
            let subject = self.subject(Callback::ConnectionLost);
            lost = observed(subject, || catch_panic(|| protocol.connection_lost(reason.clone())));
            inside_lost = catch_panic(|| {
                if self.layered
                    && let Some(inside) = protocol.layer().and_then(Layer::inside)
                {
                    inside.lost(reason.clone());
                }
            });
        }
        let drop = catch_panic(|| drop(protocol));
        for message in [end, lost, inside_lost, drop].into_iter().filter_map(Result::err) {
            report_panic(&message, "a protocol panicked while its connection ended");
        }
        for tap in taps {
            tap.tell_last(self.state().hub.clock.time_of_day(), &reason);
        }
        for watcher in watchers {
            // The receiver may have been dropped.
            let _ = watcher.send(reason.clone());
        }
    }

    /// Output: lends the first contiguous part of the bytes to send; empty if there are none. What `f` writes to this
    /// same connection is queued behind them.
    pub fn with_output<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        let output = self.state().lend_output();
        let result = f(output.chunk());
        self.state().take_output_back(output);
        result
    }

    /// Output: the first `n` of the bytes lent by [`with_output`](Self::with_output) have left. May call
    /// `resume_writing`.
    ///
    /// # Panics
    ///
    /// If `n` is more than was lent.
    pub fn sent(&mut self, n: usize) {
        self.sent_and_resumed(n);
    }

    /// Like [`sent`](Self::sent); true if `resume_writing` was called, so that another turn is due.
    pub(crate) fn sent_and_resumed(&mut self, n: usize) -> bool {
        self.pace();
        self.state().sent(n);
        // A layer continues while it has something to carry.
        let resumes =
            self.state().pace.get() == Pace::CatchesUp && (self.state().is_open() || self.state().is_unfinished());
        if resumes {
            self.state().pace.set(Pace::KeepsUp);
            self.call(Callback::ResumeWriting, Protocol::resume_writing);
        }
        resumes
    }

    /// Output: all of it was handed on to the connection around this one. May call `resume_writing`.
    pub(crate) fn handed_on(&mut self) {
        self.state().handed_on();
        if self.state().pace.get() != Pace::KeepsUp {
            self.sent(0);
        }
    }

    /// Output: the end of this side's stream, requested by [`wants_write_eof`](Self::wants_write_eof), has left.
    pub fn write_eof_sent(&mut self) {
        self.state().set_eof_sent();
        if matches!(self.peer_stream, PeerStream::EofCloses | PeerStream::Eof) {
            self.transport.lose_connection();
        }
    }

    /// Whether to read: false while the connection is paused, held or closing, or while more than 64 KiB of answers are
    /// unsent, counting each descriptor as 1 KiB.
    pub fn wants_read(&self) -> bool {
        !self.has_ended() && !self.state().rest_waits() && self.state().wants_read()
    }

    /// Whether everything was sent and the end of this side's stream is due.
    pub fn wants_write_eof(&self) -> bool {
        self.state().wants_write_eof()
    }

    /// Whether everything was sent and the connection is to be closed. The driver then calls [`lost`](Self::lost) with
    /// [`CloseReason::Done`]; the protocol is told the reason of
    /// [`lose_connection_with`](Transport::lose_connection_with), if there is one.
    pub fn wants_close(&self) -> bool {
        self.state().wants_close()
    }

    /// Why the connection is to be ended at once and with a reset, if it is: it was aborted, it failed, a callback
    /// panicked, or it passed the output limit. The driver calls [`lost`](Self::lost) with this reason.
    pub fn failure(&self) -> Option<CloseReason> {
        self.state().failure()
    }

    /// Whether the protocol has heard of the peer's end of stream.
    pub(crate) fn has_ended(&self) -> bool {
        self.peer_stream != PeerStream::Open
    }

    pub(super) fn state(&self) -> &Rc<State> {
        &self.transport.0
    }

    /// Runs one callback, followed by `pause_writing` where that is due.
    #[inline]
    fn call(&mut self, kind: Callback, callback: impl FnOnce(&mut dyn Protocol)) {
        if self.run(kind, callback) {
            self.pace();
        }
    }

    /// Runs one callback, then has a layer pass on the result. Returns false if the callback panicked or the protocol
    /// is gone.
    #[inline]
    fn run(&mut self, kind: Callback, callback: impl FnOnce(&mut dyn Protocol)) -> bool {
        let subject = self.subject(kind);
        let Self { layered, protocol: Some(protocol), transport, .. } = self else { return false };
        let code = || {
            callback(&mut **protocol);
            if *layered {
                pass(&mut **protocol, &transport.0);
            }
        };
        let called = observed(subject, || catch_panic(code));
        match called {
            Ok(()) => true,
            Err(message) => {
                self.panicked(message);
                false
            }
        }
    }

    /// What runs, for those who ask why everything else waits.
    fn subject(&self, callback: Callback) -> Subject {
        Subject { connection: self.state().id, name: self.name, callback }
    }

    #[inline]
    fn pace(&mut self) {
        if self.state().pace.get() == Pace::FallsBehind && !self.state().has_failed() {
            self.state().pace.set(Pace::Behind);
            self.call(Callback::PauseWriting, Protocol::pause_writing);
        }
    }

    #[cold]
    pub(crate) fn panicked(&self, message: String) {
        report_panic(&message, "a callback panicked: the connection ends");
        self.state().fail(CloseReason::Panicked(message));
    }
}

/// Has a layer pass on what it has.
#[inline(never)] // so that protocols that are no layers are called without a detour
fn pass(protocol: &mut dyn Protocol, state: &State) {
    let Some(layer) = protocol.layer() else { return };
    // First, because what leaves may give rise to more inside.
    state.begin_to_pass();
    layer.pass();
    // What has no connection inside yet may need every turn.
    if layer.inside().is_none_or(|inside| inside.is_due()) {
        state.has_more_to_pass();
    }
}

/// Applies `change` to the connection inside a layer, if there is one, after passing on what was asked of the outer.
fn with_inside(protocol: &mut dyn Protocol, outer: &Transport, change: impl FnOnce(&mut Connection)) {
    if let Some(inside) = protocol.layer().and_then(Layer::inside) {
        pass_on_close(outer, &inside.transport);
        change(inside);
    }
}

/// Passes on to the inner connection what the outer was asked to do: close, end its stream, or finish.
pub(crate) fn pass_on_close(outer: &Transport, inner: &Transport) {
    if outer.is_draining() {
        inner.drain();
    }
    if outer.is_closing() {
        inner.lose_connection();
    } else if outer.0.wants_eof() {
        inner.write_eof();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if !self.state().has_ended()
            && let Err(message) = catch_panic(|| self.state().end())
        {
            report_panic(&message, "dropping a connection's calls panicked");
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("transport", &self.transport)
            .field("protocol", &self.protocol.as_ref().map(|protocol| protocol.type_name()))
            .field("peer_stream", &self.peer_stream)
            .finish()
    }
}

/// A protocol as the receiver of timed and deferred calls.
struct ProtocolCallee<'a>(&'a mut dyn Protocol);

impl Callee for ProtocolCallee<'_> {
    fn protocol(&mut self) -> &mut dyn Any {
        self.0
    }

    fn handler(&mut self) -> Option<&mut dyn Any> {
        self.0.handler()
    }

    fn name(&self) -> &'static str {
        self.0.type_name()
    }
}

/// The limit of calls in one turn: futures that are always ready and defer the next must not starve everything else.
const CALLS_AT_ONCE: u32 = 64;
