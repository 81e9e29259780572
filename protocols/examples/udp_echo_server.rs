//! Sends datagrams back to their senders: `udp_echo_server [ADDRESS]`.

use std::net::SocketAddr;
use std::{env, io};

use reactor::Reactor;
use reactor::datagram::{DatagramProtocol, DatagramTransport};

struct Echo(DatagramTransport);

impl DatagramProtocol for Echo {
    fn datagram_received(&mut self, data: &[u8], peer: SocketAddr) {
        // A datagram that the system has no room for is lost, as datagrams may be.
        let _ = self.0.write(data, peer);
    }
}

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let reactor = Reactor::new()?;
    let port = reactor.listen_udp(address, Echo)?;
    println!("listening on {}", port.host());
    reactor.run()
}
