//! Echoes what it receives, on loopback: `echo [PORT] [THREADS]`. Prints `ready` when it listens.

use std::net::{Ipv4Addr, SocketAddr};

use reactor::{Protocol, Transport, run_on_threads};

struct Echo {
    transport: Transport,
}

impl Protocol for Echo {
    fn data_received(&mut self, data: &[u8]) {
        self.transport.write(data);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().map_or(Ok(8007), |port| port.parse())?;
    let threads = arguments.next().map_or(Ok(1), |threads| threads.parse())?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    run_on_threads(threads, |reactor| {
        reactor.listen_tcp(address, |transport| Echo { transport })?;
        reactor.call_when_running(|| println!("ready"));
        Ok(())
    })?;
    Ok(())
}
