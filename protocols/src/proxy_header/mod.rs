//! The PROXY protocol, versions 1 and 2, as HAProxy specifies it.

pub(crate) mod endpoint;
mod header;
mod proxied;
mod refused;
mod sender;

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;
use std::{fmt, io};

use ipnet::IpNet;
use reactor::{Address, Factory, Protocol, SharedFactory, Transport, layer, share};

use crate::proxy_header::proxied::Proxied;
use crate::proxy_header::refused::{Refusal, Refusals};
use crate::proxy_header::sender::Sender;

pub use refused::ProxyRefusals;

/// A factory around a factory, for servers behind a proxy such as HAProxy or a cloud's load balancer: each connection
/// begins with a header, by which the proxy tells whose it is. Versions 1 and 2 of the [PROXY protocol] are read.
/// Twisted's `proxyEndpoint` and `haproxy:`.
///
/// The protocol inside is built when the header is complete, so [`peer`](Transport::peer) and [`host`](Transport::host)
/// are the client's address and the one that it has connected to, from the beginning. If the header says that the
/// connection is the proxy's own (a health check), or that it cannot tell, they are what they really are. What is
/// behind the header in the same chunk is delivered in the same turn.
///
/// ```
/// use std::time::Duration;
/// use protocols::proxy_header::ProxyHeader;
/// use reactor::testing::StringTransport;
/// use reactor::{Protocol, Reactor, Transport};
///
/// struct Greeter { transport: Transport }
///
/// impl Protocol for Greeter {
///     fn connection_made(&mut self) {
///         write!(self.transport, "hello {}\r\n", self.transport.peer());
///     }
///     fn data_received(&mut self, _data: &[u8]) {}
/// }
///
/// let greeter = || ProxyHeader::around(|transport| Greeter { transport });
/// let mut wire = StringTransport::connect(greeter());
/// wire.receive("PROXY TCP4 192.0.2.1 203.0.113.7 56324 443\r\n");
/// assert_eq!(wire.written(), b"hello 192.0.2.1:56324\r\n");
///
/// let reactor = Reactor::new()?;
/// let proxied = greeter().trust(["10.0.0.0/8", "fd00::1"])?.deadline(Duration::from_secs(3));
/// reactor.listen_tcp("127.0.0.1:0", proxied.clone())?;
/// println!("{} connections refused", proxied.refusals().total());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Who is believed
///
/// Whoever can send a header can pretend to be any client. So it is taken from [trusted sources](Self::trust) only,
/// which are connections from this very machine unless others are named, and every connection has to begin with one:
/// there is no guessing whether it does.
///
/// A connection is refused if it comes from elsewhere, begins with something else, has sent no whole header by the
/// [deadline](Self::deadline), or ends before. Nothing is built for it; it is closed, most often by a reset, counted in
/// [`refusals`](Self::refusals), and logged, once in five seconds for each reason.
///
/// Policies inside see the client's addresses, those around this see the proxy's:
/// [`ConnectionLimit::per_peer`](crate::policies::ConnectionLimit::per_peer) belongs inside.
/// [`peer_credentials`](Transport::peer_credentials) are the proxy's in any case.
///
/// # What is valid
///
/// Of version 1, what the specification calls exact: single spaces, addresses of the family that is named, ports
/// without a sign and without zeros in front, CR and LF within 107 bytes. Behind `UNKNOWN` anything may stand.
///
/// Of version 2, TCP and UDP over IPv4 and IPv6, and UNIX sockets. Behind the addresses extensions (TLVs) may follow,
/// which are not used, but have to fit exactly; a checksum among them has to be right. What a header has that is not
/// about a client (`LOCAL`, or `UNSPEC` for the family or the protocol) is skipped whatever it is.
///
/// An address of IPv4 that is mapped into IPv6 is shown as one of IPv4.
///
/// # Memory
///
/// A header that comes in pieces is kept until it is complete. It has at most 65,551 bytes; they take at most twice
/// that, and none before they have come.
///
/// [PROXY protocol]: https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt
#[derive(Clone)]
#[must_use]
pub struct ProxyHeader(Rc<Options>);

/// What all connections of a factory share.
#[derive(Clone)]
struct Options {
    inside: SharedFactory,
    /// None for the addresses of this machine's loopback.
    trusted: Option<Vec<IpNet>>,
    deadline: Duration,
    refusals: Rc<Refusals>,
}

impl ProxyHeader {
    /// Connections that begin with a header and carry what `inside` builds.
    pub fn around(inside: impl Factory) -> Self {
        Self(Rc::new(Options { inside: share(inside), trusted: None, deadline: DEADLINE, refusals: Rc::default() }))
    }

    /// Takes headers from these sources only, instead of from the loopback addresses: networks such as `10.0.0.0/8`,
    /// and single addresses. Connections without an internet address, as those of UNIX sockets, are trusted in any
    /// case: they come from this very machine.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if one of them is neither.
    pub fn trust<S: AsRef<str>>(self, sources: impl IntoIterator<Item = S>) -> io::Result<Self> {
        let trusted = sources.into_iter().map(|source| network(source.as_ref())).collect::<io::Result<_>>()?;
        Ok(self.set(|options| options.trusted = Some(trusted)))
    }

    /// How long a header may take to come (5 s). The specification wants at least 3 s, for a packet that is lost on the
    /// way comes a second time by then.
    pub fn deadline(self, deadline: Duration) -> Self {
        self.set(|options| options.deadline = deadline)
    }

    /// The other end, for proxies: a factory around a factory, whose connections begin with a header of version 1 that
    /// names these addresses. If they are not both of IPv4, or both of IPv6, it says that they are unknown.
    ///
    /// ```no_run
    /// use protocols::proxy_header::ProxyHeader;
    /// use reactor::{Connector, Factory, Transport};
    ///
    /// /// Connects to the server that really answers this client.
    /// fn connect(incoming: &Transport, outgoing: impl Factory) -> Connector {
    ///     let factory = ProxyHeader::send_v2(&incoming.peer(), &incoming.host(), outgoing);
    ///     incoming.reactor().connect_tcp("10.0.0.7:443", factory)
    /// }
    /// ```
    pub fn send_v1<F: Factory>(client: &Address, server: &Address, inside: F) -> impl Factory + use<F> {
        Self::send(sender::line(client, server), inside)
    }

    /// The same with a header of version 2, which can also name two addresses of UNIX sockets, as far as each has at
    /// most 108 bytes.
    pub fn send_v2<F: Factory>(client: &Address, server: &Address, inside: F) -> impl Factory + use<F> {
        Self::send(sender::binary(client, server), inside)
    }

    fn send(header: Vec<u8>, inside: impl Factory) -> impl Factory {
        layer::around(move |outer| Sender { outer, header: header.clone() }, inside)
    }

    /// How many connections were refused so far, of this factory and of all clones of it.
    pub fn refusals(&self) -> ProxyRefusals {
        self.0.refusals.counts()
    }

    fn set(mut self, set: impl FnOnce(&mut Options)) -> Self {
        set(Rc::make_mut(&mut self.0));
        self
    }

    fn trusts(&self, source: &Address) -> bool {
        source.socket_addr().map(|source| source.ip().to_canonical()).is_none_or(|source| match &self.0.trusted {
            Some(networks) => networks.iter().any(|network| network.contains(&source)),
            None => source.is_loopback(),
        })
    }
}

fn network(source: &str) -> io::Result<IpNet> {
    source.parse().or_else(|_| source.parse::<IpAddr>().map(IpNet::from)).map_err(|_| {
        let message = format!("cannot trust {source:?}: it is neither a network, such as 10.0.0.0/8, nor an address");
        io::Error::new(io::ErrorKind::InvalidInput, message)
    })
}

impl Factory for ProxyHeader {
    fn start_factory(&mut self) {
        self.0.inside.clone().start_factory();
    }

    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        if self.trusts(&transport.peer()) {
            Some(Box::new(Proxied::new(transport, Rc::clone(&self.0))))
        } else {
            self.0.refusals.note(&Refusal::Untrusted, &transport);
            None
        }
    }

    fn stop_factory(&mut self) {
        self.0.inside.clone().stop_factory();
    }
}

impl fmt::Debug for ProxyHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyHeader")
            .field("trusted", &self.0.trusted)
            .field("deadline", &self.0.deadline)
            .field("refusals", &self.refusals())
            .finish_non_exhaustive()
    }
}

const DEADLINE: Duration = Duration::from_secs(5);
