//! Sends as many random numbers as the client asks for, no faster than it reads them: `streaming [ADDRESS]`.

use std::{env, io};

use protocols::{LineHandler, LineReceiver, Lines};
use reactor::{CloseReason, OnEof, Reactor};

struct ServeRandom {
    lines: Lines,
    /// How many numbers are still to be sent.
    missing: u64,
}

impl LineHandler for ServeRandom {
    fn connection_made(&mut self) {
        println!("connection made from {}", self.lines.peer());
        self.lines.send_line("How many random integers do you want?");
    }

    fn line_received(&mut self, line: &[u8]) {
        let Some(count) = str::from_utf8(line).ok().and_then(|line| line.trim().parse().ok()) else {
            return self.lines.send_line("That is not a number.");
        };
        println!("client requested {count} random integers!");
        self.lines.pause_reading();
        self.missing = count;
        self.resume_writing();
    }

    fn pause_writing(&mut self) {
        println!("pausing connection from {}", self.lines.peer());
    }

    fn resume_writing(&mut self) {
        let reactor = self.lines.reactor();
        while self.missing > 0 && !self.lines.transport().is_full() {
            self.lines.send_line((reactor.random() % 10_000).to_string());
            self.missing -= 1;
        }
        if self.missing == 0 {
            self.lines.lose_connection();
        }
    }

    fn eof_received(&mut self, _unfinished: &[u8]) -> OnEof {
        if self.missing > 0 { OnEof::KeepWriting } else { OnEof::Close }
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        println!("connection lost from {}: {reason}", self.lines.peer());
    }
}

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:1234".to_owned());
    let reactor = Reactor::new()?;
    let port = reactor.listen_tcp(address, LineReceiver::factory(|lines| ServeRandom { lines, missing: 0 }))?;
    println!("listening on {}", port.host());
    reactor.run()
}
