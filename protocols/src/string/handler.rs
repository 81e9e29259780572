use reactor::{CloseReason, OnEof};

use crate::receiver::into_handler::IntoHandler;
use crate::string::error::StringError;
use crate::string::handle::Strings;

/// What a user of [`StringReceiver`](crate::StringReceiver) implements: a protocol whose callbacks get byte strings.
///
/// It is built with its [`Strings`], the handle that sends strings and closes, and keeps it in a plain field. Only
/// [`string_received`](Self::string_received) is required. The order of callbacks, and when strings wait, is as in
/// [`LineHandler`](crate::LineHandler).
///
/// ```
/// use protocols::{StringHandler, StringReceiver, Strings};
/// use protocols::string::StringFormat;
/// use reactor::testing::StringTransport;
///
/// struct Shout { strings: Strings }
///
/// impl StringHandler for Shout {
///     fn string_received(&mut self, string: &[u8]) {
///         let answer = self.strings.send_string(string.to_ascii_uppercase());
///         answer.expect("it is as long as the one that came");
///     }
/// }
///
/// let mut wire = StringTransport::connect(StringReceiver::factory(StringFormat::Netstring, |strings| Shout { strings }));
/// wire.receive("5:hello,5:wor");
/// wire.receive("ld,");
/// assert_eq!(wire.written(), b"5:HELLO,5:WORLD,");
/// ```
pub trait StringHandler: 'static {
    /// The connection is established; nothing has been received yet. Twisted's `connectionMade`.
    fn connection_made(&mut self) {}

    /// The peer sent this string, passed without its length; it may be empty. Copy what you need to keep. Twisted's
    /// `stringReceived`.
    fn string_received(&mut self, string: &[u8]);

    /// The peer sent an invalid string, or one that is too long. Nothing more is delivered: when this returns, the
    /// connection sends what was written and closes, with this error as its reason. Called as soon as the length is known
    /// to be too great, without waiting for the string. Twisted's `lengthLimitExceeded`.
    fn string_rejected(&mut self, error: StringError) {
        let _ = error;
    }

    /// The peer has ended its stream; no string follows. The return value says whether this side goes on sending.
    ///
    /// `unfinished` is what followed the last string, including a length: empty, unless the peer was interrupted.
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

impl<H: StringHandler> IntoHandler<Strings> for H {
    type Handler = H;

    fn into_handler(self) -> Option<H> {
        Some(self)
    }
}
