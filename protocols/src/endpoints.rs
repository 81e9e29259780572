use reactor::Reactor;

use crate::{proxy_header, web_socket};

/// Adds the endpoints of this crate to those that [`server_from_string`](reactor::endpoint::server_from_string) and
/// [`client_from_string`](reactor::endpoint::client_from_string) know for this reactor. They are around other endpoints, whose
/// descriptions follow their own keywords:
///
/// | description | is |
/// |---|---|
/// | `web:ENDPOINT` | [web sockets](crate::web_socket::WebSocket) in what the endpoint carries, whose messages are bytes, or text with `text=yes` |
/// | `haproxy:ENDPOINT` | what a proxy passes on, with a [PROXY header](crate::proxy_header::ProxyHeader) at its beginning, from this machine or from `trust=`, addresses and networks with commas between them; within `deadline=` seconds (5) |
///
/// Both sides have `web:`, and servers alone `haproxy:`. A web socket's client asks for `path=` (`/`) at `host=`, which is
/// that of a `tcp:` endpoint if it is not given; connecting takes until the server has accepted. Its server takes requests
/// for `path=` alone, if that is given, for `hosts=` alone, and from pages of `origins=` besides its own host's, lists with
/// commas. Both take `max-message=` bytes (65,536), and seconds: `handshake=` (10), `ping=` (20, or `no`) and `pong=` (20).
/// What stands last comes first on the wire: in `web:haproxy:tcp:8007` the header, and the web socket behind it.
///
/// ```
/// use reactor::Reactor;
/// use reactor::endpoint::{client_from_string, server_from_string};
///
/// let reactor = Reactor::new()?;
/// protocols::add_endpoint_schemes(&reactor);
/// server_from_string(&reactor, "web:path=/chat:text=yes:unix:/run/chat.sock")?;
/// server_from_string(&reactor, "web:hosts=chat.example.org,localhost:ping=60:tcp:8080")?;
/// server_from_string(&reactor, "haproxy:trust=10.0.0.0/8,\\:\\:1:deadline=3:tcp:8007")?;
/// client_from_string(&reactor, "web:path=/chat:text=yes:tcp:example.org:80")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn add_endpoint_schemes(reactor: &Reactor) {
    reactor.add_server_scheme("haproxy", proxy_header::endpoint::server);
    reactor.add_server_scheme("web", web_socket::endpoint::server);
    reactor.add_client_scheme("web", web_socket::endpoint::client);
}
