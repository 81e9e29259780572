//! Sends three datagrams to an echo server, each after the one before has come back: `udp_echo_client [SERVER]`.

use std::env;
use std::error::Error;
use std::net::SocketAddr;

use reactor::Reactor;
use reactor::datagram::{DatagramProtocol, DatagramTransport};

struct EchoClient {
    transport: DatagramTransport,
    server: SocketAddr,
    texts: Vec<&'static str>,
}

impl DatagramProtocol for EchoClient {
    fn start_protocol(&mut self) {
        match self.transport.connect(self.server) {
            Ok(()) => self.send_datagram(),
            Err(error) => println!("{error}"),
        }
    }

    fn datagram_received(&mut self, data: &[u8], _peer: SocketAddr) {
        println!("datagram received: {}", data.escape_ascii());
        self.send_datagram();
    }
}

impl EchoClient {
    fn send_datagram(&mut self) {
        match self.texts.pop() {
            Some(text) => self.transport.write_to_peer(text).unwrap_or_else(|error| println!("{error}")),
            None => self.transport.reactor().stop(),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let server = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".to_owned()).parse()?;
    let texts = vec!["Bye-bye!", "What a fine day it is.", "Hello, world!"];
    let reactor = Reactor::new()?;
    reactor.listen_udp(0, |transport| EchoClient { transport, server, texts })?;
    reactor.run()?;
    Ok(())
}
