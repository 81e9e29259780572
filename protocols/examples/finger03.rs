//! Finger, stage 3: drops every connection as soon as it is made: `finger03 [ADDRESS]`.

use std::{env, io};

use reactor::{Protocol, Reactor, Transport};

struct Finger(Transport);

impl Protocol for Finger {
    fn connection_made(&mut self) {
        self.0.lose_connection();
    }

    fn data_received(&mut self, _data: &[u8]) {}
}

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:1079".to_owned());
    let reactor = Reactor::new()?;
    let port = reactor.listen_tcp(address, Finger)?;
    println!("listening on {}", port.host());
    reactor.run()
}
