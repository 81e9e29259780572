//! Finger, stage 7: knows some users, shared by all connections: `finger07 [ADDRESS]`.

use std::collections::HashMap;
use std::rc::Rc;
use std::{env, io};

use protocols::{LineHandler, LineReceiver, Lines};
use reactor::Reactor;

type Users = HashMap<&'static [u8], &'static str>;

struct Finger {
    lines: Lines,
    users: Rc<Users>,
}

impl LineHandler for Finger {
    fn line_received(&mut self, user: &[u8]) {
        self.lines.send_line(self.users.get(user).unwrap_or(&"No such user"));
        self.lines.lose_connection();
    }
}

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:1079".to_owned());
    let reactor = Reactor::new()?;
    let users = Rc::new(Users::from([(&b"moshez"[..], "Happy and well")]));
    let factory = LineReceiver::factory(move |lines| Finger { lines, users: Rc::clone(&users) });
    let port = reactor.listen_tcp(address, factory)?;
    println!("listening on {}", port.host());
    reactor.run()
}

#[cfg(test)]
mod tests {
    use reactor::testing::StringTransport;

    use super::*;

    /// What is written in answer to this.
    fn answer_to(question: &str) -> String {
        let users = Rc::new(Users::from([(&b"anna"[..], "At work")]));
        let mut wire =
            StringTransport::connect(LineReceiver::factory(move |lines| Finger { lines, users: Rc::clone(&users) }));
        wire.receive(question);
        assert!(wire.close_reason().is_some());
        String::from_utf8(wire.take_written()).unwrap()
    }

    #[test]
    fn the_first_line_is_answered() {
        assert_eq!(answer_to("anna\r\n"), "At work\r\n");
        assert_eq!(answer_to("anna\r\nbert\r\n"), "At work\r\n");
        assert_eq!(answer_to("bert\r\n"), "No such user\r\n");
    }
}
