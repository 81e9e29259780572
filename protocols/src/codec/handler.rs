use reactor::{CloseReason, OnEof};
use tokio_util::codec::Decoder;

use crate::codec::handle::Messages;
use crate::receiver::into_handler::IntoHandler;

/// What a user of [`CodecReceiver`](crate::codec::CodecReceiver) implements: a protocol whose callbacks get the
/// messages that a codec decodes.
///
/// It is built with its [`Messages`], the handle that sends messages and closes, and keeps it in a plain field. Only
/// [`message_received`](Self::message_received) is required. The order of callbacks, and when messages wait, is as in
/// [`LineHandler`](crate::LineHandler).
///
/// ```
/// use protocols::codec::{CodecHandler, CodecReceiver, Messages};
/// use reactor::testing::StringTransport;
/// use tokio_util::codec::LinesCodec;
///
/// struct Shout { messages: Messages<LinesCodec> }
///
/// impl CodecHandler for Shout {
///     type Codec = LinesCodec;
///
///     fn message_received(&mut self, line: String) {
///         if self.messages.send(line.to_uppercase()).is_err() {
///             self.messages.lose_connection();
///         }
///     }
/// }
///
/// let mut wire = StringTransport::connect(CodecReceiver::factory(LinesCodec::new, |messages| Shout { messages }));
/// wire.receive("hello\nwor");
/// wire.receive("ld\n");
/// assert_eq!(wire.written(), b"HELLO\nWORLD\n");
/// ```
pub trait CodecHandler: 'static {
    /// Decodes received messages and encodes sent ones.
    type Codec: Decoder + 'static;

    /// The connection is established; nothing has been received yet. Twisted's `connectionMade`.
    fn connection_made(&mut self) {}

    /// The peer sent this message.
    fn message_received(&mut self, message: <Self::Codec as Decoder>::Item);

    /// The peer sent bytes that cannot be decoded, or too many that cannot be decoded yet
    /// ([`CodecFactory::max_kept`](crate::codec::CodecFactory::max_kept)): then the error is converted from an
    /// [`io::Error`](std::io::Error) of the kind [`InvalidData`](std::io::ErrorKind::InvalidData). Nothing more is
    /// delivered; when this returns, the connection sends what was written and closes, with a
    /// [`Failed`](CloseReason::Failed) that says so.
    fn decoding_failed(&mut self, error: <Self::Codec as Decoder>::Error) {
        let _ = error;
    }

    /// The peer has ended its stream; no message follows: anything that the codec makes of unfinished input
    /// (`Decoder::decode_eof`) has been delivered. The return value says whether this side goes on sending.
    fn eof_received(&mut self) -> OnEof {
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

impl<H: CodecHandler> IntoHandler<Messages<H::Codec>> for H {
    type Handler = H;

    fn into_handler(self) -> Option<H> {
        Some(self)
    }
}
