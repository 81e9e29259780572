use reactor::{CloseReason, OnEof};

use crate::receiver::into_handler::IntoHandler;
use crate::stateful::handle::States;
use crate::stateful::state::State;

/// What a user of [`StatefulReceiver`](crate::stateful::StatefulReceiver) implements: a protocol that sets the length
/// of the next part of a message, and which of its methods receives it.
///
/// It is built with its [`States`], the handle that closes and pauses, and keeps it in a plain field. Only
/// [`initial_state`](Self::initial_state) is required. The order of callbacks, and when parts wait, is as in
/// [`LineHandler`](crate::LineHandler).
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
    /// The first part to wait for. Called once, before [`connection_made`](Self::connection_made). Twisted's
    /// `getInitialState`.
    fn initial_state(&mut self) -> State<Self>;

    /// The connection is established; nothing has been received yet. Twisted's `connectionMade`.
    fn connection_made(&mut self) {}

    /// The handler asked for more bytes than the maximum
    /// ([`StatefulFactory::max_length`](crate::stateful::StatefulFactory::max_length)), most likely because of a length
    /// from the peer. Nothing more is delivered: when this returns, the connection sends what was written and closes,
    /// with a [`Failed`](CloseReason::Failed) that says so.
    fn length_limit_exceeded(&mut self, length: usize) {
        let _ = length;
    }

    /// The peer has ended its stream; no bytes follow. The return value says whether this side goes on sending.
    ///
    /// `unfinished` are the received bytes of an incomplete part.
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
