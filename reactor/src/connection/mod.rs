//! The traits that users implement, and the rules between a protocol and its transport, without any I/O.
//!
//! [`Protocol`] and [`Factory`] are also at the crate's root, and most programs need nothing else from this module. A
//! closure is a factory; [`IntoProtocol`] is what it may return; [`share()`] lets several ports use one factory.
//!
//! [`Connection`] is for code that carries protocols over something new. It holds a protocol, its transport, and the
//! rules between them. A driver reports what has arrived and what has left, and asks what to send next. A `Connection`
//! does no I/O, so it works the same over sockets, in memory and inside another connection. Layers hold it in a
//! [`Nested`](crate::layer::Nested).
//!
//! ```
//! use reactor::testing::StringTransport;
//! use reactor::{OnEof, Protocol, Transport};
//!
//! /// Counts what the peer sends, and says how much that was when the peer has ended its stream.
//! struct Count { transport: Transport, bytes: usize }
//!
//! impl Protocol for Count {
//!     fn data_received(&mut self, data: &[u8]) {
//!         self.bytes += data.len();
//!     }
//!     fn eof_received(&mut self) -> OnEof {
//!         write!(self.transport, "{} bytes", self.bytes);
//!         OnEof::Close
//!     }
//! }
//!
//! let mut wire = StringTransport::connect(|transport| Count { transport, bytes: 0 });
//! wire.receive("hello");
//! wire.receive_eof();
//! assert_eq!(wire.written(), b"5 bytes");
//! ```
//!
//! A protocol that keeps much of what its peer sends says so by a [`MemoryCharge`], from
//! [`Transport::charge_memory`](crate::Transport::charge_memory).
//!
//! Twisted has `IProtocol`, `IHalfCloseableProtocol` and `IProtocolFactory`.

pub(crate) mod factory;
pub(crate) mod resuming;
pub(crate) mod resumption;
pub(crate) mod rules;
pub(crate) mod switch;

pub use crate::transport::memory_charge::MemoryCharge;
pub use factory::{Factory, IntoProtocol, SharedFactory, share};
pub use resuming::{ResumableFactory, resumable};
pub use resumption::{Resumable, Resumption};

use std::any::{Any, type_name};
use std::os::fd::OwnedFd;

use crate::time::clock::Clock;
use crate::transport::Transport;
use crate::transport::close_reason::CloseReason;
use crate::util::closer::close_in_thread;
use crate::util::log_limit::LogLimit;

/// A user's protocol: an object that lives as long as its connection and receives its callbacks.
///
/// It is built by a [`Factory`] with its [`Transport`], which it keeps in a plain
/// field. Only [`data_received`](Self::data_received) is required. Twisted's `IProtocol` and, by
/// [`eof_received`](Self::eof_received), its `IHalfCloseableProtocol`.
///
/// # The order of callbacks
///
/// [`connection_made`](Self::connection_made) comes once and first; then any number of `data_received` (on UNIX sockets
/// also [`file_descriptor_received`](Self::file_descriptor_received)), `eof_received` at most once, and
/// [`pause_writing`](Self::pause_writing) and [`resume_writing`](Self::resume_writing) in turn;
/// [`connection_lost`](Self::connection_lost) comes exactly once and last, whatever went wrong; unless another protocol has
/// taken over by [`switch_to`](crate::Transport::switch_to), to which all this then applies.
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
    /// begun to close. A port of a UNIX socket takes descriptors only
    /// [if it is told to](crate::unix::UnixListenOptions::receive_file_descriptors); clients, and sockets that are
    /// adopted, take them.
    ///
    /// The default implementation closes the descriptor, on another thread, and logs that, once in five seconds. A
    /// protocol that drops one waits for its close, which of a socket that lingers takes as long as the peer has set: do
    /// it by [`close_in_thread`]. When the process may have no more descriptors, the connection ends with an error that
    /// says so. Twisted's `fileDescriptorReceived`.
    fn file_descriptor_received(&mut self, descriptor: OwnedFd) {
        close_in_thread(descriptor);
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
    /// Let the calls that were [deferred](crate::Transport::defer) come back, so that a question before the end of the
    /// stream has its answer; then send everything written, and close. For a close at once, call
    /// [`lose_connection`](crate::Transport::lose_connection) in [`eof_received`](Protocol::eof_received).
    ///
    /// The deferred calls have as much time as the reactor's
    /// [shutdown](crate::Reactor::set_shutdown_deadline) (8 s by default); those that take longer are dropped, and the
    /// connection closes. A peer that closes its socket looks the same as one that ends its stream and reads on, until
    /// something is sent to it.
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

/// A protocol with another connection inside it, as returned by [`Protocol::layer`].
///
/// A layer is the protocol of the outer connection and drives the inner one, which it keeps as a
/// [`Nested`](crate::layer::Nested). It translates what the peer sends into what the inner protocol receives, and what
/// the inner protocol writes into what the peer receives. A layer that changes no bytes is shorter as a
/// [`Policy`](crate::layer::Policy).
///
/// The outer connection does the rest: it tells the inner one that it is made or lost, makes its calls, asks it to
/// close when it is asked to close itself, and calls [`pass`](Self::pass).
///
/// A layer that builds the inner connection after a header or a handshake calls its [`made`](Connection::made) itself.
/// Until then it reports by [`Transport::mark_pending`](crate::Transport::mark_pending) that the connection is not
/// established.
///
/// ```
/// use reactor::connection::Connection;
/// use reactor::layer::{Layer, Nested};
/// use reactor::testing::StringTransport;
/// use reactor::{Factory, OnEof, Protocol, Transport};
///
/// /// Flips every bit on the wire.
/// struct Flip { nested: Nested }
///
/// impl Flip {
///     fn around(mut inside: impl Factory) -> impl Factory {
///         move |outer: Transport| Some(Self { nested: Nested::build(&outer, &mut inside)? })
///     }
/// }
///
/// fn flip(data: &[u8]) -> Vec<u8> {
///     data.iter().map(|byte| !byte).collect()
/// }
///
/// impl Protocol for Flip {
///     fn data_received(&mut self, data: &[u8]) {
///         self.nested.received(&flip(data));
///     }
///     fn eof_received(&mut self) -> OnEof {
///         self.nested.received_eof()
///     }
///     fn layer(&mut self) -> Option<&mut dyn Layer> {
///         Some(self)
///     }
/// }
///
/// impl Layer for Flip {
///     fn inside(&mut self) -> Option<&mut Connection> {
///         Some(self.nested.inside())
///     }
///     fn pass(&mut self) {
///         self.nested.pass(|outer, data| {
///             outer.write_from_inside(&flip(data));
///             data.len()
///         });
///     }
/// }
/// # struct Echo { transport: Transport }
/// # impl Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
///
/// let mut wire = StringTransport::connect(Flip::around(|transport| Echo { transport }));
/// wire.receive([0, 1]);
/// assert_eq!(wire.written(), [0, 1]);
/// ```
pub trait Layer {
    /// The inner connection; `None` until it exists.
    fn inside(&mut self) -> Option<&mut Connection>;

    /// Passes on the inner connection's output, and its request to close or to end its stream, by
    /// [`Nested::pass`](crate::layer::Nested::pass). Called after every callback except `connection_lost`, and in the turns
    /// of the outer connection if something has changed inside, or the outer connection was asked to close, to end its
    /// stream or to finish; while there is no inner connection, in every turn.
    fn pass(&mut self);
}

/// One connection without any I/O: a protocol, its transport, and the rules between them.
///
/// Most programs never name it. It is for code that writes layers ([`layer::around`](crate::layer::around) covers the
/// common case): a driver tells it what happened, then asks what to do next. It knows no socket and no clock.
///
/// - **Input**: [`made`](Self::made) first, then [`received`](Self::received), [`received_eof`](Self::received_eof) and
///   [`turn`](Self::turn), and finally [`lost`](Self::lost). Each runs the callbacks it gives rise to.
/// - **Output**: [`with_output`](Self::with_output) lends the bytes to send, [`sent`](Self::sent) records how many have
///   left, and [`write_eof_sent`](Self::write_eof_sent) that the end of the stream has.
/// - **Questions**: [`wants_read`](Self::wants_read), [`wants_write_eof`](Self::wants_write_eof),
///   [`wants_close`](Self::wants_close), [`failure`](Self::failure).
///
/// **One input, then all its effects, then the next input**: after every input the driver sends what it can and asks the
/// questions again, until nothing changes.
///
/// Dropping it without [`lost`](Self::lost) makes its handles stale and calls nothing back.
///
/// ```
/// use reactor::{Protocol, Transport};
/// use reactor::connection::Connection;
/// # struct Echo { transport: Transport }
/// # impl Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
/// # fn layer(outer: &Transport) {
/// let inner = Transport::nested(outer);
/// let mut connection = Connection::new(inner.clone(), Box::new(Echo { transport: inner }));
/// connection.made();
/// connection.received(b"hi");
/// let sent = connection.with_output(|bytes| { outer.write(bytes); bytes.len() });
/// connection.sent(sent);
/// # }
/// ```
pub struct Connection {
    transport: Transport,
    /// `None` once lost.
    protocol: Option<Box<dyn Protocol>>,
    peer_stream: PeerStream,
    /// The protocol is a layer.
    layered: bool,
    made: bool,
    /// The number of the protocol's name.
    name: u32,
}

/// The state of the peer's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PeerStream {
    Open,
    /// The peer has ended its stream, and the protocol has yet to answer.
    EofUnanswered,
    /// The protocol has answered that it closes, which waits for deferred calls.
    EofCloses,
    Eof,
}
