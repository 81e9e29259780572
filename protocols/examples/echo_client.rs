//! Sends three lines to an echo server, shows the replies, and ends with the connection: `echo_client [SERVER]`.

use std::{env, io, process};

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
    let reactor = Reactor::new()?;
    let connector = reactor.connect_tcp(server, LineReceiver::factory(|lines| EchoClient { lines }));
    match reactor.run_until(connector.finished())? {
        Ok(reason) => println!("connection lost: {reason}"),
        Err(error) => {
            eprintln!("connection failed: {error}");
            process::exit(1);
        }
    }
    Ok(())
}
