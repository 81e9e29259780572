//! Echoes the datagrams it receives, on loopback: `udp_echo [PORT] [THREADS]`. Prints `ready` when it listens.

use std::net::{Ipv4Addr, SocketAddr};

use reactor::datagram::{DatagramProtocol, DatagramTransport};
use reactor::run_on_threads;

struct Echo {
    transport: DatagramTransport,
}

impl DatagramProtocol for Echo {
    fn datagram_received(&mut self, data: &[u8], peer: SocketAddr) {
        // What the system has no room for is lost, as datagrams may be.
        let _ = self.transport.write(data, peer);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().map_or(Ok(8007), |port| port.parse())?;
    let threads = arguments.next().map_or(Ok(1), |threads| threads.parse())?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    run_on_threads(threads, |reactor| {
        reactor.listen_udp(address, |transport| Echo { transport })?;
        reactor.call_when_running(|| println!("ready"));
        Ok(())
    })?;
    Ok(())
}
