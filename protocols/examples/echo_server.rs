//! Sends back what it receives: `echo_server [ADDRESS]`.

use std::{env, io};

use reactor::{Protocol, Reactor, Transport};

struct Echo {
    transport: Transport,
}

impl Protocol for Echo {
    fn data_received(&mut self, data: &[u8]) {
        self.transport.write(data);
    }
}

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let reactor = Reactor::new()?;
    let port = reactor.listen_tcp(address, |transport| Echo { transport })?;
    println!("listening on {}", port.host());
    reactor.run()
}
