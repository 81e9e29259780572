//! Echoes typed lines until Ctrl-D: `stdin_echo`.

use std::io;

use protocols::{LineHandler, LineReceiver, Lines};
use reactor::Reactor;

struct Echo {
    lines: Lines,
}

impl LineHandler for Echo {
    fn connection_made(&mut self) {
        self.lines.transport().write(">>> ");
    }

    fn line_received(&mut self, line: &[u8]) {
        self.lines.send_line([b"Echo: ", line].concat());
        self.lines.transport().write(">>> ");
    }
}

fn main() -> io::Result<()> {
    let reactor = Reactor::new()?;
    let session = reactor.stdio(LineReceiver::factory(|lines| Echo { lines }).delimiter("\n"))?;
    reactor.run_until(session)?;
    Ok(())
}
