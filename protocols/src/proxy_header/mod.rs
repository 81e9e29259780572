//! The PROXY protocol, versions 1 and 2, as HAProxy specifies it.

pub(crate) mod endpoint;
mod header;
mod options;
mod proxied;
mod refused;
mod sender;

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;
use std::{fmt, io};

use ipnet::IpNet;
use reactor::{Address, Factory, Protocol, Transport, layer, share};

use crate::proxy_header::options::Options;
use crate::proxy_header::proxied::Proxied;
use crate::proxy_header::refused::Refusal;
use crate::proxy_header::sender::Sender;

pub use refused::ProxyRefusals;

/// A factory around a factory, for servers behind a proxy such as HAProxy or a cloud load balancer: each connection
/// begins with a header in which the proxy names the client. Reads versions 1 and 2 of the [PROXY protocol]. Twisted's
/// `proxyEndpoint` and `haproxy:`.
///
/// The protocol inside is built when the header is complete, so its [`peer`](Transport::peer) and
/// [`host`](Transport::host) are the client's address and the address it connected to from the beginning. If the header
/// says that the connection is the proxy's own (a health check), or that the client is unknown, they are the real
/// addresses. Bytes after the header in the same chunk are delivered in the same turn.
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
/// Trust
///
/// Anyone who can send a header can pretend to be any client. So it is accepted only from [trusted
/// sources](Self::trust), by default connections from this machine, and every connection must begin with one; there is
/// no guessing.
///
/// A connection is refused if it comes from elsewhere, begins with anything else, has no complete header by the
/// [deadline](Self::deadline), or ends before that. Nothing is built for it; it is closed, usually by a reset, counted
/// in [`refusals`](Self::refusals), and logged at most once in five seconds for each reason.
///
/// Policies inside see the client's addresses, those outside see the proxy's:
/// [`ConnectionLimit::per_peer`](crate::policies::ConnectionLimit::per_peer) belongs inside.
/// [`peer_credentials`](Transport::peer_credentials) are always the proxy's.
///
/// # What is valid
///
/// Version 1 must be exactly as specified: single spaces, addresses of the named family, ports without a sign and
/// leading zeros, CR and LF within 107 bytes. Anything may follow `UNKNOWN`.
///
/// Version 2 supports TCP and UDP over IPv4 and IPv6, and UNIX sockets. Extensions (TLVs) may follow the addresses;
/// they are not used, but their lengths must be exact, and a checksum among them must be right. The content of a header
/// that does not name a client (`LOCAL`, or `UNSPEC` for the family or the protocol) is skipped unchecked.
///
/// An IPv4 address mapped into IPv6 is shown as IPv4.
///
/// # Memory
///
/// A header that arrives in pieces is kept until it is complete. It has up to 65,551 bytes and takes up to twice that,
/// and nothing before the bytes have arrived.
///
/// [PROXY protocol]: https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt
#[derive(Clone)]
#[must_use]
pub struct ProxyHeader(Rc<Options>);

impl ProxyHeader {
    /// Connections that begin with a header and carry the protocols of `inside`.
    pub fn around(inside: impl Factory) -> Self {
        Self(Rc::new(Options { inside: share(inside), trusted: None, deadline: DEADLINE, refusals: Rc::default() }))
    }

    /// Accepts headers only from these sources, in place of the loopback addresses: networks such as `10.0.0.0/8`, and
    /// single addresses. Connections without an internet address, such as those of UNIX sockets, are always trusted:
    /// they come from this machine.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if a source is neither a network nor an address.
    pub fn trust<S: AsRef<str>>(self, sources: impl IntoIterator<Item = S>) -> io::Result<Self> {
        let trusted = sources.into_iter().map(|source| network(source.as_ref())).collect::<io::Result<_>>()?;
        Ok(self.set(|options| options.trusted = Some(trusted)))
    }

    /// How long a header may take to arrive (5 s). The specification asks for at least 3 s, the time in which a lost
    /// packet is sent again.
    pub fn deadline(self, deadline: Duration) -> Self {
        self.set(|options| options.deadline = deadline)
    }

    /// The other end, for proxies: a factory around a factory, whose connections begin with a header of version 1 that
    /// names these addresses. Unless both are IPv4 or both are IPv6, the header says `UNKNOWN`.
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

    /// The same with a header of version 2, which can also name two UNIX socket addresses of up to 108 bytes each.
    pub fn send_v2<F: Factory>(client: &Address, server: &Address, inside: F) -> impl Factory + use<F> {
        Self::send(sender::binary(client, server), inside)
    }

    fn send(header: Vec<u8>, inside: impl Factory) -> impl Factory {
        layer::around(move |outer| Sender { outer, header: header.clone() }, inside)
    }

    /// The connections refused so far by this factory and all its clones.
    pub fn refusals(&self) -> ProxyRefusals {
        self.0.refusals.counts()
    }

    fn set(mut self, set: impl FnOnce(&mut Options)) -> Self {
        set(Rc::make_mut(&mut self.0));
        self
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
        if self.0.trusts(&transport.peer()) {
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
