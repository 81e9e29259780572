//! Files of accounts, and what the two ends of SASL are told.

use std::cell::{Cell, RefCell};
use std::fs;
use std::rc::Rc;

use protocols::auth::{
    AttemptLimit, Identity, Password, PasswordFile, PasswordTable, Portal, SaslClient, SaslExchange, SaslStep,
    ScramExchange,
};
use reactor::testing::StringTransport;
use reactor::{Protocol, Transport};
use tempfile::TempDir;

thread_local! {
    static FOLDER: TempDir = tempfile::tempdir().unwrap();
}

/// A file of accounts.
pub fn accounts(data: &[u8]) {
    FOLDER.with(|folder| {
        let path = folder.path().join("accounts");
        fs::write(&path, data).unwrap();
        let Err(error) = PasswordFile::open(&path) else { return };
        let lines = data.split(|byte| *byte == b'\n').count();
        assert!(error.line().is_some_and(|line| (1..=lines).contains(&line)), "{error}");
        let text = error.to_string();
        assert!(!text.contains(char::is_control) && text.len() < 500, "{text:?}");
    });
}

/// Runs one mechanism, and then the next.
struct Server {
    transport: Transport,
    portal: Portal<Identity>,
    exchange: Option<SaslExchange>,
    done: Rc<RefCell<Vec<bool>>>,
}

impl Server {
    fn start(&mut self, mechanism: &str, initial: Option<&[u8]>) {
        let exchange = self.portal.start_sasl(&self.transport, mechanism, initial, |this: &mut Self, step| {
            if let SaslStep::Done(result) = step {
                this.done.borrow_mut().push(result.is_ok());
                this.exchange = None;
            }
        });
        self.exchange = Some(exchange);
    }
}

impl Protocol for Server {
    fn data_received(&mut self, answer: &[u8]) {
        match &self.exchange {
            Some(exchange) => exchange.respond(answer),
            None => self.start("SCRAM-SHA-256", Some(answer)),
        }
    }
}

/// The first byte selects a mechanism, and whether the client speaks first; messages follow, which end with line feeds.
pub fn sasl(data: &[u8]) {
    let [choice, messages @ ..] = data else { return };
    let mechanism = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "EXTERNAL"][usize::from(choice % 4)];
    let messages = messages.split(|byte| *byte == b'\n');
    let knows = messages.clone().any(|message| message.ends_with(b"\0hunter2"));
    server(mechanism, choice & 4 == 0, messages.clone(), knows);
    client(messages);
}

fn server<'a>(mechanism: &str, first: bool, mut messages: impl Iterator<Item = &'a [u8]>, knows: bool) {
    let accounts = PasswordTable::new();
    accounts.insert("ann", ARGON2.parse::<protocols::auth::PasswordHash>().unwrap());
    accounts.insert("bob", protocols::auth::ScramVerifier::with_iterations("hunter2", 1));
    let portal = Portal::new(|who: &Identity| who.clone());
    portal.register_checker::<Password>(accounts.clone());
    portal.register_checker::<ScramExchange>(accounts);
    portal.set_attempt_limit(AttemptLimit::none());
    portal.allow_plain_text();
    let done = Rc::new(RefCell::new(Vec::new()));
    let told = Rc::clone(&done);
    let mut wire = StringTransport::connect(move |transport| Server {
        transport,
        portal: portal.clone(),
        exchange: None,
        done: Rc::clone(&told),
    });
    let initial = if first { messages.next() } else { None };
    wire.protocol::<Server>().start(mechanism, initial);
    wire.settle();
    for message in messages {
        wire.receive(message);
    }
    // Nobody can prove by SCRAM what the fuzzer does not know, with a nonce that is new each time.
    assert!(knows || done.borrow().iter().all(|succeeded| !succeeded), "{mechanism}");
}

fn client<'a>(challenges: impl Iterator<Item = &'a [u8]>) {
    let sasl = SaslClient::scram(&Password::new("ann", "hunter2"));
    let mut wire = StringTransport::connect(|_| Idle);
    let transport = wire.transport().clone();
    let answers = Rc::new(Cell::new(0));
    for challenge in challenges {
        let counted = Rc::clone(&answers);
        sasl.respond(&transport, challenge, move |_: &mut Idle, answer| {
            counted.set(counted.get() + usize::from(answer.is_ok()));
        });
        wire.settle();
    }
    assert!(answers.get() == 0 && sasl.finish().is_err());
}

struct Idle;

impl Protocol for Idle {
    fn data_received(&mut self, _data: &[u8]) {}
}

/// Of "hunter2".
const ARGON2: &str = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQxMg$FGcBELUhOL9F2DLwjUdRfF4HipeCFxg1LZnptKDyEGs";
