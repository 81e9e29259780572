//! Sends a line as plain text, and another over TLS: `starttls_client [SERVER [FILE]]`. FILE has the certificate of the
//! authority that it trusts, in PEM; without it that is `public.pem`.

use std::{env, io, process};

use protocols::tls::{Client, Roots};
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::Reactor;

struct Upgrading {
    lines: Lines,
}

impl LineHandler for Upgrading {
    fn connection_made(&mut self) {
        self.lines.send_line("plain text");
        self.lines.send_line("STARTTLS");
    }

    fn line_received(&mut self, line: &[u8]) {
        println!("received: {}", line.escape_ascii());
        if line == b"READY" {
            self.lines.start_tls(|_: &mut Self, _| {}).expect("the factory is upgradable");
            self.lines.send_line("secure text");
            self.lines.lose_connection();
        }
    }
}

fn main() -> io::Result<()> {
    let server = env::args().nth(1).unwrap_or_else(|| "localhost:8000".to_owned());
    let file = env::args().nth(2).unwrap_or_else(|| "public.pem".to_owned());
    let tls = Client::new().roots(Roots::from_pem_file(file).map_err(io::Error::other)?);
    let reactor = Reactor::new()?;
    let factory = tls.upgradable("example.com", LineReceiver::factory(|lines| Upgrading { lines }));
    match reactor.run_until(reactor.connect_tcp(server, factory).finished())? {
        Ok(reason) => println!("connection lost: {reason}"),
        Err(error) => {
            eprintln!("connection failed: {error}");
            process::exit(1);
        }
    }
    Ok(())
}
