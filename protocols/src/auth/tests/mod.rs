mod attempts;
mod checkers;
mod files;
mod logins;
mod passwords;
mod sasl;
mod secrets;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use argon2::{Argon2, Params, PasswordHasher as _};
use async_trait::async_trait;
use data_encoding::BASE64;
use reactor::{Factory, OnEof};

use crate::auth::{Identity, Login, LoginError, Password, PasswordHash, Portal, Realm, SaslExchange, SaslStep};
use crate::{LineHandler, LineReceiver, Lines};

/// A hash that takes no time, even without optimisation.
fn cheap(password: &str) -> PasswordHash {
    let params = Params::new(Params::MIN_M_COST, 1, 1, None).unwrap();
    Argon2::from(params).hash_password(password.as_bytes()).unwrap().to_string().parse().unwrap()
}

/// A realm that counts.
#[derive(Clone, Default)]
struct Members(Rc<Counts>);

#[derive(Default)]
struct Counts {
    made: Cell<usize>,
    logged_out: RefCell<Vec<String>>,
}

impl Members {
    fn made(&self) -> usize {
        self.0.made.get()
    }

    fn logged_out(&self) -> Vec<String> {
        self.0.logged_out.borrow().clone()
    }
}

struct Member(String);

#[async_trait(?Send)]
impl Realm for Members {
    type Avatar = Member;

    async fn request_avatar(&self, who: &Identity) -> Result<Member, LoginError> {
        self.0.made.set(self.0.made.get() + 1);
        Ok(Member(who.to_string()))
    }

    fn log_out(&self, member: &Member) {
        self.0.logged_out.borrow_mut().push(member.0.clone());
    }
}

/// `LOGIN NAME PASSWORD`, `AUTH MECHANISM [BASE64|=]` and what follows it in base64, `WHO`, `LOGOUT`.
struct Session {
    lines: Lines,
    portal: Portal<Member>,
    exchange: Option<SaslExchange>,
    login: Option<Login<Member>>,
}

fn serve(portal: &Portal<Member>) -> impl Factory + use<> {
    let portal = portal.clone();
    LineReceiver::factory(move |lines| Session { lines, portal: portal.clone(), exchange: None, login: None })
}

impl Session {
    fn done(&mut self, result: Result<Login<Member>, LoginError>) {
        self.exchange = None;
        self.lines.resume_reading();
        match result {
            Ok(login) => {
                self.lines.send_line(format!("OK {}", login.0));
                self.login = Some(login);
            }
            Err(error) => self.lines.send_line(format!("NO {error}")),
        }
    }

    fn authenticate(&mut self, mechanism: &str, initial: Option<&str>) {
        let initial =
            initial.map(|text| if text == "=" { Vec::new() } else { BASE64.decode(text.as_bytes()).unwrap() });
        let step = |this: &mut Self, step| match step {
            SaslStep::Challenge(challenge) => {
                this.lines.resume_reading();
                this.lines.send_line(format!("+ {}", BASE64.encode(&challenge)));
            }
            SaslStep::Done(result) => this.done(result),
        };
        let exchange = self.portal.start_sasl(self.lines.transport(), mechanism, initial.as_deref(), step);
        self.exchange = Some(exchange);
        self.lines.pause_reading();
    }
}

impl LineHandler for Session {
    fn line_received(&mut self, line: &[u8]) {
        let line = str::from_utf8(line).unwrap();
        if let Some(exchange) = &self.exchange {
            return match BASE64.decode(line.as_bytes()) {
                Ok(answer) => {
                    self.lines.pause_reading();
                    exchange.respond(&answer);
                }
                Err(_) => {
                    self.exchange = None;
                    self.lines.send_line("NO given up");
                }
            };
        }
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["LOGIN", name, password] => {
                let done = |this: &mut Self, result| this.done(result);
                self.portal.login(self.lines.transport(), Password::new(name, password), done);
                self.lines.pause_reading();
            }
            ["AUTH", mechanism] => self.authenticate(mechanism, None),
            ["AUTH", mechanism, initial] => self.authenticate(mechanism, Some(initial)),
            ["MECHANISMS"] => {
                let offered = self.portal.sasl_mechanisms(self.lines.transport());
                self.lines.send_line(offered.join(" "));
            }
            ["WHO"] => self.lines.send_line(self.login.as_ref().map_or("nobody", |login| &login.0)),
            ["LOGOUT"] => self.login = None,
            ["QUIT"] => self.lines.lose_connection(),
            _ => self.lines.send_line("BAD"),
        }
    }

    fn eof_received(&mut self, _unfinished: &[u8]) -> OnEof {
        OnEof::Close
    }
}
