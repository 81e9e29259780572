//! Sends three lines to an echo server over TLS, shows the replies, and ends with the connection: `echo_client_tls [SERVER
//! [FILE]]`. FILE has the certificate of the authority that it trusts, in PEM; without it that is `public.pem`.

use std::{env, io, process};

use protocols::tls::{Client, Roots};
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::Reactor;

const END: &[u8] = b"Bye-bye!";

struct EchoClient {
    lines: Lines,
}

impl LineHandler for EchoClient {
    fn connection_made(&mut self) {
        self.lines.send_line("Hello, world!");
        self.lines.send_line("What a fine day it is.");
        self.lines.send_line(END);
    }

    fn line_received(&mut self, line: &[u8]) {
        println!("receive: {}", line.escape_ascii());
        if line == END {
            self.lines.lose_connection();
        }
    }
}

fn main() -> io::Result<()> {
    let server = env::args().nth(1).unwrap_or_else(|| "localhost:8000".to_owned());
    let file = env::args().nth(2).unwrap_or_else(|| "public.pem".to_owned());
    let tls = Client::new().roots(Roots::from_pem_file(file).map_err(io::Error::other)?);
    let reactor = Reactor::new()?;
    let echo = tls.around("example.com", LineReceiver::factory(|lines| EchoClient { lines }));
    match reactor.run_until(reactor.connect_tcp(server, echo).finished())? {
        Ok(reason) => println!("connection lost: {reason}"),
        Err(error) => {
            eprintln!("connection failed: {error}");
            process::exit(1);
        }
    }
    Ok(())
}
