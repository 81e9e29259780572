use reactor::{CloseReason, OnEof};

use crate::receiver::into_handler::IntoHandler;
use crate::segment::handle::Segments;

/// What a user of [`TerminatorReceiver`](crate::segment::TerminatorReceiver) writes: a protocol that is handed what it is sent
/// as it comes, and told where a segment ends. Python's `asynchat.async_chat`.
///
/// It is built with its [`Segments`], the handle that sets terminators, closes and paces, and keeps it
/// in a plain field. Callbacks come in the order, and what was received waits, as
/// [`LineHandler`](crate::LineHandler) has it.
///
/// A request of HTTP, with a head that ends with an empty line and a body whose length that tells:
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
    /// The connection is established; nothing was received yet. Twisted's `connectionMade`.
    fn connection_made(&mut self) {}

    /// The peer sent these bytes, at least one, which belong to the segment that comes now; they are cut anywhere. They
    /// are lent: what is to be kept must be copied. asynchat's name.
    fn collect_incoming_data(&mut self, data: &[u8]);

    /// The segment has ended: what follows is the next one. asynchat's name.
    fn found_terminator(&mut self);

    /// The peer has ended its stream; no bytes follow. The answer says whether this side goes on sending.
    ///
    /// `unfinished` is what was held back, since it might have been the beginning of a terminator.
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
