//! When a receiver delivers, and when it waits.

use std::cell::Cell;

use reactor::connection::MemoryCharge;
use reactor::{CloseReason, Factory, OnEof, Transport};

use crate::receiver::input::{Buffer, Input};
use crate::receiver::state::ReceiverState;
#[cfg(feature = "tls")]
use crate::tls::injected;

/// The rules by which a receiver delivers what it cuts from one chunk, shared with its handle.
///
/// Delivery stops at once when it is paused, when the connection closes, and when the answers fill the output: a peer
/// that sends many questions at once and reads the answers slowly must not make them pile up. While anything is left,
/// the connection is not read, so the receiver never keeps more than one chunk.
pub(crate) struct Delivery {
    pub(crate) transport: Transport,
    /// Paused by the user.
    paused: Cell<bool>,
    /// Another process is to go on with the connection.
    goes_over: Cell<bool>,
    /// The handler waits for TLS to begin.
    #[cfg(feature = "tls")]
    starts_tls: Cell<bool>,
    /// For either of these reasons, or because another protocol takes over, nothing is delivered.
    stopped: Cell<bool>,
    /// Delivery stopped before the end; the connection is not read meanwhile.
    held: Cell<bool>,
    /// For the kept input.
    charge: MemoryCharge,
    phase: Cell<DeliveryPhase>,
    /// How many calls in a row asked for no bytes.
    empty_calls: Cell<u16>,
    /// The factory of the protocol that is to take this receiver's place.
    next: Cell<Option<Box<Box<dyn Factory>>>>,
    /// Makes the receiver deliver in the connection's next turn.
    ask: fn(&Transport),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum DeliveryPhase {
    Idle,
    /// Delivery will go on in the connection's next turn.
    Asked,
    Running,
    /// Nothing is delivered any more: another protocol takes over.
    Over,
}

impl Delivery {
    pub(crate) fn new(transport: Transport, ask: fn(&Transport)) -> Self {
        Self {
            charge: transport.charge_memory(0),
            transport,
            paused: Cell::new(false),
            goes_over: Cell::new(false),
            #[cfg(feature = "tls")]
            starts_tls: Cell::new(false),
            stopped: Cell::new(false),
            held: Cell::new(false),
            phase: Cell::new(DeliveryPhase::Idle),
            empty_calls: Cell::new(0),
            next: Cell::new(None),
            ask,
        }
    }

    pub(crate) fn pause(&self) {
        self.paused.set(true);
        self.stopped.set(true);
        self.transport.pause_reading();
    }

    pub(crate) fn resume(&self) {
        if self.paused.replace(false) {
            self.update_stopped();
            if self.held.get() {
                self.ask();
            } else {
                self.transport.resume_reading();
            }
        }
    }

    /// Delivers nothing while another process may go on with the connection.
    pub(crate) fn set_held(&self, held: bool) {
        self.goes_over.set(held);
        self.update_stopped();
        if !held && self.held.get() {
            self.ask();
        }
    }

    /// Delivers nothing until [`secured`](Self::secured). The peer's plain text should end here.
    #[cfg(feature = "tls")]
    pub(crate) fn start_tls(&self) {
        self.starts_tls.set(true);
        self.stopped.set(true);
        if self.phase.get() != DeliveryPhase::Running && self.charge.bytes() > 0 {
            self.hold();
        }
    }

    /// The connection is secure.
    #[cfg(feature = "tls")]
    pub(crate) fn secured(&self) {
        self.starts_tls.set(false);
        self.update_stopped();
    }

    #[cfg(feature = "tls")]
    fn waits_for_tls(&self) -> bool {
        self.starts_tls.get()
    }

    #[cfg(not(feature = "tls"))]
    fn waits_for_tls(&self) -> bool {
        false
    }

    /// There is something to deliver, or something has changed. Only needed outside of a delivery.
    pub(crate) fn ask(&self) {
        if self.phase.get() == DeliveryPhase::Idle {
            self.phase.set(DeliveryPhase::Asked);
            (self.ask)(&self.transport);
        }
    }

    /// Gives way to another protocol, which gets all that is not delivered.
    pub(crate) fn give_way(&self, next: impl Factory) {
        self.next.set(Some(Box::new(Box::new(next))));
        self.stopped.set(true);
        if self.phase.replace(DeliveryPhase::Over) == DeliveryPhase::Idle {
            (self.ask)(&self.transport);
        }
    }

    fn update_stopped(&self) {
        let over = self.phase.get() == DeliveryPhase::Over;
        self.stopped.set(self.paused.get() || self.goes_over.get() || self.waits_for_tls() || over);
    }

    /// Kept input, if any, is to be cut in another way.
    pub(crate) fn cuts_anew(&self) {
        if self.charge.bytes() > 0 {
            self.ask();
        }
    }

    /// Whether something waits for the end of a pause, or for the output to be sent.
    pub(crate) fn is_held(&self) -> bool {
        self.held.get()
    }

    /// Whether another process can go on with what is kept.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.phase.get() == DeliveryPhase::Idle && !self.waits_for_tls()
    }

    /// Records input that another process has kept, and delivers what was left to deliver once the connection goes on.
    pub(crate) fn restore(&self, state: &ReceiverState<'_>) {
        self.charge.set(state.kept.len());
        if state.held {
            self.hold();
            self.ask();
        }
    }

    /// Whether some input is kept.
    #[cfg(test)]
    pub(crate) fn keeps(&self) -> bool {
        self.charge.bytes() > 0
    }

    /// Delivers what `next` takes off the input, as long as delivery may go on, and ends. True if it was stopped and
    /// can go on later.
    pub(crate) fn cut(&self, mut input: Input<'_>, mut next: impl FnMut(&mut Input<'_>) -> bool) -> bool {
        let stopped = self.run(|| next(&mut input)) && !self.transport.is_closing();
        if let Some(next) = self.next.take() {
            self.transport.switch_to(*next, input.everything());
        } else if self.transport.is_closing() {
            input.clear();
        }
        let kept = input.finish();
        self.end(kept, kept > 0 && stopped);
        stopped
    }

    /// Delivers pieces with `next`, which returns whether there was one, as long as delivery may go on. True if it was
    /// stopped before the last piece.
    pub(crate) fn run(&self, mut next: impl FnMut() -> bool) -> bool {
        if self.phase.get() != DeliveryPhase::Over {
            self.phase.set(DeliveryPhase::Running);
        }
        let most = self.most_unsent();
        loop {
            if !self.goes_on(most) {
                return true;
            }
            if !next() {
                return false;
            }
        }
    }

    /// How many bytes may be unsent for a delivery to go on that begins now.
    pub(crate) fn most_unsent(&self) -> usize {
        self.transport.unsent_bytes().saturating_add(MOST_ANSWERS)
    }

    /// Whether a delivery may go on.
    #[inline(always)] // once for each message
    pub(crate) fn goes_on(&self, most_unsent: usize) -> bool {
        !self.stopped.get() && !self.transport.is_closing() && self.transport.unsent_bytes() <= most_unsent
    }

    /// Ends a delivery. `kept` is the memory that the kept input takes, `left` whether something is left to deliver.
    pub(crate) fn end(&self, kept: usize, left: bool) {
        self.charge.set(kept);
        if self.phase.get() == DeliveryPhase::Over {
            return;
        }
        self.phase.set(DeliveryPhase::Idle);
        if left {
            self.hold();
        } else if self.held.replace(false) && !self.paused.get() {
            self.transport.resume_reading();
        }
    }

    /// Something is left to deliver, even if no input is kept.
    pub(crate) fn hold(&self) {
        self.held.set(true);
        self.transport.pause_reading();
        #[cfg(feature = "tls")]
        if self.waits_for_tls() {
            self.transport.fail_connection(CloseReason::failed(injected()));
        }
    }

    /// Whether there is something to deliver, now or later.
    pub(crate) fn has_more(&self) -> bool {
        self.held.get() || matches!(self.phase.get(), DeliveryPhase::Asked | DeliveryPhase::Over)
    }

    /// Reports the end of the stream, with the unfinished rest, after everything there is to deliver.
    pub(crate) fn end_of_stream(&self, buffer: &mut Buffer, tell: impl FnOnce(&[u8]) -> OnEof) -> OnEof {
        if self.has_more() {
            return OnEof::NotYet;
        }
        let mut input = buffer.input(b"");
        let answer = tell(input.everything());
        self.charge.set(input.finish());
        answer
    }

    /// Records that the handler was called with this many bytes. A handler that always asks for none would block the
    /// reactor, whatever the peer sends: its connection fails.
    pub(crate) fn called_for(&self, bytes: usize) {
        let empty_calls = if bytes == 0 { self.empty_calls.get() + 1 } else { 0 };
        self.empty_calls.set(empty_calls);
        if empty_calls > MOST_EMPTY_CALLS {
            let text = format!("{MOST_EMPTY_CALLS} calls in a row asked for no bytes: the protocol makes no progress");
            self.transport.fail_connection(CloseReason::failed(text));
        }
    }
}

/// The number of unsent bytes that makes an output full. The peer may read other unsent output as slowly as it likes:
/// if both sides send each other much, neither would be the first to go on.
const MOST_ANSWERS: usize = 64 * 1024;

/// Far more than the number of empty parts in a message.
const MOST_EMPTY_CALLS: u16 = 10_000;
