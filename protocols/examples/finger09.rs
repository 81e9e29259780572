//! Finger, stage 9: runs another program, the system's `finger`: `finger09 [ADDRESS]`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;
use std::{env, io};

use protocols::{LineHandler, LineReceiver, Lines};
use reactor::Reactor;

struct Finger(Lines);

impl LineHandler for Finger {
    fn line_received(&mut self, user: &[u8]) {
        self.0.pause_reading();
        let reactor = self.0.reactor();
        // A name that begins with a dash is not an option.
        let finger = reactor.process_output(Command::new("finger").arg("--").arg(OsStr::from_bytes(user)), 65_536);
        self.0.defer(finger, |this: &mut Self, output| {
            let output = output.ok().filter(|output| output.status.success());
            this.0.send_line(output.map_or_else(|| b"Internal error in server".to_vec(), |output| output.stdout));
            this.0.lose_connection();
        });
    }
}

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:1079".to_owned());
    let reactor = Reactor::new()?;
    let port = reactor.listen_tcp(address, LineReceiver::factory(Finger))?;
    println!("listening on {}", port.host());
    reactor.run()
}
