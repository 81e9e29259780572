//! Lets users log in, by a password or anonymously, and tells them what they may do: `privileges [ADDRESS]`. Users are `auser`,
//! whose password is `thepass`, and `SECONDUSER`, whose password is `secret`.

use std::{env, io};

use async_trait::async_trait;
use protocols::auth::{
    AllowAnonymous, Anonymous, Identity, Login, LoginError, Password, PasswordHash, PasswordTable, Portal, Realm,
};
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::Reactor;

/// What a protocol works with: who it is, and what that user may do.
struct User {
    kind: &'static str,
    privileges: Vec<u32>,
}

struct Users;

#[async_trait(?Send)]
impl Realm for Users {
    type Avatar = User;

    async fn request_avatar(&self, who: &Identity) -> Result<User, LoginError> {
        Ok(match who.name() {
            None => User { kind: "anonymous user", privileges: vec![1, 2, 3] },
            // Capitalized users are administrators.
            Some(name) if name == name.to_uppercase() => User { kind: "administrator", privileges: (0..50).collect() },
            Some(_) => User { kind: "regular user", privileges: vec![1, 2, 3, 5, 6] },
        })
    }

    fn log_out(&self, user: &User) {
        println!("Cleaning up {} resources", user.kind);
    }
}

struct Session {
    lines: Lines,
    portal: Portal<User>,
    name: Option<String>,
    user: Option<Login<User>>,
}

impl Session {
    fn logged_in(&mut self, result: Result<Login<User>, LoginError>) {
        self.lines.resume_reading();
        match result {
            Ok(user) => {
                self.user = Some(user);
                self.lines.send_line("Login successful.  Available commands: PRIVS");
            }
            Err(error) => self.lines.send_line(format!("Login denied: {error}")),
        }
    }
}

impl LineHandler for Session {
    fn connection_made(&mut self) {
        self.lines.send_line("Login with USER <name> followed by PASS <password> or ANON");
        self.lines.send_line("Check privileges with PRIVS");
    }

    fn line_received(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        match (line.split(' ').collect::<Vec<_>>()[..].as_ref(), &self.user) {
            (["ANON"], _) => {
                self.lines.pause_reading();
                self.portal.login(self.lines.transport(), Anonymous, Self::logged_in);
            }
            (["USER", name], _) => {
                self.name = Some((*name).to_owned());
                self.lines.send_line("Alright.  Now PASS?");
            }
            (["PASS", password], _) => match self.name.take() {
                None => self.lines.send_line("USER required before PASS"),
                Some(name) => {
                    self.lines.pause_reading();
                    self.portal.login(self.lines.transport(), Password::new(name, *password), Self::logged_in);
                }
            },
            (["PRIVS"], Some(user)) => {
                let privileges: Vec<_> = user.privileges.iter().map(u32::to_string).collect();
                self.lines.send_line("You have the following privileges: ");
                self.lines.send_line(privileges.join(" "));
            }
            (["PRIVS"], None) => self.lines.send_line("Nobody has logged in."),
            _ => self.lines.send_line("No such command, or the wrong number of arguments."),
        }
    }
}

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:4738".to_owned());
    let users = PasswordTable::new();
    users.insert("auser", PasswordHash::new("thepass"));
    users.insert("SECONDUSER", PasswordHash::new("secret"));
    let portal = Portal::new(Users);
    portal.register_checker::<Password>(users);
    portal.register_checker(AllowAnonymous);

    let reactor = Reactor::new()?;
    let factory = LineReceiver::factory(move |lines| Session { lines, portal: portal.clone(), name: None, user: None });
    let port = reactor.listen_tcp(address, factory)?;
    println!("listening on {}", port.host());
    reactor.run()
}
