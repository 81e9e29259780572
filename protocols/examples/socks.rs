//! A SOCKS proxy for this machine only, to the web only: `socks [PORT]`.

use std::net::{Ipv4Addr, SocketAddr};

use protocols::socks::{Socks, SocksRequest};
use reactor::Reactor;

/// The proxy must not give access to anything that its clients could not reach without it.
fn is_allowed(request: &SocksRequest) -> bool {
    matches!(request.address.port(), 80 | 443) && !request.address.ip().is_loopback()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(1080), |port| port.parse())?;
    let reactor = Reactor::new()?;
    let port = reactor.listen_tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Socks::new(is_allowed))?;
    println!("listening on {}", port.host());
    reactor.run()?;
    Ok(())
}
