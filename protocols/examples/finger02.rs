//! Finger, stage 2: accepts connections and stays silent: `finger02 [ADDRESS]`.

use std::{env, io};

use reactor::{Protocol, Reactor};

struct Finger;

impl Protocol for Finger {
    fn data_received(&mut self, _data: &[u8]) {}
}

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:1079".to_owned());
    let reactor = Reactor::new()?;
    let port = reactor.listen_tcp(address, |_| Finger)?;
    println!("listening on {}", port.host());
    reactor.run()
}
