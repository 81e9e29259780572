use crate::connection::Connection;
use crate::transport::Transport;

/// A protocol with another connection inside it, as returned by [`Protocol::layer`](crate::Protocol::layer).
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
///             outer.carry(&flip(data));
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
    /// [`Nested::pass`](crate::layer::Nested::pass). Called after every callback except `connection_lost`, and in every
    /// turn of the outer connection.
    fn pass(&mut self);
}

/// Passes on to the inner connection what the outer was asked to do: close, end its stream, or finish.
pub(crate) fn pass_on_close(outer: &Transport, inner: &Transport) {
    if outer.is_draining() {
        inner.drain();
    }
    if outer.is_closing() {
        inner.lose_connection();
    } else if outer.0.wants_eof() {
        inner.write_eof();
    }
}
