//! Finger, stage 5: knows no users: `finger05 [ADDRESS]`.

use std::{env, io};

use protocols::{LineHandler, LineReceiver, Lines};
use reactor::Reactor;

struct Finger(Lines);

impl LineHandler for Finger {
    fn line_received(&mut self, _user: &[u8]) {
        self.0.send_line("No such user");
        self.0.lose_connection();
    }
}

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:1079".to_owned());
    let reactor = Reactor::new()?;
    let port = reactor.listen_tcp(address, LineReceiver::factory(Finger))?;
    println!("listening on {}", port.host());
    reactor.run()
}
