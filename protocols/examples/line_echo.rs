//! Echoes each line with its LF, on loopback: `line_echo [PORT] [THREADS]`. Prints `ready` once it listens.

use std::net::{Ipv4Addr, SocketAddr};

use protocols::{LineHandler, LineReceiver, Lines};
use reactor::run_on_threads;

struct Echo {
    lines: Lines,
}

impl LineHandler for Echo {
    fn line_received(&mut self, line: &[u8]) {
        self.lines.send_line(line);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().map_or(Ok(8007), |port| port.parse())?;
    let threads = arguments.next().map_or(Ok(1), |threads| threads.parse())?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    run_on_threads(threads, |reactor| {
        reactor.listen_tcp(address, LineReceiver::factory(|lines| Echo { lines }).delimiter("\n"))?;
        reactor.call_when_running(|| println!("ready"));
        Ok(())
    })?;
    Ok(())
}
