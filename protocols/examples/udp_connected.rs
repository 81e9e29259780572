//! Sends to one peer only, and is told when nothing listens there: `udp_connected [PEER]`.

use std::env;
use std::error::Error;
use std::net::SocketAddr;

use reactor::Reactor;
use reactor::datagram::{DatagramProtocol, DatagramTransport};

struct Helloer {
    transport: DatagramTransport,
    peer: SocketAddr,
}

impl DatagramProtocol for Helloer {
    fn start_protocol(&mut self) {
        let sent = self.transport.connect(self.peer).and_then(|()| self.transport.write_to_peer("hello"));
        println!("{} sends to {} only: {sent:?}", self.transport.host(), self.peer);
    }

    fn datagram_received(&mut self, data: &[u8], peer: SocketAddr) {
        println!("received {} from {peer}", data.escape_ascii());
    }

    fn connection_refused(&mut self) {
        println!("No one listening");
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let peer = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:1234".to_owned()).parse()?;
    let reactor = Reactor::new()?;
    reactor.listen_udp(0, |transport| Helloer { transport, peer })?;
    reactor.run()?;
    Ok(())
}
