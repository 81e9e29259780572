//! Lets `wc` count the lines of a song, and reports every event of the process.

use std::io;
use std::process::{Command, ExitStatus};

use reactor::Reactor;
use reactor::process::{ProcessProtocol, ProcessTransport};

const VERSE: &str = "Aleph-null bottles of beer on the wall,
Aleph-null bottles of beer,
Take one down and pass it around,
Aleph-null bottles of beer on the wall.
";

struct WordCount {
    process: ProcessTransport,
    verses: usize,
    output: Vec<u8>,
}

impl ProcessProtocol for WordCount {
    fn connection_made(&mut self) {
        println!("connection_made!");
        self.process.write(VERSE.repeat(self.verses));
        self.process.close_stdin(); // The end of the input.
    }

    fn out_received(&mut self, data: &[u8]) {
        println!("out_received! with {} bytes!", data.len());
        self.output.extend_from_slice(data);
    }

    fn err_received(&mut self, data: &[u8]) {
        println!("err_received! with {} bytes!", data.len());
    }

    fn in_connection_lost(&mut self) {
        println!("in_connection_lost! stdin is closed! (we probably did it)");
    }

    fn out_connection_lost(&mut self) {
        println!("out_connection_lost! The child closed its stdout!");
        let output = String::from_utf8_lossy(&self.output);
        println!("I saw {} lines", output.split_whitespace().next().unwrap_or("no"));
    }

    fn err_connection_lost(&mut self) {
        println!("err_connection_lost! The child closed its stderr.");
    }

    fn process_exited(&mut self, status: ExitStatus) {
        println!("process_exited, {status}");
    }

    fn process_ended(&mut self, status: ExitStatus) {
        println!("process_ended, {status}");
        println!("quitting");
        self.process.transport().reactor().stop();
    }
}

fn main() -> io::Result<()> {
    let reactor = Reactor::new()?;
    let build = |process| WordCount { process, verses: 10, output: Vec::new() };
    reactor.spawn_process(&mut Command::new("wc"), build)?;
    reactor.run()
}
