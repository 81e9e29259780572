//! Answers pings sent to a multicast group: `multicast_server`. It shares port 9999 with `multicast_client`.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use reactor::Reactor;
use reactor::datagram::{DatagramOptions, DatagramProtocol, DatagramTransport, Interface};

const GROUP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(228, 0, 0, 5), 9999);

struct Pong(DatagramTransport);

impl DatagramProtocol for Pong {
    fn start_protocol(&mut self) {
        let joined = self.0.join_group(*GROUP.ip(), Interface::Any);
        println!("{}", joined.map_or_else(|error| error.to_string(), |()| "joined".to_owned()));
    }

    fn datagram_received(&mut self, data: &[u8], peer: SocketAddr) {
        println!("datagram {} received from {peer}", data.escape_ascii());
        if data == b"Client: Ping" {
            // To the sender, not to the group.
            let _ = self.0.write("Server: Pong", peer);
        }
    }
}

fn main() -> io::Result<()> {
    let reactor = Reactor::new()?;
    // The TTL is the number of routers to cross.
    reactor.listen_udp(DatagramOptions::new(GROUP.port()).listen_multiple(true).multicast_ttl(5), Pong)?;
    reactor.run()
}
