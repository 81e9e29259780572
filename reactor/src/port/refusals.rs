use std::ops::AddAssign;

/// How many clients a port has turned away, nearly all as soon as they were accepted, and why: see
/// [`Port::refusals`](crate::Port::refusals). Each kind is also logged, at most once in five seconds.
///
/// ```
/// use reactor::Reactor;
/// use reactor::net::ListenOptions;
/// use reactor::port::AcceptLimits;
/// # use reactor::{Protocol, Transport};
/// # struct Echo { transport: Transport }
/// # impl Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
///
/// let reactor = Reactor::new()?;
/// let options = ListenOptions::new("127.0.0.1:0").limits(AcceptLimits::new().per_peer(100));
/// let port = reactor.listen_tcp(options, |transport| Echo { transport })?;
/// assert_eq!(port.refusals().per_peer, 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusals {
    /// The process had no descriptor left.
    pub no_descriptor: u64,
    /// The port had its [maximum](crate::port::AcceptLimits::connections) of connections.
    pub connections: u64,
    /// The peer had its [maximum](crate::port::AcceptLimits::per_peer) of connections.
    pub per_peer: u64,
    /// The port had its [maximum](crate::port::AcceptLimits::pending) of unestablished connections, and none could
    /// give way.
    pub pending: u64,
    /// The peer had its [maximum](crate::port::AcceptLimits::pending_per_peer) of unestablished connections, and none could give way.
    pub pending_per_peer: u64,
    /// The reactor's [connection budget](crate::Reactor::connection_budget) was used up.
    pub budget: u64,
    /// These were accepted, and [gave way](crate::port::AcceptLimits::pending) to newer clients before they were
    /// established.
    pub displaced: u64,
}

impl Refusals {
    /// The sum of all kinds.
    pub fn total(&self) -> u64 {
        self.by_kind().into_iter().map(|(_, count)| count).sum()
    }

    /// How many there were of each kind, by the name of its field.
    pub fn by_kind(mut self) -> [(&'static str, u64); 7] {
        Refusal::ALL.map(|kind| (kind.name(), *kind.of(&mut self)))
    }
}

impl AddAssign for Refusals {
    fn add_assign(&mut self, mut other: Self) {
        for kind in Refusal::ALL {
            *kind.of(self) += *kind.of(&mut other);
        }
    }
}

/// Why a client is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NoDescriptor,
    Connections,
    PerPeer,
    Pending,
    PendingPerPeer,
    Budget,
    Displaced,
}

impl Refusal {
    pub(crate) const ALL: [Self; 7] = [
        Self::NoDescriptor,
        Self::Connections,
        Self::PerPeer,
        Self::Pending,
        Self::PendingPerPeer,
        Self::Budget,
        Self::Displaced,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::NoDescriptor => "no_descriptor",
            Self::Connections => "connections",
            Self::PerPeer => "per_peer",
            Self::Pending => "pending",
            Self::PendingPerPeer => "pending_per_peer",
            Self::Budget => "budget",
            Self::Displaced => "displaced",
        }
    }

    /// Its counter in `refusals`.
    pub(crate) fn of(self, refusals: &mut Refusals) -> &mut u64 {
        match self {
            Self::NoDescriptor => &mut refusals.no_descriptor,
            Self::Connections => &mut refusals.connections,
            Self::PerPeer => &mut refusals.per_peer,
            Self::Pending => &mut refusals.pending,
            Self::PendingPerPeer => &mut refusals.pending_per_peer,
            Self::Budget => &mut refusals.budget,
            Self::Displaced => &mut refusals.displaced,
        }
    }

    /// The text of its log message.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::NoDescriptor => "no descriptor is left: a client was turned away",
            Self::Connections => "connection limit reached: a client was turned away",
            Self::PerPeer => {
                "connection limit of one peer reached (behind a proxy all clients are one): a client was turned away"
            }
            Self::PendingPerPeer => "limit of unestablished connections of one peer reached: a client was turned away",
            Self::Displaced => {
                "connection limit reached: the oldest unestablished one, of the peer with most, gave way"
            }
            Self::Pending => "limit of unestablished connections reached: a client was turned away",
            Self::Budget => {
                "connection budget used up (by default, the limit of open files sets it): a client was turned away"
            }
        }
    }
}
