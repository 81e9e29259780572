//! What is said until a server accepts a client: capabilities, an account, a nick.

use std::collections::BTreeSet;
use std::rc::Rc;

use data_encoding::BASE64;
use reactor::text::escaped;

use crate::auth::SaslClient;
use crate::irc::client::handle::IrcClient;
use crate::irc::client::settings::ClientSettings;
use crate::irc::message::Message;
use crate::irc::message::builder::MessageBuilder;

/// A client's side of the registration, and of capabilities that servers offer later.
#[derive(Debug)]
pub(crate) struct Registration {
    settings: Rc<ClientSettings>,
    is_done: bool,
    /// The capabilities wished that the server has offered in this answer, of several lines, or of several answers.
    offered: BTreeSet<Vec<u8>>,
    /// What the server said about SASL: its mechanisms.
    mechanisms: Option<Vec<u8>>,
    /// The capabilities asked for and not answered.
    requested: BTreeSet<Vec<u8>>,
    account: Account,
    /// The part of a challenge that has come.
    challenge: Vec<u8>,
    collisions: u8,
}

#[derive(Debug)]
enum Account {
    /// There was no reason or no time to ask for it.
    NotAsked,
    /// The mechanism is asked for, and the first message not sent.
    Asked(SaslClient),
    Answering(SaslClient),
    LoggedIn,
}

/// What a message of the registration leads to, beyond what is sent at once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Nothing,
    SignedOn,
    /// The nick is in use.
    Collision,
    /// The account's password is to answer this challenge.
    Answer(Vec<u8>),
    /// The connection is of no use: the reason.
    Failed(String),
}

const SASL: &[u8] = b"sasl";

/// The length of a message that other messages continue (IRCv3's `sasl`).
const CHUNK: usize = 400;

/// Far more than any mechanism needs.
const MAX_CHALLENGE: usize = 16 * 1024;

/// The most nicks that are tried.
const MAX_COLLISIONS: u8 = 20;

/// How many bytes of names a request has; with its command it fits a message.
const MAX_REQUEST: usize = 400;

impl Registration {
    pub(crate) fn new(settings: Rc<ClientSettings>) -> Self {
        Self {
            settings,
            is_done: false,
            offered: BTreeSet::new(),
            mechanisms: None,
            requested: BTreeSet::new(),
            account: Account::NotAsked,
            challenge: Vec::new(),
            collisions: 0,
        }
    }

    pub(crate) fn start(&self, irc: &IrcClient) {
        let settings = &*self.settings;
        if settings.sasl.is_some() || !settings.capabilities.is_empty() {
            irc.send_now(&MessageBuilder::new("CAP").param("LS").param("302"));
        }
        if let Some(password) = &settings.password {
            irc.send_now(&MessageBuilder::new("PASS").param(password.expose()));
        }
        irc.send_now(&MessageBuilder::new("NICK").param(&settings.nick));
        let user = MessageBuilder::new("USER").param(&settings.user_name).param("0").param("*");
        irc.send_now(&user.trailing(&settings.real_name));
    }

    pub(crate) fn received(&mut self, message: &Message<'_>, irc: &IrcClient) -> Step {
        match message.command() {
            b"CAP" => self.capabilities(message.params(), irc),
            b"AUTHENTICATE" => self.authenticate(message.param(0).unwrap_or_default(), irc),
            b"903" => self.logged_in(irc),
            b"902" | b"904" | b"905" | b"906" | b"907" if self.is_logging_in() => {
                Step::Failed(format!("the server refuses the account: {}", text_of(message)))
            }
            b"001" if !self.is_done => {
                if self.settings.sasl.is_some() && !matches!(self.account, Account::LoggedIn) {
                    return Step::Failed("the server lets nobody log in to an account by SASL".to_owned());
                }
                self.is_done = true;
                Step::SignedOn
            }
            b"433" | b"436" | b"437" if !self.is_done => {
                self.collisions += 1;
                if self.collisions > MAX_COLLISIONS {
                    return Step::Failed(format!("no nick of {MAX_COLLISIONS} is free: {}", text_of(message)));
                }
                Step::Collision
            }
            b"432" | b"464" | b"465" if !self.is_done => {
                Step::Failed(format!("the server refuses the client: {}", text_of(message)))
            }
            _ => Step::Nothing,
        }
    }

    fn is_logging_in(&self) -> bool {
        matches!(self.account, Account::Asked(_) | Account::Answering(_))
    }

    fn capabilities(&mut self, params: &[&[u8]], irc: &IrcClient) -> Step {
        let [_, subcommand, arguments @ ..] = params else { return Step::Nothing };
        let names = arguments.last().copied().unwrap_or_default().split(|byte| *byte == b' ');
        let names = names.filter(|name| !name.is_empty());
        match subcommand.to_ascii_uppercase().as_slice() {
            b"LS" | b"NEW" => {
                for name in names {
                    let (name, value) = match name.iter().position(|byte| *byte == b'=') {
                        Some(at) => (&name[..at], &name[at + 1..]),
                        None => (name, &b""[..]),
                    };
                    if name == SASL {
                        self.mechanisms = Some(value.to_vec());
                    }
                    let is_wished = self.settings.capabilities.iter().any(|wished| wished == name);
                    if is_wished || name == SASL && self.settings.sasl.is_some() && !self.is_done {
                        self.offered.insert(name.to_vec());
                    }
                }
                // More lines of the answer follow.
                if arguments.len() > 1 && arguments[0] == b"*" {
                    return Step::Nothing;
                }
                self.request(irc);
            }
            b"ACK" => {
                for name in names {
                    let mut enabled = irc.0.kind.capabilities.borrow_mut();
                    match name.strip_prefix(b"-") {
                        Some(name) => enabled.remove(name),
                        // Others were not asked for.
                        None => self.requested.remove(name) && enabled.insert(name.to_vec()),
                    };
                }
            }
            b"NAK" => names.for_each(|name| {
                self.requested.remove(name);
            }),
            b"DEL" => names.for_each(|name| {
                irc.0.kind.capabilities.borrow_mut().remove(name);
            }),
            _ => {}
        }
        if self.requested.is_empty() && !self.is_done && matches!(self.account, Account::NotAsked) {
            return self.agreed(irc);
        }
        Step::Nothing
    }

    /// Requests what is wished and offered.
    fn request(&mut self, irc: &IrcClient) {
        let mut line = Vec::new();
        for name in std::mem::take(&mut self.offered) {
            if !line.is_empty() && line.len() + name.len() >= MAX_REQUEST {
                irc.send_now(&MessageBuilder::new("CAP").param("REQ").trailing(std::mem::take(&mut line)));
            }
            if !line.is_empty() {
                line.push(b' ');
            }
            line.extend_from_slice(&name);
            self.requested.insert(name);
        }
        if !line.is_empty() {
            irc.send_now(&MessageBuilder::new("CAP").param("REQ").trailing(line));
        }
    }

    /// The server has answered all requests: the account is next, or nothing more.
    fn agreed(&mut self, irc: &IrcClient) -> Step {
        let Some(choose) = &self.settings.sasl else {
            end(irc);
            return Step::Nothing;
        };
        if !irc.0.kind.capabilities.borrow().contains(SASL) {
            return Step::Failed("the server lets nobody log in to an account by SASL".to_owned());
        }
        // Servers that do not say which mechanisms they have are old and have these.
        let mechanisms = match self.mechanisms.as_deref() {
            None | Some([]) => "PLAIN,EXTERNAL".into(),
            Some(mechanisms) => String::from_utf8_lossy(mechanisms),
        };
        let offered: Vec<_> = mechanisms.split(',').collect();
        let Some(sasl) = choose(&offered, irc.transport()) else {
            return Step::Failed(format!("none of the server's mechanisms of SASL will do: {}", escaped(&*mechanisms)));
        };
        irc.send_now(&MessageBuilder::new("AUTHENTICATE").param(sasl.mechanism()));
        self.account = Account::Asked(sasl);
        Step::Nothing
    }

    fn authenticate(&mut self, chunk: &[u8], irc: &IrcClient) -> Step {
        if !self.is_logging_in() {
            return Step::Nothing;
        }
        if chunk != b"+" {
            self.challenge.extend_from_slice(chunk);
            if self.challenge.len() > MAX_CHALLENGE {
                return Step::Failed("the server's challenge is too long".to_owned());
            }
            if chunk.len() == CHUNK {
                return Step::Nothing;
            }
        }
        let Ok(challenge) = BASE64.decode(&std::mem::take(&mut self.challenge)) else {
            return Step::Failed("the server's challenge is not in Base64".to_owned());
        };
        match std::mem::replace(&mut self.account, Account::NotAsked) {
            Account::Asked(sasl) if challenge.is_empty() => {
                send_chunks(&sasl.first_message(), irc);
                self.account = Account::Answering(sasl);
                Step::Nothing
            }
            Account::Asked(_) => {
                Step::Failed("the server speaks first, which this mechanism does not allow".to_owned())
            }
            other => {
                self.account = other;
                Step::Answer(challenge)
            }
        }
    }

    /// What answers challenges.
    pub(crate) fn sasl(&self) -> Option<&SaslClient> {
        match &self.account {
            Account::Asked(sasl) | Account::Answering(sasl) => Some(sasl),
            Account::NotAsked | Account::LoggedIn => None,
        }
    }

    fn logged_in(&mut self, irc: &IrcClient) -> Step {
        let Some(sasl) = self.sasl() else { return Step::Nothing };
        if let Err(error) = sasl.finish() {
            return Step::Failed(format!("the server does not know the account's password: {error}"));
        }
        self.account = Account::LoggedIn;
        end(irc);
        Step::Nothing
    }
}

fn end(irc: &IrcClient) {
    irc.send_now(&MessageBuilder::new("CAP").param("END"));
}

/// Sends a message of SASL: Base64 in pieces, of which a full one is not the last.
pub(crate) fn send_chunks(message: &[u8], irc: &IrcClient) {
    let text = BASE64.encode(message);
    for chunk in text.as_bytes().chunks(CHUNK) {
        irc.send_now(&MessageBuilder::new("AUTHENTICATE").param(chunk));
    }
    if text.len().is_multiple_of(CHUNK) {
        irc.send_now(&MessageBuilder::new("AUTHENTICATE").param("+"));
    }
}

/// What a server says for people, as it may be shown.
fn text_of(message: &Message<'_>) -> String {
    escaped(message.params().last().copied().unwrap_or_default()).to_string()
}
