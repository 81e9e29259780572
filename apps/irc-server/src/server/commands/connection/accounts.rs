//! `REGISTER` and `VERIFY`. <https://ircv3.net/specs/extensions/account-registration>

use protocols::irc::{Message, MessageBuilder};

use crate::server::Server;
use crate::server::request::{RegisterFailure, Request};
use crate::server::tables::client::Waiting;
use crate::server::values::ids::ClientId;
use crate::server::values::names::{Name, is_nick, key};

use super::super::or_star;

impl Server {
    /// `REGISTER {account} {email | *} {password}`: a star is the client's nick.
    pub(in crate::server::commands) fn register(&mut self, id: ClientId, message: &Message<'_>) {
        let Some(client) = self.client(id) else { return };
        let nick = client.nick.clone();
        let [account, _email, password, ..] = message.params() else {
            return self.need_more(id, "REGISTER");
        };
        let shown = or_star(account);
        let account = match (*account, &nick) {
            (b"*", Some(nick)) => nick.clone(),
            (account, _) => account.into(),
        };
        if let Err((code, text)) = self.may_register(id, &account, password) {
            return self.fail(id, "REGISTER", code, &[shown], text);
        }
        let request = Request::Register { account: account.clone(), password: password.to_vec() };
        self.ask(id, Waiting::Register(account), request);
    }

    /// Whether a client may register this account; the code and the text if not.
    pub(super) fn may_register(
        &self,
        id: ClientId,
        account: &[u8],
        password: &[u8],
    ) -> Result<(), (&'static str, &'static str)> {
        let client = self.client(id);
        let is_own_nick = client.and_then(|client| client.nick.as_ref()).is_some_and(|nick| key(nick) == key(account));
        if !self.settings.accounts.registration || self.settings.database.is_none() {
            Err(("DISALLOWED", "Accounts cannot be registered here"))
        } else if client.is_some_and(|client| client.account.is_some()) {
            Err(("ALREADY_AUTHENTICATED", "You are already logged in"))
        } else if !is_nick(account, self.settings.limits.nick_length) || &*key(account) == b"nickserv" {
            Err(("BAD_ACCOUNT_NAME", "That cannot be the name of an account"))
        } else if !is_own_nick {
            Err(("ACCOUNT_NAME_MUST_BE_NICK", "The name of your account must be your nickname"))
        } else if self.accounts.contains(&key(account)) {
            Err(("ACCOUNT_EXISTS", "There is an account of this name"))
        } else if password.len() < self.settings.accounts.password_length {
            Err(("WEAK_PASSWORD", "The password is too short"))
        } else {
            Ok(())
        }
    }

    pub(in crate::server::commands) fn registered(
        &mut self,
        id: ClientId,
        account: &Name,
        result: Result<Name, RegisterFailure>,
    ) {
        match result {
            Ok(account) => {
                let reply = MessageBuilder::new("REGISTER").source(&self.settings.server_name).param("SUCCESS");
                self.send_message(id, reply.param(&account).trailing("Account registered"));
                self.log_in(id, &account);
            }
            Err(failure) => {
                let (code, text) = reason(failure);
                self.fail(id, "REGISTER", code, &[account], text);
            }
        }
    }

    /// No account waits to be verified: none needs an address.
    pub(in crate::server::commands) fn verify(&mut self, id: ClientId, message: &Message<'_>) {
        let [account, _code, ..] = message.params() else { return self.need_more(id, "VERIFY") };
        self.fail(id, "VERIFY", "INVALID_CODE", &[or_star(account)], "No account of this name waits to be verified");
    }
}

/// Why there is no account, as a code and a text.
pub(super) fn reason(failure: RegisterFailure) -> (&'static str, &'static str) {
    match failure {
        RegisterFailure::Exists => ("ACCOUNT_EXISTS", "There is an account of this name"),
        RegisterFailure::WeakPassword => ("WEAK_PASSWORD", "The password is too short"),
        RegisterFailure::TooMany => ("TEMPORARILY_UNAVAILABLE", "Too many accounts from your address"),
        RegisterFailure::Unavailable => ("TEMPORARILY_UNAVAILABLE", "Try again later"),
    }
}
