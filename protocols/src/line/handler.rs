use reactor::{CloseReason, OnEof};

use crate::line::handle::Lines;
use crate::receiver::into_handler::IntoHandler;

/// What a user of [`LineReceiver`](crate::LineReceiver) writes: a protocol that is called back with lines.
///
/// It is built with its [`Lines`], the handle that sends lines and closes, and keeps it in a plain
/// field. Only [`line_received`](Self::line_received) must be written.
///
/// # The order of callbacks
///
/// As [`Protocol`](reactor::Protocol) has it: [`connection_made`](Self::connection_made) once and first; then lines
/// and raw data in the order of the stream; [`eof_received`](Self::eof_received) at most once, behind them;
/// [`connection_lost`](Self::connection_lost) exactly once and last. Every callback runs to completion before the
/// next begins, whatever it asks of its `Lines`. A panic in one ends this connection alone.
///
/// # When lines wait
///
/// A chunk from the network may hold many lines. None of them is delivered once the connection is closing, and none
/// while reading is paused: those that are left come when it is resumed. They wait, too, when the answers to those
/// before them are more than 64 KiB, until the output has been sent.
///
/// ```
/// use protocols::{LineHandler, LineReceiver, Lines};
/// use reactor::testing::StringTransport;
///
/// struct Shout { lines: Lines }
///
/// impl LineHandler for Shout {
///     fn line_received(&mut self, line: &[u8]) {
///         self.lines.send_line(line.to_ascii_uppercase());
///     }
/// }
///
/// let mut wire = StringTransport::connect(LineReceiver::factory(|lines| Shout { lines }));
/// wire.receive("hello\r\nwor");
/// wire.receive("ld\r\n");
/// assert_eq!(wire.written(), b"HELLO\r\nWORLD\r\n");
/// ```
pub trait LineHandler: 'static {
    /// The connection is established; nothing was received yet. Twisted's `connectionMade`.
    fn connection_made(&mut self) {}

    /// The peer sent this line, which is given without its delimiter; it may be empty. It is lent: what is to be kept
    /// must be copied. Twisted's `lineReceived`.
    fn line_received(&mut self, line: &[u8]);

    /// The peer sent these bytes, at least one, while raw mode was on
    /// ([`Lines::set_raw_mode`](crate::Lines::set_raw_mode)). They are cut anywhere. Without an implementation they are
    /// thrown away. Twisted's `rawDataReceived`.
    fn raw_data_received(&mut self, data: &[u8]) {
        let _ = data;
    }

    /// The peer sent a line that is longer than it may be. `data` is what was received of it so far, and whatever was
    /// received behind it; nothing of that comes again, unless it is given back by
    /// [`Lines::set_line_mode`](crate::Lines::set_line_mode). Twisted's `lineLengthExceeded`.
    fn line_length_exceeded(&mut self, data: &[u8]) -> OnLongLine {
        let _ = data;
        OnLongLine::Close
    }

    /// The peer has ended its stream; no line follows. The answer says whether this side goes on sending.
    ///
    /// `unfinished` is what came behind the last delimiter: usually nothing, but many a peer does not end its last line.
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

impl<H: LineHandler> IntoHandler<Lines> for H {
    type Handler = H;

    fn into_handler(self) -> Option<H> {
        Some(self)
    }
}

/// What a handler answers when a line is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnLongLine {
    /// Send what was written, then close, as by [`Lines::lose_connection`](crate::Lines::lose_connection).
    Close,
    /// Go on: the next byte received begins a new line, or is raw data if raw mode has been switched on.
    KeepReading,
}
