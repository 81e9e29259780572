use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use reactor::layer::{self, Policy};
use reactor::task::LogLimit;
use reactor::{Address, CloseReason, Factory, Protocol, Transport};

/// A policy that refuses excess connections. Twisted's `LimitTotalConnectionsFactory`, by [`total`](Self::total), and
/// `LimitConnectionsByPeer`, by [`per_peer`](Self::per_peer).
///
/// It is a handle and cheap to clone: connections of all factories that it wraps are counted together. A connection
/// counts from before its protocol is built until `connection_lost`, which frees its place before the protocol is told.
/// An excess connection is closed at once; nothing is built for it.
///
/// ```
/// use protocols::policies::ConnectionLimit;
/// use reactor::Reactor;
/// # use reactor::{Protocol, Transport};
/// # struct Echo { transport: Transport }
/// # impl Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
///
/// let reactor = Reactor::new()?;
/// let (total, per_peer) = (ConnectionLimit::total(10_000), ConnectionLimit::per_peer(20));
/// let limited = total.around(per_peer.around(|transport| Echo { transport }));
/// reactor.listen_tcp("127.0.0.1:0", limited)?;
/// println!("{} connections, {} refused", total.connection_count(), total.refused_count() + per_peer.refused_count());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct ConnectionLimit(Rc<LimitCell>);

struct LimitCell {
    most: usize,
    counted_by: fn(&Address) -> Peer,
    /// No count is zero.
    connections: RefCell<HashMap<Peer, usize>>,
    refused: Cell<u64>,
    log_limit: LogLimit,
}

/// The unit of counting: all peers together, or an [`Address::network`].
type Peer = Option<Address>;

impl ConnectionLimit {
    /// Up to `most` connections at a time.
    pub fn total(most: usize) -> Self {
        Self::new(most, |_| None)
    }

    /// Up to `most` connections at a time with each peer: an IPv4 address, or an IPv6 network of 64 bits, as in
    /// [`Address::network`].
    pub fn per_peer(most: usize) -> Self {
        Self::new(most, |address| Some(address.network()))
    }

    fn new(most: usize, counted_by: fn(&Address) -> Peer) -> Self {
        let (connections, refused, log_limit) = (RefCell::default(), Cell::new(0), LogLimit::default());
        Self(Rc::new(LimitCell { most, counted_by, connections, refused, log_limit }))
    }

    /// A factory around a factory, which refuses excess connections.
    pub fn around<F: Factory>(&self, inside: F) -> impl Factory + use<F> {
        let limit = self.clone();
        layer::around(move |outer: Transport| limit.admit(&outer), inside)
    }

    /// The same, but excess connections get a protocol of `overflow`, for example one that says so and closes. They
    /// count as refused, but not against this limit: wrap another limit around both. Twisted's `overflowProtocol`.
    pub fn around_or<O: Factory, F: Factory>(&self, overflow: O, inside: F) -> impl Factory + use<O, F> {
        Overflowing { limit: self.clone(), overflow, inside: self.around(inside) }
    }

    /// The number of connections that count now.
    pub fn connection_count(&self) -> usize {
        self.0.connections.borrow().values().sum()
    }

    /// The number of connections refused so far.
    pub fn refused_count(&self) -> u64 {
        self.0.refused.get()
    }

    fn admit(&self, outer: &Transport) -> Option<Place> {
        let peer = self.peer(outer);
        if !self.has_room(&peer) {
            self.refuse(outer);
            return None;
        }
        *self.0.connections.borrow_mut().entry(peer.clone()).or_default() += 1;
        Some(Place(Some(Counted { limit: self.clone(), peer })))
    }

    /// The peer that a connection counts for.
    fn peer(&self, outer: &Transport) -> Peer {
        (self.0.counted_by)(&outer.peer())
    }

    fn has_room(&self, peer: &Peer) -> bool {
        self.0.connections.borrow().get(peer).copied().unwrap_or_default() < self.0.most
    }

    fn refuse(&self, outer: &Transport) {
        let LimitCell { most, refused, log_limit, .. } = &*self.0;
        refused.set(refused.get() + 1);
        if let Some(left_out) = log_limit.allows(outer.reactor().now()) {
            tracing::warn!(left_out, peer = %outer.peer(), most, refused = refused.get(), "too many connections: refused");
        }
    }
}

/// A connection that was admitted.
struct Place(Option<Counted>);

impl Policy for Place {
    fn connection_lost(&mut self, _reason: &CloseReason) {
        self.0 = None;
    }
}

/// A connection that counts until this is dropped, even if nothing was built.
struct Counted {
    limit: ConnectionLimit,
    peer: Peer,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut connections = self.limit.0.connections.borrow_mut();
        if let Some(count) = connections.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                connections.remove(&self.peer);
            }
        }
    }
}

struct Overflowing<O, F> {
    limit: ConnectionLimit,
    overflow: O,
    inside: F,
}

impl<O: Factory, F: Factory> Factory for Overflowing<O, F> {
    fn start_factory(&mut self) {
        self.overflow.start_factory();
        self.inside.start_factory();
    }

    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        if self.limit.has_room(&self.limit.peer(&transport)) {
            self.inside.build_protocol(transport)
        } else {
            self.limit.refuse(&transport);
            self.overflow.build_protocol(transport)
        }
    }

    fn stop_factory(&mut self) {
        self.inside.stop_factory();
        self.overflow.stop_factory();
    }
}

impl fmt::Debug for ConnectionLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionLimit")
            .field("most", &self.0.most)
            .field("connections", &self.connection_count())
            .field("refused", &self.refused_count())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use reactor::testing::{StringTransport, expect_panic};

    use super::*;

    struct Silent;

    impl Protocol for Silent {
        fn data_received(&mut self, _data: &[u8]) {}
    }

    /// Connects, if that is not refused.
    fn connect(factory: impl Factory) -> Option<StringTransport> {
        catch_unwind(AssertUnwindSafe(|| StringTransport::connect(factory))).ok()
    }

    #[test]
    fn s251_what_is_over_the_limit_is_refused_until_there_is_room_again() {
        let limit = ConnectionLimit::total(2);
        let mut first = connect(limit.around(|_| Silent)).unwrap();
        let second = connect(limit.around(|_| Silent));
        assert!(connect(limit.around(|_| Silent)).is_none());
        assert_eq!((limit.connection_count(), limit.refused_count()), (2, 1));
        first.receive_eof();
        assert_eq!(limit.connection_count(), 1);
        let third = connect(limit.around(|_| Silent));
        assert!(connect(limit.around(|_| Silent)).is_none());
        drop((second, third));
        assert_eq!((limit.connection_count(), limit.refused_count()), (0, 2));
    }

    #[test]
    fn s251_what_is_over_the_limit_may_get_another_protocol() {
        struct Busy(Transport);
        impl Protocol for Busy {
            fn connection_made(&mut self) {
                self.0.write("busy");
                self.0.lose_connection();
            }
            fn data_received(&mut self, _data: &[u8]) {}
        }
        let limit = ConnectionLimit::total(1);
        let first = connect(limit.around_or(Busy, |_| Silent)).unwrap();
        assert!(first.close_reason().is_none());
        let second = connect(limit.around_or(Busy, |_| Silent)).unwrap();
        assert_eq!(second.written(), b"busy");
        assert!(second.close_reason().unwrap().is_clean());
        assert_eq!((limit.connection_count(), limit.refused_count()), (1, 1));
    }

    #[test]
    fn a_place_is_free_again_when_nothing_is_built_and_before_the_protocol_hears_of_the_end() {
        struct Last(ConnectionLimit, Rc<Cell<usize>>);
        impl Protocol for Last {
            fn data_received(&mut self, _data: &[u8]) {
                panic!("oh");
            }
            fn connection_lost(&mut self, _reason: CloseReason) {
                self.1.set(self.0.connection_count());
            }
        }
        let limit = ConnectionLimit::total(1);
        assert!(connect(limit.around(|_| None::<Silent>)).is_none());
        assert!(connect(limit.around(|_| -> Silent { panic!("oh") })).is_none());
        assert_eq!((limit.connection_count(), limit.refused_count()), (0, 0));
        let (inside, seen) = (limit.clone(), Rc::new(Cell::new(9)));
        let kept = Rc::clone(&seen);
        let mut wire = connect(limit.around(move |_| Last(inside.clone(), Rc::clone(&kept)))).unwrap();
        assert_eq!(limit.connection_count(), 1);
        expect_panic("oh", || wire.receive("x"));
        assert!(wire.was_reset());
        assert_eq!((seen.get(), limit.connection_count()), (0, 0));
    }

    #[test]
    fn s252_every_peer_may_have_up_to_the_limit_of_connections() {
        let limit = ConnectionLimit::per_peer(5);
        let wires: Vec<_> = (0..6).map(|_| connect(limit.around(|_| Silent))).collect();
        assert!(wires[..5].iter().all(Option::is_some) && wires[5].is_none());
        drop(wires);
        assert!(limit.0.connections.borrow().is_empty(), "nothing is kept of peers that are gone");
    }
}
