use reactor::Reactor;

use crate::{policies, proxy_header, web_socket};

#[cfg(feature = "tls")]
use crate::tls;

/// Adds this crate's endpoints to those that [`server_from_string`](reactor::endpoint::server_from_string) and
/// [`client_from_string`](reactor::endpoint::client_from_string) know for this reactor. They wrap other endpoints,
/// whose descriptions follow their own keywords:
///
/// | description | meaning |
/// |---|---|
/// | `web:ENDPOINT` | [web sockets](crate::web_socket::WebSocket) over the endpoint, with binary messages, or text messages with `text=yes` |
/// | `tls:PORT`, `tls:HOST:PORT` | [TLS](crate::tls) over TCP; what `tcp:` takes can follow |
/// | `tls:ENDPOINT` | TLS over the endpoint; for a client with `server=`, the name that the certificate must be for |
/// | `haproxy:ENDPOINT` | connections from a proxy that begin with a [PROXY header](crate::proxy_header::ProxyHeader), from this machine or from `trust=` (comma-separated addresses and networks); within `deadline=` seconds (5) |
/// | `timeouts:ENDPOINT` | connections that end after `idle=` seconds [without a byte](crate::policies::IdleTimeout), or without a whole message in the first `first-message=` seconds ([`FirstMessageTimeout`](crate::policies::FirstMessageTimeout)); one of the two, or both |
///
/// `web:` is for servers and clients, `haproxy:` and `timeouts:` for servers only. A web socket client asks for `path=` (`/`) at `host=`
/// (by default that of a `tcp:` or `tls:` endpoint); it is connected once the server has accepted. A server accepts any path and
/// host unless `path=` or `hosts=` restricts them, and pages of its own host and of `origins=`; lists are comma-separated.
/// Both take `max-message=` bytes (65,536), and seconds: `handshake=` (10), `ping=` (20, or `no`) and `pong=` (20). The
/// last endpoint comes first on the wire: in `web:haproxy:tcp:8007` the header comes before the web socket,
/// and in `tls:certificate=server.pem:haproxy:tcp:8443` before TLS, where HAProxy's `send-proxy` puts it.
///
/// A `tls:` server presents the certificate in `certificate=`, whose key is in the same file or in `key=`, or those of a
/// [directory](crate::tls::Certificates::from_directory), `directory=`. It reads them again when they have changed, within
/// 10 s, and when it [reloads](reactor::endpoint::ServerEndpoint::reload). With `client-ca=` its clients must present
/// certificates of these authorities; with `client-certificates=any` they may present
/// [any](crate::tls::ClientCertificates::any). All servers with one description in a process share the sessions that clients resume,
/// on whichever thread they are. A client trusts the authorities of the system, or those in `ca=`, or only the server
/// with the certificate of this `fingerprint=`; it presents its own `certificate=`. Both take `alpn=`, comma-separated, and
/// `handshake=` seconds (10).
///
/// ```
/// use reactor::Reactor;
/// use reactor::endpoint::{client_from_string, server_from_string};
///
/// let reactor = Reactor::new()?;
/// protocols::add_endpoint_schemes(&reactor);
/// server_from_string(&reactor, "web:path=/chat:text=yes:unix:/run/chat.sock")?;
/// server_from_string(&reactor, "web:hosts=chat.example.org,localhost:ping=60:tcp:8080")?;
/// server_from_string(&reactor, "tls:8443:certificate=chain.pem:key=key.pem:max-connections=5000")?;
/// server_from_string(&reactor, "web:tls:directory=/etc/certificates:unix:/run/chat.sock")?;
/// client_from_string(&reactor, "tls:example.org:443:ca=authority.pem")?;
/// client_from_string(&reactor, "tls:server=example.org:unix:/run/chat.sock")?;
/// server_from_string(&reactor, "haproxy:trust=10.0.0.0/8,\\:\\:1:deadline=3:tcp:8007")?;
/// server_from_string(&reactor, "timeouts:idle=60:first-message=10:tcp:8007")?;
/// client_from_string(&reactor, "web:path=/chat:text=yes:tcp:example.org:80")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn add_endpoint_schemes(reactor: &Reactor) {
    reactor.add_server_scheme("haproxy", proxy_header::endpoint::server);
    reactor.add_server_scheme("timeouts", policies::endpoint::server);
    reactor.add_server_scheme("web", web_socket::endpoint::server);
    reactor.add_client_scheme("web", web_socket::endpoint::client);
    #[cfg(feature = "tls")]
    {
        reactor.add_server_scheme("tls", tls::endpoint::server);
        reactor.add_client_scheme("tls", tls::endpoint::client);
    }
}
