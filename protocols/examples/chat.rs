//! Asks each client for a name that is not taken, then lets it talk with all others: `chat [ADDRESS]`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::{env, io};

use protocols::{LineHandler, LineReceiver, Lines};
use reactor::{CloseReason, Reactor};

/// The connected users by name.
type Users = Rc<RefCell<HashMap<Vec<u8>, Lines>>>;

struct Chat {
    lines: Lines,
    users: Users,
    name: Option<Vec<u8>>,
}

impl LineHandler for Chat {
    fn connection_made(&mut self) {
        self.lines.send_line("What's your name?");
    }

    fn line_received(&mut self, line: &[u8]) {
        match &self.name {
            Some(name) => self.say(name, line),
            None => self.join(line),
        }
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        if let Some(name) = &self.name {
            self.users.borrow_mut().remove(name);
        }
    }
}

impl Chat {
    fn join(&mut self, name: &[u8]) {
        if self.users.borrow().contains_key(name) {
            self.lines.send_line("Name taken, please choose another.");
            return;
        }
        self.lines.send_line([b"Welcome, ", name, b"!"].concat());
        self.users.borrow_mut().insert(name.to_owned(), self.lines.clone());
        self.name = Some(name.to_owned());
    }

    fn say(&self, name: &[u8], message: &[u8]) {
        let message = [b"<", name, b"> ", message].concat();
        for (user, lines) in &*self.users.borrow() {
            if user != name {
                lines.send_line(&message);
            }
        }
    }
}

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8123".to_owned());
    let reactor = Reactor::new()?;
    let users = Users::default();
    let factory = LineReceiver::factory(move |lines| Chat { lines, users: Rc::clone(&users), name: None });
    let port = reactor.listen_tcp(address, factory)?;
    println!("listening on {}", port.host());
    reactor.run()
}
