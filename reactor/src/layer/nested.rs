use std::fmt;
use std::task::Context;

use crate::address::Address;
use crate::connection::Connection;
use crate::connection::factory::Factory;
use crate::transport::Transport;
use crate::transport::state::HIGH_WATER;
use crate::util::panics::log_panic;

/// A connection inside another: what a layer consists of besides its own rules. [`layer::around`](crate::layer::around) has one, and so
/// has whoever writes a protocol that changes the bytes that pass, as a web socket does.
///
/// The layer is the outer connection's [`Protocol`](crate::Protocol). It tells the inner connection what happens
/// outside, and behind everything it has told calls [`pass`](Self::pass); or [`send`](Self::send) and
/// [`settle`](Self::settle), if it has something to say when the inner connection closes. So that the inner connection
/// gets its turns, [`Protocol::is_layer`](crate::Protocol::is_layer) has to say yes, and
/// [`Protocol::turn`](crate::Protocol::turn) to begin with [`turn`](Self::turn).
///
/// A layer that builds what is inside only behind a header or a handshake says until then, by
/// [`Transport::mark_pending`], that the connection is not established.
///
/// ```
/// use std::task::Context;
/// use reactor::testing::StringTransport;
/// use reactor::{CloseReason, Factory, OnEof, Protocol, Transport};
/// use reactor::layer::Nested;
///
/// /// Flips every bit on the wire.
/// struct Flip { outer: Transport, nested: Nested }
///
/// impl Flip {
///     fn around(mut inside: impl Factory) -> impl Factory {
///         move |outer: Transport| Some(Self { nested: Nested::build(&outer, &mut inside)?, outer })
///     }
///     fn pass(&mut self) {
///         let outer = &self.outer;
///         self.nested.pass(|data| {
///             outer.carry(&flip(data));
///             data.len()
///         });
///     }
/// }
///
/// fn flip(data: &[u8]) -> Vec<u8> {
///     data.iter().map(|byte| !byte).collect()
/// }
///
/// impl Protocol for Flip {
///     fn connection_made(&mut self) {
///         self.nested.inside().made();
///         self.pass();
///     }
///     fn data_received(&mut self, data: &[u8]) {
///         self.nested.pass_on_close();
///         self.nested.inside().received(&flip(data));
///         self.pass();
///     }
///     fn eof_received(&mut self) -> OnEof {
///         let answer = self.nested.inside().received_eof();
///         self.pass();
///         // Otherwise the inner connection closes the outer one.
///         if answer == OnEof::NotYet { answer } else { OnEof::KeepWriting }
///     }
///     fn resume_writing(&mut self) {
///         self.pass();
///     }
///     fn connection_lost(&mut self, reason: CloseReason) {
///         self.nested.inside().lost(reason);
///     }
///     fn inside(&mut self) -> Option<&mut dyn Protocol> {
///         self.nested.inside().protocol()
///     }
///     fn is_layer(&self) -> bool {
///         true
///     }
///     fn turn(&mut self, cx: &mut Context<'_>) {
///         self.nested.turn(cx);
///         self.pass();
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
pub struct Nested {
    outer: Transport,
    inside: Connection,
    /// Whether the outer connection is held because the inner does not want to read.
    holding: bool,
}

impl Nested {
    /// Has `factory` build the protocol inside, with a transport nested in `outer`; `None` if it refuses.
    pub fn build(outer: &Transport, factory: &mut dyn Factory) -> Option<Self> {
        Self::build_with(outer, Transport::nested(outer), factory)
    }

    /// The same, for a layer that has learned which addresses the connection is really between: those are what
    /// [`host`](Transport::host) and [`peer`](Transport::peer) are inside, and in the layers inside that.
    pub fn build_at(outer: &Transport, host: Address, peer: Address, factory: &mut dyn Factory) -> Option<Self> {
        Self::build_with(outer, Transport::nested_at(outer, host, peer), factory)
    }

    /// The same, with a transport that was nested in `outer`.
    pub(crate) fn build_with(outer: &Transport, inner: Transport, factory: &mut dyn Factory) -> Option<Self> {
        let mut unbuilt = Unbuilt(Some(inner.clone()));
        let inside = Connection::new(inner.clone(), factory.build_protocol(inner)?);
        unbuilt.0 = None;
        // What waits to be sent is counted and limited inside; only 64 KiB at a time come out here.
        outer.set_output_limit(usize::MAX);
        Some(Self { outer: outer.clone(), inside, holding: false })
    }

    /// The inner connection.
    pub fn inside(&mut self) -> &mut Connection {
        &mut self.inside
    }

    /// Makes the calls that are due inside. A close asked for outside, by the layer or by the shutdown, closes the
    /// protocol inside: what that has written still leaves.
    pub fn turn(&mut self, cx: &mut Context<'_>) {
        self.pass_on_close();
        self.inside.turn(cx);
    }

    /// Closes the inner connection if the outer one is closing, and asks it to finish if the outer one was asked to.
    pub fn pass_on_close(&self) {
        let inner = self.inside.transport();
        if self.outer.is_draining() {
            inner.drain();
        }
        if self.outer.is_closing() {
            inner.lose_connection();
        } else if self.outer.0.wants_eof() {
            inner.write_eof();
        }
    }

    /// Offers `take` the bytes that the protocol inside wants to send, 65,536 at a time, until it takes none: it
    /// answers how many it has dealt with, by [`Transport::carry`]. While the outer connection is full the bytes stay
    /// inside, so that they count where they were written.
    pub fn send(&mut self, mut take: impl FnMut(&[u8]) -> usize) {
        while !self.outer.is_full() && self.inside.failure().is_none() {
            let taken = self.inside.with_output(|data| {
                let data = &data[..data.len().min(HIGH_WATER)];
                if data.is_empty() { 0 } else { take(data).min(data.len()) }
            });
            if taken == 0 {
                break;
            }
            self.inside.sent(taken);
        }
    }

    /// Holds the outer connection while the inner does not want to read, ends it if the inner has failed, and keeps it
    /// from closing as long as `unfinished`, or something is unsent inside. What becomes of a close or an end of the
    /// stream that is asked for inside the layer decides; from then on the outer connection is read.
    pub fn settle(&mut self, unfinished: bool) {
        self.settle_outer(unfinished);
        let closing = self.inside.transport().0.is_closing();
        self.hold(!closing && !self.inside.wants_read());
    }

    /// [`send`](Self::send) and [`settle`](Self::settle) in one: what the inner connection wants, a close or the end of
    /// its stream, becomes of the outer, and a whole message that was received inside is one outside, too.
    pub fn pass(&mut self, take: impl FnMut(&[u8]) -> usize) {
        if self.take_message() {
            self.outer.note_message();
        }
        self.send(take);
        self.settle_outer(false);
        if self.inside.wants_close() {
            self.outer.lose_connection();
        } else if self.inside.failure().is_none() && self.inside.wants_write_eof() {
            self.outer.write_eof();
            self.inside.write_eof_sent();
        }
        self.hold(!self.inside.wants_read());
    }

    fn settle_outer(&self, unfinished: bool) {
        self.outer.0.set_unfinished(unfinished || !self.inside.transport().0.is_finished());
        if let Some(reason) = self.inside.failure() {
            self.outer.fail_connection(reason);
        }
    }

    /// Whether the protocol inside has got a whole message since this was last asked.
    pub(crate) fn take_message(&self) -> bool {
        self.inside.transport().0.take_message()
    }

    fn hold(&mut self, hold: bool) {
        if hold != self.holding {
            self.holding = hold;
            if hold {
                self.outer.0.hold();
            } else {
                self.outer.0.release();
            }
        }
    }
}

/// A transport whose protocol is being built: if that comes to nothing, its handles are stale.
struct Unbuilt(Option<Transport>);

impl Drop for Unbuilt {
    fn drop(&mut self) {
        if let Some(transport) = &self.0 {
            log_panic("drop of a call", || transport.0.end());
        }
    }
}

impl fmt::Debug for Nested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nested").field("inside", &self.inside).finish_non_exhaustive()
    }
}
