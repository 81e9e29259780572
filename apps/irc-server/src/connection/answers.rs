//! Answers to what the server asks for a client.

use std::sync::Arc;

use futures_channel::oneshot;
use protocols::auth::{PasswordHash, ScramVerifier};
use reactor::Reactor;

use crate::connection::Session;
use crate::connection::hub::Hub;
use crate::server::Name;
use crate::server::request::{Answer, LoginFailure, RegisterFailure, Request};
use crate::store::{Pending, StoreError};

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
        let (tell, told) = oneshot::channel();
        let hub = self.clone();
        // Not with the connection: an account that was made is known though nobody waits for the answer any more.
        self.reactor().spawn(async move {
            let result = make_account(&hub, &account, password).await;
            if result.is_ok() {
                hub.call(None, |server, _| server.add_accounts([Arc::clone(&account)]));
            }
            let _ = tell.send(result.map(|()| account));
        });
        session.wire().defer(told, |this, told| {
            this.answered(Answer::Registered(told.unwrap_or(Err(RegisterFailure::Unavailable))));
        });
    }
}

async fn make_account(hub: &Hub, account: &[u8], password: Vec<u8>) -> Result<(), RegisterFailure> {
    let hash = hash(hub.reactor(), password).await.ok_or(RegisterFailure::Unavailable)?;
    match found(hub.node().store().add_account(account, &hash, hub.now()).await) {
        Some(true) => Ok(()),
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
    result.inspect_err(|error| tracing::error!(%error, "a client has no answer")).ok()
}
