//! Hands an open file to each client of a UNIX socket: `send_fd SOCKET FILE`. The other side is `receive_fd`.

use std::fs::File;
use std::time::Duration;
use std::{env, io, process};

use reactor::{CloseReason, Protocol, Reactor, Transport};

struct SendFd {
    transport: Transport,
    path: String,
}

impl Protocol for SendFd {
    fn connection_made(&mut self) {
        match File::open(&self.path).and_then(|file| self.transport.send_file_descriptor(file)) {
            // A descriptor is sent with a byte: here with the file's name.
            Ok(()) => write!(self.transport, "{}\r\n", self.path),
            Err(error) => self.transport.fail_connection(CloseReason::failed(error)),
        }
        // The other side has a minute to close.
        self.transport.call_later(Duration::from_secs(60), |this: &mut Self| this.transport.lose_connection());
    }

    fn data_received(&mut self, _data: &[u8]) {}

    fn connection_lost(&mut self, reason: CloseReason) {
        println!("connection lost: {reason}");
    }
}

fn main() -> io::Result<()> {
    let (Some(socket), Some(path)) = (env::args().nth(1), env::args().nth(2)) else {
        eprintln!("usage: send_fd SOCKET FILE");
        process::exit(2);
    };
    File::open(&path)?;
    let reactor = Reactor::new()?;
    let port = reactor.listen_unix(socket, move |transport| SendFd { transport, path: path.clone() })?;
    println!("listening on {}", port.host());
    reactor.run()
}
