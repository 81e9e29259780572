//! Finger, stage 8: looks users up with a future, which may take time and may fail: `finger08 [ADDRESS]`.

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
        self.lines.pause_reading();
        let found = get_user(Rc::clone(&self.users), user.to_owned());
        self.lines.defer(found, |this: &mut Self, answer| {
            this.lines.send_line(answer.unwrap_or("Internal error in server"));
            this.lines.lose_connection();
        });
    }
}

async fn get_user(users: Rc<Users>, user: Vec<u8>) -> io::Result<&'static str> {
    Ok(users.get(&user[..]).copied().unwrap_or("No such user"))
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
