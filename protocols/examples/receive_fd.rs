//! Receives an open file over a UNIX socket, and shows its first 80 bytes: `receive_fd SOCKET`. The other side is
//! `send_fd`.

use std::error::Error;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::{env, process};

use reactor::{Protocol, Reactor, Transport};

struct ReceiveFd {
    transport: Transport,
    file: Option<File>,
    line: Vec<u8>,
}

impl Protocol for ReceiveFd {
    fn file_descriptor_received(&mut self, descriptor: OwnedFd) {
        self.file = Some(descriptor.into());
    }

    fn data_received(&mut self, data: &[u8]) {
        self.line.extend_from_slice(data);
        if let Some(name) = self.line.strip_suffix(b"\r\n") {
            self.line_received(name);
        }
    }
}

impl ReceiveFd {
    fn line_received(&self, name: &[u8]) {
        let name = name.escape_ascii();
        match &self.file {
            None => println!("Received {name} without receiving a descriptor!"),
            Some(file) => {
                let mut data = Vec::new();
                let read = file.take(80).read_to_end(&mut data);
                println!("Received {name} from the server.");
                match read {
                    Ok(_) => println!("First 80 bytes are:\n{}", String::from_utf8_lossy(&data)),
                    Err(error) => println!("It cannot be read: {error}"),
                }
            }
        }
        self.transport.lose_connection();
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let Some(socket) = env::args().nth(1) else {
        eprintln!("usage: receive_fd SOCKET");
        process::exit(2);
    };
    let reactor = Reactor::new()?;
    let build = |transport| ReceiveFd { transport, file: None, line: Vec::new() };
    let connector = reactor.connect_unix(socket, build);
    reactor.run_until(connector.finished())??;
    Ok(())
}
