//! What layers tell the protocols inside them about the connection: information that goes inwards.

use std::any::Any;
use std::rc::Rc;

use crate::transport::Transport;

impl Transport {
    /// For layers: attaches a value to this connection, such as what a handshake negotiated, for the protocols inside
    /// to look up by its type with [`attached`](Self::attached). A second value of the same type hides the first. All
    /// are dropped when the connection ends.
    ///
    /// For the other direction, from a protocol to code outside its connection, there is the protocol's
    /// [handle](Self::handle).
    ///
    /// ```
    /// use std::rc::Rc;
    /// use reactor::Transport;
    /// use reactor::testing::StringTransport;
    /// # use reactor::Protocol;
    /// # struct Echo { transport: Transport }
    /// # impl Protocol for Echo { fn data_received(&mut self, _: &[u8]) {} }
    ///
    /// struct Language(&'static str);
    ///
    /// StringTransport::connect(|transport: Transport| {
    ///     transport.attach(Rc::new(Language("en")));
    ///     assert_eq!(transport.attached::<Language>().unwrap().0, "en");
    ///     Echo { transport }
    /// });
    /// ```
    pub fn attach<T: Any>(&self, value: Rc<T>) {
        if !self.0.has_ended() {
            self.0.attached.add(value);
        }
    }

    /// The value of this type that was [attached](Self::attach) last to this connection, or else to the nearest one
    /// around it.
    pub fn attached<T: Any>(&self) -> Option<Rc<T>> {
        let mut state = &self.0;
        loop {
            match (state.attached.newest(), state.outer()) {
                (None, Some(outer)) => state = outer,
                (found, _) => return found,
            }
        }
    }

    /// The connection around this one; `None` unless this one is inside a layer.
    pub fn outer(&self) -> Option<Self> {
        self.0.outer().map(|outer| Self(Rc::clone(outer)))
    }
}
