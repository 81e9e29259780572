/// How many clients a port has closed as soon as they were accepted, and why: see
/// [`Port::refusals`](crate::Port::refusals). Each kind is also logged, once in five seconds at the most.
///
/// ```
/// use reactor::Reactor;
/// use reactor::net::ListenOptions;
/// # use reactor::{Protocol, Transport};
/// # struct Echo { transport: Transport }
/// # impl Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
///
/// let reactor = Reactor::new()?;
/// let options = ListenOptions::new("127.0.0.1:0").max_connections(10_000).max_connections_per_peer(100);
/// let port = reactor.listen_tcp(options, |transport| Echo { transport })?;
/// assert_eq!(port.refusals().per_peer, 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusals {
    /// The process had no descriptor left.
    pub no_descriptor: u64,
    /// The port had [as many connections](crate::net::ListenOptions::max_connections) as it may have.
    pub connections: u64,
    /// The peer had [as many](crate::net::ListenOptions::max_connections_per_peer) as one may have.
    pub per_peer: u64,
    /// As many [were not established](crate::net::ListenOptions::max_pending) as may be.
    pub pending: u64,
    /// The reactor had as many connections as [its budget](crate::Reactor::connection_budget) is.
    pub budget: u64,
}

impl Refusals {
    /// The sum of all.
    pub fn total(&self) -> u64 {
        self.no_descriptor + self.connections + self.per_peer + self.pending + self.budget
    }
}

/// Why a client is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NoDescriptor,
    Connections,
    PerPeer,
    Pending,
    Budget,
}

impl Refusal {
    /// How many there are.
    pub(crate) const KINDS: usize = 5;

    /// Its counter.
    pub(crate) fn of(self, refusals: &mut Refusals) -> &mut u64 {
        match self {
            Self::NoDescriptor => &mut refusals.no_descriptor,
            Self::Connections => &mut refusals.connections,
            Self::PerPeer => &mut refusals.per_peer,
            Self::Pending => &mut refusals.pending,
            Self::Budget => &mut refusals.budget,
        }
    }

    /// What the log says of it.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::NoDescriptor => "no descriptor is left: a client was turned away",
            Self::Connections => "as many connections as allowed: a client was turned away",
            Self::PerPeer => "as many connections of one peer as allowed: a client was turned away",
            Self::Pending => "as many connections as allowed are not established: a client was turned away",
            Self::Budget => "as many connections as the limit of open files allows: a client was turned away",
        }
    }
}
