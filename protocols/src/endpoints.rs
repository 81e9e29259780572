use reactor::Reactor;

use crate::web_socket::endpoint;

/// Adds the endpoints of this crate to those that [`server_from_string`](reactor::server_from_string) and
/// [`client_from_string`](reactor::client_from_string) know for this reactor. They are around other endpoints, whose
/// descriptions follow their own keywords:
///
/// | description | is |
/// |---|---|
/// | `web:ENDPOINT` | [web sockets](crate::WebSocket) in what the endpoint carries, whose messages are bytes, or text with `text=yes`; for `path=` alone, if that is given |
///
/// Both sides have `web:`. A client asks for `path=` (`/`) at `host=`, which is that of a `tcp:` endpoint if it is not
/// given; connecting takes until the server has accepted.
///
/// ```
/// use reactor::{Reactor, client_from_string, server_from_string};
///
/// let reactor = Reactor::new()?;
/// protocols::add_endpoint_schemes(&reactor);
/// server_from_string(&reactor, "web:path=/chat:text=yes:unix:/run/chat.sock")?;
/// client_from_string(&reactor, "web:path=/chat:text=yes:tcp:example.org:80")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn add_endpoint_schemes(reactor: &Reactor) {
    reactor.add_server_scheme("web", endpoint::server);
    reactor.add_client_scheme("web", endpoint::client);
}
