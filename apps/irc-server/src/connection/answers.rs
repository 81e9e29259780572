//! Answers to what the server asks for a client.

use std::sync::Arc;

use futures_channel::oneshot;
use protocols::auth::{PasswordHash, ScramVerifier};
use reactor::Reactor;

use crate::connection::Session;
use crate::connection::hub::Hub;
use crate::server::Name;
use crate::server::request::{Answer, LoginFailure, RegisterFailure, Request};
use crate::store::{Account, Pending, StoreError};

impl Hub {
    /// Finds the answer for a session, which waits for it.
    pub(super) fn ask(&self, session: &mut Session, request: Request) {
        let store = self.node().store();
        match request {
            Request::History(query) => {
                let lines = store.history(query);
                session.wire().defer(lines, |this, lines| this.answered(Answer::History(found(lines).flatten())));
            }
            Request::Targets { of, channels, after, before, limit } => {
                let targets = store.targets(of, channels, after, before, limit);
                session.wire().defer(targets, |this, targets| {
                    this.answered(Answer::Targets(found(targets).unwrap_or_default()));
                });
            }
            Request::ServerPassword(password) => {
                self.logins().check_server_password(session.wire().transport(), password);
            }
            Request::Oper { name, password } => {
                self.logins().check_operator(session.wire().transport(), &name, password, self.node());
            }
            Request::SaslStart(mechanism) => {
                let exchange = self.logins().start_sasl(session.wire().transport(), &mechanism);
                session.set_exchange(Some(exchange));
            }
            Request::SaslRespond(answer) => match session.exchange() {
                Some(exchange) => exchange.respond(&answer),
                None => session.answer_later(Answer::Login(Err(LoginFailure::Refused))),
            },
            Request::SaslAbort => {
                session.set_exchange(None);
                session.answer_later(Answer::Login(Err(LoginFailure::Aborted)));
            }
            Request::Register { account, password } => self.register(session, account, password),
            Request::Identify { account, password } => {
                self.logins().identify(session.wire().transport(), &account, password, |this, result| {
                    this.answered(Answer::Login(result));
                });
            }
            Request::Account { account, change } => self.change_account(session, account, change),
        }
    }

    pub(super) fn wait_until_kept(&self, session: &Session, committed: Pending<()>) {
        session.wire().defer(committed, |this, kept| this.answered(Answer::Kept(found(kept).is_some())));
    }

    fn register(&self, session: &mut Session, account: Name, password: Vec<u8>) {
        let (now, most) = (self.now(), self.node().settings().accounts.registrations_per_hour);
        let address = session.wire().transport().peer().socket_addr().map(|address| address.ip());
        if address.is_some_and(|address| !self.node().registrations().admits(address, most, now)) {
            return session.answer_later(Answer::Registered(Err(RegisterFailure::TooMany)));
        }
        let hub = self.clone();
        let made = self.run_to_its_end(async move { make_account(&hub, account, password).await });
        session.wire().defer(made, |this, made| {
            this.answered(Answer::Registered(made.unwrap_or(Err(RegisterFailure::Unavailable))));
        });
    }

    /// Runs this though the connection that waits for the result may end: what was begun is not left half done.
    pub(super) fn run_to_its_end<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> oneshot::Receiver<T> {
        let (tell, told) = oneshot::channel();
        self.reactor().spawn(async move {
            // Nobody may wait any more.
            let _ = tell.send(future.await);
        });
        told
    }
}

async fn make_account(hub: &Hub, name: Name, password: Vec<u8>) -> Result<Name, RegisterFailure> {
    let password = hash(hub.reactor(), password).await.ok_or(RegisterFailure::Unavailable)?;
    let account = Account { name: Arc::clone(&name), password, created: hub.now(), certificates: Vec::new() };
    match found(hub.node().directory().register(hub, account).await) {
        Some(true) => Ok(name),
        Some(false) => Err(RegisterFailure::Exists),
        None => Err(RegisterFailure::Unavailable),
    }
}

/// What is kept of a password. It takes long, so another thread does it.
pub(super) async fn hash(reactor: &Reactor, password: Vec<u8>) -> Option<PasswordHash> {
    let hashing = reactor.defer_to_thread(move || PasswordHash::from(ScramVerifier::new(password)));
    hashing.await.inspect_err(|error| tracing::error!(%error, "a password cannot be hashed")).ok()
}

/// What the store has found. That it failed is logged.
pub(super) fn found<T>(result: Result<T, StoreError>) -> Option<T> {
    result.inspect_err(|error| tracing::error!(%error, "what a client has asked for could not be done")).ok()
}
