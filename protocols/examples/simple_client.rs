//! Sends one message to an echo server, shows the answer, and stops the reactor when the connection ends:
//! `simple_client [SERVER]`.

use std::{env, io};

use reactor::{CloseReason, Protocol, Reactor, Transport};

struct EchoClient {
    transport: Transport,
}

impl Protocol for EchoClient {
    fn connection_made(&mut self) {
        self.transport.write("hello, world!");
    }

    fn data_received(&mut self, data: &[u8]) {
        println!("Server said: {}", data.escape_ascii());
        self.transport.lose_connection();
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        println!("connection lost: {reason}");
    }
}

fn main() -> io::Result<()> {
    let server = env::args().nth(1).unwrap_or_else(|| "localhost:8000".to_owned());
    let reactor = Reactor::new()?;
    reactor
        .connect_tcp(server, |transport| EchoClient { transport })
        .on_failed(|connector, error| {
            println!("Connection failed - goodbye! ({error})");
            connector.reactor().stop();
        })
        .on_lost(|connector, _| {
            println!("Connection lost - goodbye!");
            connector.reactor().stop();
        });
    reactor.run()
}
