use std::any::{Any, type_name};
use std::os::fd::OwnedFd;

use crate::connection::layer::Layer;
use crate::time::clock::Clock;
use crate::transport::close_reason::CloseReason;
use crate::util::closer::close_elsewhere;
use crate::util::log_limit::LogLimit;

/// A user's protocol: an object that lives as long as its connection and receives its callbacks.
///
/// It is built by a [`Factory`](crate::Factory) with its [`Transport`](crate::Transport), which it keeps in a plain
/// field. Only [`data_received`](Self::data_received) is required. Twisted's `IProtocol` and, by
/// [`eof_received`](Self::eof_received), its `IHalfCloseableProtocol`.
///
/// # The order of callbacks
///
/// [`connection_made`](Self::connection_made) comes once and first; then any number of `data_received` (on UNIX sockets
/// also [`file_descriptor_received`](Self::file_descriptor_received)), `eof_received` at most once, and
/// [`pause_writing`](Self::pause_writing) and [`resume_writing`](Self::resume_writing) in turn;
/// [`connection_lost`](Self::connection_lost) comes exactly once and last, whatever went wrong.
///
/// Every callback runs to completion, and nothing else of the reactor runs meanwhile: no other callback of this or any
/// other connection. What a callback asks of its transport happens after the callback has returned.
///
/// # Panics in callbacks
///
/// A panic ends this connection alone: it is logged, the peer sees a reset, unsent output is dropped, and
/// `connection_lost` with [`CloseReason::Panicked`] is the only callback that follows. This needs unwinding: a program
/// whose profile sets `panic = "abort"` ends at the first panic, and [`run`](crate::Reactor::run) warns of that.
///
/// ```
/// use reactor::{CloseReason, Protocol, Transport};
///
/// struct Counter { transport: Transport, bytes: usize }
///
/// impl Protocol for Counter {
///     fn data_received(&mut self, data: &[u8]) {
///         self.bytes += data.len();
///     }
///     fn connection_lost(&mut self, reason: CloseReason) {
///         println!("{}: {} bytes, {reason}", self.transport.peer(), self.bytes);
///     }
/// }
/// ```
pub trait Protocol: Any {
    /// The connection is established; nothing has been read yet. Twisted's `connectionMade`.
    fn connection_made(&mut self) {}

    /// The peer sent these bytes: between 1 and 65,536, cut anywhere. The slice is lent from the reactor's buffer; copy
    /// what must be kept. Twisted's `dataReceived`.
    ///
    /// Not called while reading is paused, or after the connection has begun to close.
    fn data_received(&mut self, data: &[u8]);

    /// The peer sent a file descriptor over a UNIX socket. The bytes that it was sent with follow at once, even if this
    /// callback pauses reading; bytes that were sent earlier may come with them. Not called after the connection has
    /// begun to close.
    ///
    /// The default implementation closes the descriptor, on another thread, and logs that, once in five seconds. A
    /// protocol that drops one waits for its close, which of a socket that lingers takes as long as the peer has set: do
    /// it in [`call_in_thread`](crate::Reactor::call_in_thread). When the process may have no more descriptors, the
    /// connection ends with an error that says so. Twisted's `fileDescriptorReceived`.
    fn file_descriptor_received(&mut self, descriptor: OwnedFd) {
        close_elsewhere(descriptor);
        thread_local!(static LOG: (Clock, LogLimit) = (Clock::system(), LogLimit::default()));
        if let Some(left_out) = LOG.with(|(clock, limit)| limit.allows(clock.now())) {
            let protocol = self.type_name();
            tracing::info!(left_out, "closed a file descriptor from the peer: {protocol} does not take descriptors");
        }
    }

    /// The peer has ended its stream; no data follows. The answer decides whether this side goes on sending. Called
    /// once, unless the answer is [`OnEof::NotYet`]. Twisted's `readConnectionLost`, asyncio's name.
    fn eof_received(&mut self) -> OnEof {
        OnEof::Close
    }

    /// More than 65,536 bytes are unsent: the peer does not keep up. A protocol that produces much should stop until
    /// [`resume_writing`](Self::resume_writing), which always follows unless the connection ends. asyncio's name;
    /// Twisted's `pauseProducing` of a producer.
    fn pause_writing(&mut self) {}

    /// Everything written has been handed to the system, after a [`pause_writing`](Self::pause_writing). Twisted's
    /// `resumeProducing` of a producer.
    ///
    /// To send a stream of any size with bounded memory, call it in `connection_made` to begin:
    ///
    /// ```
    /// # struct Numbers { transport: reactor::Transport, next: u64 }
    /// # impl reactor::Protocol for Numbers {
    /// # fn data_received(&mut self, _: &[u8]) {}
    /// fn resume_writing(&mut self) {
    ///     while !self.transport.is_full() {
    ///         write!(self.transport, "{}\r\n", self.next);
    ///         self.next += 1;
    ///     }
    /// }
    /// # }
    /// ```
    fn resume_writing(&mut self) {}

    /// The connection has ended; this is the last callback. Anything written now is dropped. Twisted's
    /// `connectionLost`.
    fn connection_lost(&mut self, reason: CloseReason) {
        let _ = reason;
    }

    /// The object directly inside this one, for receivers and other adapters. It is the second type, besides the
    /// protocol itself, that [`Transport::call_later`](crate::Transport::call_later) and
    /// [`defer`](crate::Transport::defer) can call back.
    fn handler(&mut self) -> Option<&mut dyn Any> {
        None
    }

    /// Returns `Some(self)` if this protocol has another connection inside it. The answer may not change.
    fn layer(&mut self) -> Option<&mut dyn Layer> {
        None
    }

    /// The name of its type, for messages.
    #[doc(hidden)]
    fn type_name(&self) -> &'static str {
        type_name::<Self>()
    }
}

/// What a protocol answers when the peer has ended its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnEof {
    /// Send everything written, then close.
    Close,
    /// Go on sending until [`lose_connection`](crate::Transport::lose_connection) or
    /// [`write_eof`](crate::Transport::write_eof) is called: the connection is half closed.
    ///
    /// From here on the reactor asks the system about the connection only when it sends: if the peer goes away
    /// meanwhile, the next write finds out.
    KeepWriting,
    /// Some input was received but is not processed yet: the answer of a receiver that holds messages back while it is
    /// paused. [`eof_received`](Protocol::eof_received) comes again in the connection's turns, unless reading is
    /// paused; until then nothing is closed, even if this side has ended its stream, too.
    NotYet,
}
