use crate::connection::Connection;
use crate::transport::Transport;

/// A protocol with another connection inside it: what it says of itself by [`Protocol::layer`](crate::Protocol::layer).
///
/// A layer is the protocol of the outer connection, and drives the inner one, which it has by
/// [`Nested`](crate::layer::Nested). It receives from outside what it makes of for the inside, and passes on what the
/// inside wants to send; [`layer::around`](crate::layer::around) does that for layers that leave the bytes as they are. The
/// rest is the connection's: it tells the one inside that it is made and lost, makes its calls, asks it to close when it is
/// itself asked to, and calls [`pass`](Self::pass) whenever that may be of use.
///
/// A layer that builds what is inside only behind a header or a handshake calls
/// [`made`](Connection::made) of it itself, and says until then, by
/// [`Transport::mark_pending`](crate::Transport::mark_pending), that the connection is not established.
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
    /// The inner connection; `None` as long as there is none.
    fn inside(&mut self) -> Option<&mut Connection>;

    /// Something may have happened inside: passes on what it wants to send, and what else it wants, by
    /// [`Nested::pass`](crate::layer::Nested::pass). Called behind every callback but the last, and in every turn of the
    /// connection.
    fn pass(&mut self);
}

/// Asks the inner connection for what was asked of the outer: a close, the end of its stream, to finish.
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
