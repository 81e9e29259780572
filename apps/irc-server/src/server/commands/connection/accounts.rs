//! `REGISTER` and `VERIFY`. <https://ircv3.net/specs/extensions/account-registration>

use protocols::irc::{Message, MessageBuilder};

use crate::server::Server;
use crate::server::client::Waiting;
use crate::server::ids::ClientId;
use crate::server::names::{Name, is_nick, key};
use crate::server::request::{RegisterFailure, Request};

use super::super::or_star;

impl Server {
    /// `REGISTER {account} {email | *} {password}`: a star is the client's nick.
    pub(in crate::server::commands) fn register(&mut self, id: ClientId, message: &Message<'_>) {
        let Some(client) = self.client(id) else { return };
        let nick = client.nick.clone();
        let logged_in = client.account.is_some();
        let [account, _email, password, ..] = message.params() else {
            return self.need_more(id, "REGISTER");
        };
        let shown = or_star(account);
        let account = match (*account, &nick) {
            (b"*", Some(nick)) => nick.clone(),
            (account, _) => account.into(),
        };
        let refuse = |server: &mut Self, code, text| server.fail(id, "REGISTER", code, &[shown], text);
        if !self.settings.accounts.registration || self.settings.database.is_none() {
            return refuse(self, "DISALLOWED", "Accounts cannot be registered here");
        }
        if logged_in {
            return refuse(self, "ALREADY_AUTHENTICATED", "You are already logged in");
        }
        if !is_nick(&account, self.settings.limits.nick_length) || &*key(&account) == b"nickserv" {
            return refuse(self, "BAD_ACCOUNT_NAME", "That cannot be the name of an account");
        }
        if nick.is_none_or(|nick| key(&nick) != key(&account)) {
            return refuse(self, "ACCOUNT_NAME_MUST_BE_NICK", "The name of your account must be your nickname");
        }
        if self.accounts.contains(&key(&account)) {
            return refuse(self, "ACCOUNT_EXISTS", "There is an account of this name");
        }
        if password.len() < self.settings.accounts.password_length {
            return refuse(self, "WEAK_PASSWORD", "The password is too short");
        }
        let request = Request::Register { account: account.clone(), password: password.to_vec() };
        self.ask(id, Waiting::Register(account), request);
    }

    pub(in crate::server::commands) fn registered(
        &mut self,
        id: ClientId,
        account: &Name,
        result: Result<Name, RegisterFailure>,
    ) {
        let (code, text) = match result {
            Ok(account) => {
                self.accounts.insert(key(&account));
                let reply = MessageBuilder::new("REGISTER").source(&self.settings.server_name).param("SUCCESS");
                self.send_message(id, reply.param(&account).trailing("Account registered"));
                return self.log_in(id, &account);
            }
            Err(RegisterFailure::Exists) => ("ACCOUNT_EXISTS", "There is an account of this name"),
            Err(RegisterFailure::WeakPassword) => ("WEAK_PASSWORD", "The password is too short"),
            Err(RegisterFailure::TooMany) => ("TEMPORARILY_UNAVAILABLE", "Too many accounts from your address"),
            Err(RegisterFailure::Unavailable) => ("TEMPORARILY_UNAVAILABLE", "Try again later"),
        };
        self.fail(id, "REGISTER", code, &[account], text);
    }

    /// No account waits to be verified: none needs an address.
    pub(in crate::server::commands) fn verify(&mut self, id: ClientId, message: &Message<'_>) {
        let [account, _code, ..] = message.params() else { return self.need_more(id, "VERIFY") };
        self.fail(id, "VERIFY", "INVALID_CODE", &[or_star(account)], "No account of this name waits to be verified");
    }
}
