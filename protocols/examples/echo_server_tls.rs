//! Sends back what it receives, over TLS: `echo_server_tls [ADDRESS [FILE]]`. FILE has a certificate and its key, in PEM;
//! without it that is `server.pem`.

use std::{env, io};

use protocols::tls::{Certificates, Server};
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
    let file = env::args().nth(2).unwrap_or_else(|| "server.pem".to_owned());
    let tls = Server::new(Certificates::from_pem_files(&file, &file).map_err(io::Error::other)?);
    let reactor = Reactor::new()?;
    let port = reactor.listen_tcp(address, tls.around(|transport| Echo { transport }))?;
    println!("listening on {}", port.host());
    reactor.run()
}
