//! A chat for those who have an account: `chat_login [ADDRESS [FILE]]`. FILE has lines `NAME:HASH`, as [`PasswordFile`] says, and
//! may change while the program runs; without it that is `accounts`. Each client says its name and then its password, and from
//! then on hears all others.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::{env, io};

use async_trait::async_trait;
use protocols::auth::{Identity, Login, LoginError, Password, PasswordFile, Portal, Realm};
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::Reactor;

/// Those who are in the room. A name may be there several times.
#[derive(Clone, Default)]
struct Room(Rc<RefCell<HashMap<Lines, String>>>);

/// A place in the room, which is taken when the client's lines are known.
struct Member {
    name: String,
    lines: RefCell<Option<Lines>>,
}

#[async_trait(?Send)]
impl Realm for Room {
    type Avatar = Member;

    async fn request_avatar(&self, who: &Identity) -> Result<Member, LoginError> {
        Ok(Member { name: who.to_string(), lines: RefCell::default() })
    }

    fn log_out(&self, member: &Member) {
        if let Some(lines) = member.lines.take() {
            self.0.borrow_mut().remove(&lines);
            self.say(&format!("* {} has left", member.name));
        }
    }
}

impl Room {
    fn enter(&self, member: &Member, lines: &Lines) {
        member.lines.replace(Some(lines.clone()));
        self.0.borrow_mut().insert(lines.clone(), member.name.clone());
        self.say(&format!("* {} is here", member.name));
    }

    fn say(&self, text: &str) {
        self.0.borrow().keys().for_each(|lines| lines.send_line(text));
    }
}

struct Chat {
    lines: Lines,
    room: Room,
    portal: Portal<Member>,
    state: State,
}

enum State {
    Name,
    Password(String),
    Inside(Login<Member>),
}

impl LineHandler for Chat {
    fn connection_made(&mut self) {
        self.lines.send_line("Your name?");
    }

    fn line_received(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line).into_owned();
        match &self.state {
            State::Name => {
                self.state = State::Password(line);
                self.lines.send_line("Your password?");
            }
            State::Password(name) => {
                // What comes meanwhile waits.
                self.lines.pause_reading();
                let password = Password::new(name, line);
                self.portal.login(self.lines.transport(), password, Self::logged_in);
            }
            State::Inside(member) => self.room.say(&format!("<{}> {line}", member.name)),
        }
    }
}

impl Chat {
    fn logged_in(&mut self, result: Result<Login<Member>, LoginError>) {
        self.lines.resume_reading();
        match result {
            Ok(member) => {
                self.room.enter(&member, &self.lines);
                self.state = State::Inside(member);
            }
            Err(error) => {
                self.state = State::Name;
                self.lines.send_line(format!("No: {error}. Your name?"));
            }
        }
    }
}

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8123".to_owned());
    let file = env::args().nth(2).unwrap_or_else(|| "accounts".to_owned());
    let (room, reactor) = (Room::default(), Reactor::new()?);
    let portal = Portal::new(room.clone());
    portal.register_checker::<Password>(PasswordFile::open(file).map_err(io::Error::other)?);
    let factory = LineReceiver::factory(move |lines| Chat {
        lines,
        room: room.clone(),
        portal: portal.clone(),
        state: State::Name,
    });
    let port = reactor.listen_tcp(address, factory)?;
    println!("listening on {}", port.host());
    reactor.run()
}
