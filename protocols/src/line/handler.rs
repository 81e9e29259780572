use reactor::{CloseReason, OnEof};

use crate::line::handle::Lines;
use crate::receiver::into_handler::IntoHandler;

/// What a user of [`LineReceiver`](crate::LineReceiver) implements: a protocol whose callbacks get lines.
///
/// It is built with its [`Lines`], the handle that sends lines and closes, and keeps it in a plain field. Only
/// [`line_received`](Self::line_received) is required.
///
/// # The order of callbacks
///
/// As in [`Protocol`](reactor::Protocol): [`connection_made`](Self::connection_made) comes once and first; then lines
/// and raw data in stream order; [`eof_received`](Self::eof_received) at most once, after them;
/// [`connection_lost`](Self::connection_lost) exactly once and last. Each callback runs to completion before the next
/// begins, whatever it does with its `Lines`. A panic in one ends only this connection.
///
/// # When lines wait
///
/// A chunk from the network may hold many lines. None is delivered once the connection is closing or while reading is
/// paused; the remaining lines come when reading is resumed. Lines also wait while the answers to earlier ones exceed
/// 64 KiB, until the output has been sent.
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
    /// The connection is established; nothing has been received yet. Twisted's `connectionMade`.
    fn connection_made(&mut self) {}

    /// The peer sent this line, passed without its delimiter; it may be empty. Copy what you need to keep. Twisted's
    /// `lineReceived`.
    fn line_received(&mut self, line: &[u8]);

    /// The peer sent these bytes, at least one, in raw mode ([`Lines::set_raw_mode`](crate::Lines::set_raw_mode)). They
    /// are cut anywhere. The default discards them. Twisted's `rawDataReceived`.
    fn raw_data_received(&mut self, data: &[u8]) {
        let _ = data;
    }

    /// The peer sent a line longer than the maximum. `data` is the part of the line received so far and everything
    /// received after it; none of it is delivered again unless given back to
    /// [`Lines::set_line_mode`](crate::Lines::set_line_mode). Twisted's `lineLengthExceeded`.
    fn line_length_exceeded(&mut self, data: &[u8]) -> OnLongLine {
        let _ = data;
        OnLongLine::Close
    }

    /// The peer has ended its stream; no line follows. The return value says whether this side goes on sending.
    ///
    /// `unfinished` is what followed the last delimiter: usually nothing, but many peers do not end their last line.
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

/// What to do about a line that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnLongLine {
    /// Sends what was written, then closes. [`connection_lost`](LineHandler::connection_lost) follows with a
    /// [`Failed`](CloseReason::Failed) that says that a line was too long.
    Close,
    /// Goes on: the next byte received begins a new line, or is raw data if raw mode has been switched on.
    KeepReading,
}
