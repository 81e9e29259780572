//! Finger, stage 11: a service, which starts, logs, and stops in order: `finger11 [ENDPOINT]`.

use std::collections::HashMap;
use std::process::ExitCode;
use std::rc::Rc;
use std::{env, io};

use protocols::{LineHandler, LineReceiver, Lines};
use reactor::endpoint::server_from_string;
use reactor::service::{EndpointService, Runner};

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

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(false).init();
    let endpoint = env::args().nth(1).unwrap_or_else(|| "tcp:1079:interface=127.0.0.1".to_owned());
    let users = Rc::new(Users::from([(&b"moshez"[..], "Happy and well")]));
    Runner::new("finger11").run(|reactor| {
        let factory = LineReceiver::factory(move |lines| Finger { lines, users: Rc::clone(&users) });
        Ok(EndpointService::new(server_from_string(reactor, &endpoint)?, factory))
    })
}
