use reactor::{CloseReason, OnEof};

use crate::irc::handle::Irc;
use crate::irc::message::{Message, ParseError};
use crate::receiver::into_handler::IntoHandler;

/// What a user of [`IrcReceiver`](crate::irc::IrcReceiver) implements: a protocol whose callbacks get messages, for servers
/// and clients alike.
///
/// It is built with its [`Irc`], the handle that sends messages and closes, and keeps it in a plain field. Only
/// [`message_received`](Self::message_received) is required. The order of callbacks, and when messages wait, is as in
/// [`LineHandler`](crate::LineHandler).
pub trait IrcHandler: 'static {
    /// The connection is established; nothing has been received yet. Twisted's `connectionMade`.
    fn connection_made(&mut self) {}

    /// The peer sent this message. Copy what you need to keep. Twisted's `handleCommand`.
    fn message_received(&mut self, message: &Message<'_>);

    /// The peer sent a line that is no message; empty lines are left out without a word. The default does so with all.
    fn line_rejected(&mut self, line: &[u8], error: ParseError) {
        let _ = (line, error);
    }

    /// The peer sent a line that is too long. It is left out as a whole, and the next is delivered. Called as soon as the
    /// line is known to be too long, once for each. Servers answer
    /// [`ERR_INPUTTOOLONG`](crate::irc::numeric::ERR_INPUTTOOLONG).
    fn line_too_long(&mut self) {}

    /// The peer has ended its stream; no message follows. The return value says whether this side goes on sending.
    ///
    /// `unfinished` is what followed the last line.
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

impl<H: IrcHandler> IntoHandler<Irc> for H {
    type Handler = H;

    fn into_handler(self) -> Option<H> {
        Some(self)
    }
}
