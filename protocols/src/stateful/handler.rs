use reactor::{CloseReason, OnEof};

use crate::receiver::into_handler::IntoHandler;
use crate::stateful::handle::States;
use crate::stateful::state::State;

/// What a user of [`StatefulReceiver`](crate::stateful::StatefulReceiver) writes: a protocol that says of how many bytes the next
/// part of a message consists, and which of its methods takes it.
///
/// It is built with its [`States`], the handle that closes and paces, and keeps it in a plain field. Only
/// [`initial_state`](Self::initial_state) must be written. Callbacks come in the order, and parts wait, as
/// [`LineHandler`](crate::LineHandler) has it.
///
/// ```
/// use protocols::stateful::{State, StatefulHandler, StatefulReceiver, States};
/// use reactor::testing::StringTransport;
///
/// /// Takes records of a kind (one byte), a length (two bytes) and a body; tells how long each was.
/// struct Records { states: States, kind: u8 }
///
/// impl StatefulHandler for Records {
///     fn initial_state(&mut self) -> State<Self> {
///         State::new(3, Self::header_received)
///     }
/// }
///
/// impl Records {
///     fn header_received(&mut self, header: &[u8]) -> Option<State<Self>> {
///         self.kind = header[0];
///         let length = u16::from_be_bytes([header[1], header[2]]);
///         Some(State::new(length.into(), Self::body_received))
///     }
///     fn body_received(&mut self, body: &[u8]) -> Option<State<Self>> {
///         write!(self.states.transport(), "{}: {} bytes\n", self.kind, body.len());
///         Some(self.initial_state())
///     }
/// }
///
/// let mut wire = StringTransport::connect(StatefulReceiver::factory(|states| Records { states, kind: 0 }));
/// wire.receive(b"\x07\x00\x05hello\x08\x00\x00");
/// assert_eq!(wire.written(), b"7: 5 bytes\n8: 0 bytes\n");
/// ```
pub trait StatefulHandler: Sized + 'static {
    /// What to wait for first. Called once, before [`connection_made`](Self::connection_made). Twisted's
    /// `getInitialState`.
    fn initial_state(&mut self) -> State<Self>;

    /// The connection is established; nothing was received yet. Twisted's `connectionMade`.
    fn connection_made(&mut self) {}

    /// The handler itself has asked for more bytes than it may
    /// ([`StatefulFactory::max_length`](crate::stateful::StatefulFactory::max_length)), most likely since the peer has told a
    /// length. Nothing more is delivered: when this has returned, the connection sends what was written and closes.
    fn length_limit_exceeded(&mut self, length: usize) {
        let _ = length;
    }

    /// The peer has ended its stream; no bytes follow. The answer says whether this side goes on sending.
    ///
    /// `unfinished` is what came of the bytes that were waited for.
    fn eof_received(&mut self, unfinished: &[u8]) -> OnEof {
        let _ = unfinished;
        OnEof::Close
    }

    /// As [`Protocol::pause_writing`](reactor::Protocol::pause_writing).
    fn pause_writing(&mut self) {}

    /// As [`Protocol::resume_writing`](reactor::Protocol::resume_writing).
    fn resume_writing(&mut self) {}

    /// The connection has ended; this is the last callback. Twisted's `connectionLost`.
    fn connection_lost(&mut self, reason: CloseReason) {
        let _ = reason;
    }
}

impl<H: StatefulHandler> IntoHandler<States> for H {
    type Handler = H;

    fn into_handler(self) -> Option<H> {
        Some(self)
    }
}
