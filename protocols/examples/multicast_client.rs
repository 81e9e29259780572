//! Sends a ping to a multicast group, and shows what it receives: `multicast_client`. It is a member of the group too.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use reactor::Reactor;
use reactor::datagram::{DatagramOptions, DatagramProtocol, DatagramTransport, Interface};

const GROUP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(228, 0, 0, 5), 9999);

struct Ping(DatagramTransport);

impl DatagramProtocol for Ping {
    fn start_protocol(&mut self) {
        let joined = self.0.join_group(*GROUP.ip(), Interface::Any);
        joined.and_then(|()| self.0.write("Client: Ping", GROUP.into())).unwrap_or_else(|error| println!("{error}"));
    }

    fn datagram_received(&mut self, data: &[u8], peer: SocketAddr) {
        println!("datagram {} received from {peer}", data.escape_ascii());
    }
}

fn main() -> std::io::Result<()> {
    let reactor = Reactor::new()?;
    reactor.listen_udp(DatagramOptions::new(GROUP.port()).listen_multiple(true), Ping)?;
    reactor.run()
}
