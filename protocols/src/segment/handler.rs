use reactor::{CloseReason, OnEof};

use crate::receiver::into_handler::IntoHandler;
use crate::segment::handle::Segments;

/// What a user of [`TerminatorReceiver`](crate::segment::TerminatorReceiver) implements: a protocol that receives data
/// as it arrives, and is told where a segment ends. Python's `asynchat.async_chat`.
///
/// It is built with its [`Segments`], the handle that sets terminators, closes and pauses, and keeps it in a plain
/// field. The order of callbacks, and when received bytes wait, is as in [`LineHandler`](crate::LineHandler).
///
/// An HTTP request: the head ends with an empty line and gives the length of the body:
///
/// ```
/// use protocols::segment::{Segments, TerminatorHandler, TerminatorReceiver};
/// use reactor::testing::StringTransport;
///
/// struct Request { segments: Segments, segment: Vec<u8>, head: Option<String> }
///
/// impl TerminatorHandler for Request {
///     fn connection_made(&mut self) {
///         self.segments.set_terminator("\r\n\r\n");
///     }
///     fn collect_incoming_data(&mut self, data: &[u8]) {
///         self.segment.extend_from_slice(data);
///         if self.segment.len() > 8192 {
///             self.segments.lose_connection();
///         }
///     }
///     fn found_terminator(&mut self) {
///         let segment = String::from_utf8_lossy(&std::mem::take(&mut self.segment)).into_owned();
///         match self.head.take() {
///             None => {
///                 let length = segment.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok());
///                 self.segments.set_terminator(length.unwrap_or(0));
///                 self.head = Some(segment);
///             }
///             Some(head) => {
///                 write!(self.segments.transport(), "{} of {segment}\n", head.lines().next().unwrap_or_default());
///                 self.segments.set_terminator("\r\n\r\n");
///             }
///         }
///     }
/// }
///
/// let factory = TerminatorReceiver::factory(|segments| Request { segments, segment: Vec::new(), head: None });
/// let mut wire = StringTransport::connect(factory);
/// wire.receive("PUT /\r\nContent-Length: 5\r\n\r\nhelloGET /\r\n\r\n");
/// assert_eq!(wire.written(), b"PUT / of hello\nGET / of \n");
/// ```
pub trait TerminatorHandler: 'static {
    /// The connection is established; nothing has been received yet. Twisted's `connectionMade`.
    fn connection_made(&mut self) {}

    /// The peer sent these bytes, at least one, of the current segment; they are cut anywhere. Copy what you need to
    /// keep. asynchat's name.
    fn collect_incoming_data(&mut self, data: &[u8]);

    /// The segment has ended; the next one follows. asynchat's name.
    fn found_terminator(&mut self);

    /// The peer has ended its stream; no bytes follow. The return value says whether this side goes on sending.
    ///
    /// `unfinished` are bytes held back because they may have been the beginning of a terminator.
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

impl<H: TerminatorHandler> IntoHandler<Segments> for H {
    type Handler = H;

    fn into_handler(self) -> Option<H> {
        Some(self)
    }
}
