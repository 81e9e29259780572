//! Broadcasts a ping to the network once a second, and answers pings, including its own:
//! `udp_broadcast [ADDRESS [EVERYBODY]]`. The number of pongs for each ping is the number of running programs.

use std::env;
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use reactor::Reactor;
use reactor::datagram::{DatagramOptions, DatagramProtocol, DatagramTransport};

struct PingPong {
    transport: DatagramTransport,
    everybody: SocketAddr,
}

impl DatagramProtocol for PingPong {
    fn start_protocol(&mut self) {
        self.transport.call_every(Duration::from_secs(1), |this: &mut Self, _| {
            this.send(&format!("PING {:016x}", this.transport.reactor().random()));
        });
    }

    fn datagram_received(&mut self, data: &[u8], peer: SocketAddr) {
        println!("RECV {} from {peer}", data.escape_ascii());
        if let Some(id) = data.strip_prefix(b"PING ") {
            self.send(&format!("PONG {}", id.escape_ascii()));
        }
    }
}

impl PingPong {
    fn send(&self, message: &str) {
        match self.transport.write(message, self.everybody) {
            Ok(()) => println!("SEND {message}"),
            Err(error) => println!("cannot send: {error}"),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "0.0.0.0:8555".to_owned());
    let everybody = arguments.next().unwrap_or_else(|| "255.255.255.255:8555".to_owned()).parse()?;
    let reactor = Reactor::new()?;
    let options = DatagramOptions::new(address).broadcast(true).listen_multiple(true);
    reactor.listen_udp(options, |transport| PingPong { transport, everybody })?;
    reactor.run()?;
    Ok(())
}
