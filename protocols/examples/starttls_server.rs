//! Shows the lines that it receives, and starts TLS when one of them asks for it: `starttls_server [ADDRESS [FILE]]`. FILE
//! has a certificate and its key, in PEM; without it that is `server.pem`.

use std::{env, io};

use protocols::tls::{Certificates, Server};
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::Reactor;

struct Upgradable {
    lines: Lines,
}

impl LineHandler for Upgradable {
    fn line_received(&mut self, line: &[u8]) {
        println!("received: {}", line.escape_ascii());
        if line == b"STARTTLS" {
            println!("-- Switching to TLS");
            self.lines.send_line("READY");
            if let Err(error) = self.lines.start_tls(|_: &mut Self, tls| println!("-- {}", tls.version())) {
                println!("-- {error}");
            }
        }
    }
}

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let file = env::args().nth(2).unwrap_or_else(|| "server.pem".to_owned());
    let tls = Server::new(Certificates::from_pem_files(&file, &file).map_err(io::Error::other)?);
    let reactor = Reactor::new()?;
    let port = reactor.listen_tcp(address, tls.upgradable(LineReceiver::factory(|lines| Upgradable { lines })))?;
    println!("listening on {}", port.host());
    reactor.run()
}
