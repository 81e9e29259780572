//! `NickServ`: accounts for people whose clients know neither SASL nor `REGISTER`. `/msg NickServ HELP`.

use protocols::irc::MessageBuilder;

use crate::server::Server;
use crate::server::commands::Caller;
use crate::server::request::{AccountChange, LoginFailure, RegisterFailure, Request};
use crate::server::tables::client::Waiting;
use crate::server::values::ids::ClientId;
use crate::server::values::names::{Name, key};

use super::accounts::reason;

/// What somebody has asked for, to be told when it is done.
#[derive(Debug)]
pub(in crate::server) enum Asked {
    Password,
    AddCertificate,
    RemoveCertificate,
    Certificates,
    Drop,
}

const HELP: [&str; 9] = [
    "REGISTER password: make an account that is called like your nick, and keep the nick for you",
    "IDENTIFY [account] password: log in",
    "PASSWD old new: change your password",
    "CERT ADD: let the certificate of this connection log in (SASL EXTERNAL)",
    "CERT DEL fingerprint: let that certificate no longer log in",
    "CERT LIST: the fingerprints of your certificates",
    "GHOST nick: disconnect another session that has the nick of your account, so that you can take it",
    "DROP password: remove your account",
    "HELP: this",
];

impl Server {
    pub(in crate::server::commands) fn nickserv(&mut self, caller: Caller, text: &[u8]) {
        let id = caller.id;
        let words: Vec<_> = text.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).collect();
        let [command, rest @ ..] = &words[..] else { return self.help_with_accounts(id) };
        match (&*command.to_ascii_uppercase(), rest) {
            (b"REGISTER", [password, ..]) => self.register_by_nickserv(id, password),
            (b"IDENTIFY", [password]) => self.identify(id, None, password),
            (b"IDENTIFY", [account, password, ..]) => self.identify(id, Some(account), password),
            (b"PASSWD", [old, new, ..]) => {
                if new.len() < self.settings.accounts.password_length {
                    return self.say_as_nickserv(id, "That password is too short.");
                }
                let change = AccountChange::Password { old: old.to_vec(), new: new.to_vec() };
                self.change_account(id, Asked::Password, change);
            }
            (b"CERT", [what, rest @ ..]) => self.certificate(id, what, rest),
            (b"DROP", [password, ..]) => {
                let change = AccountChange::Drop { password: password.to_vec() };
                self.change_account(id, Asked::Drop, change);
            }
            (b"GHOST", [nick, ..]) => self.ghost(caller, nick),
            _ => self.help_with_accounts(id),
        }
    }

    fn help_with_accounts(&mut self, id: ClientId) {
        for line in HELP {
            self.say_as_nickserv(id, line);
        }
    }

    fn register_by_nickserv(&mut self, id: ClientId, password: &[u8]) {
        let Some(account) = self.client(id).and_then(|client| client.nick.clone()) else { return };
        if let Err((_, text)) = self.may_register(id, &account, password) {
            return self.say_as_nickserv(id, format!("{text}."));
        }
        let request = Request::Register { account: account.clone(), password: password.to_vec() };
        self.ask(id, Waiting::RegisterByNickServ(account), request);
    }

    pub(in crate::server::commands) fn registered_by_nickserv(
        &mut self,
        id: ClientId,
        account: &Name,
        result: Result<Name, RegisterFailure>,
    ) {
        if let Err(failure) = result {
            return self.say_as_nickserv(id, format!("{}.", reason(failure).1));
        }
        self.log_in(id, account);
        self.say_as_nickserv(id, [b"The account ", &**account, b" is yours, and so is the nick."].concat());
    }

    fn identify(&mut self, id: ClientId, account: Option<&[u8]>, password: &[u8]) {
        let Some(client) = self.client(id) else { return };
        if client.account.is_some() {
            return self.say_as_nickserv(id, "You are already logged in.");
        }
        let account = account.map(Name::from).or_else(|| client.nick.clone()).unwrap_or_default();
        self.ask(id, Waiting::Identify, Request::Identify { account, password: password.to_vec() });
    }

    pub(in crate::server::commands) fn identified(&mut self, id: ClientId, result: Result<Name, LoginFailure>) {
        match result {
            Ok(account) => {
                self.log_in(id, &account);
                self.say_as_nickserv(id, [b"You are logged in as ", &*account, b"."].concat());
            }
            Err(failure) => self.say_as_nickserv(id, refusal(failure)),
        }
    }

    fn certificate(&mut self, id: ClientId, what: &[u8], rest: &[&[u8]]) {
        let shown = self.client(id).and_then(|client| client.peer.fingerprint.clone());
        match (&*what.to_ascii_uppercase(), rest, shown) {
            (b"ADD", _, Some(fingerprint)) => {
                self.change_account(id, Asked::AddCertificate, AccountChange::AddCertificate(fingerprint));
            }
            (b"ADD", _, None) => {
                self.say_as_nickserv(id, "Your connection has no certificate: connect by TLS with one.");
            }
            (b"DEL", [fingerprint, ..], _) => {
                let fingerprint = String::from_utf8_lossy(fingerprint).into_owned();
                self.change_account(id, Asked::RemoveCertificate, AccountChange::RemoveCertificate(fingerprint));
            }
            (b"LIST", _, _) => self.change_account(id, Asked::Certificates, AccountChange::ListCertificates),
            _ => self.help_with_accounts(id),
        }
    }

    fn change_account(&mut self, id: ClientId, asked: Asked, change: AccountChange) {
        match self.client(id).and_then(|client| client.account.clone()) {
            Some(account) => self.ask(id, Waiting::Account(asked), Request::Account { account, change }),
            None => self.say_as_nickserv(id, "Log in first."),
        }
    }

    pub(in crate::server::commands) fn account_changed(
        &mut self,
        id: ClientId,
        asked: &Asked,
        result: Result<Vec<String>, LoginFailure>,
    ) {
        let certificates = match result {
            Ok(certificates) => certificates,
            Err(LoginFailure::Refused) if matches!(asked, Asked::AddCertificate) => {
                return self.say_as_nickserv(id, "That certificate is an account's already, or you have too many.");
            }
            Err(LoginFailure::Refused) if matches!(asked, Asked::RemoveCertificate) => {
                return self.say_as_nickserv(id, "Your account has no such certificate.");
            }
            Err(failure) => return self.say_as_nickserv(id, refusal(failure)),
        };
        match asked {
            Asked::Password => self.say_as_nickserv(id, "Your password is changed."),
            Asked::AddCertificate => self.say_as_nickserv(id, "Your certificate can log in from now on."),
            Asked::RemoveCertificate => self.say_as_nickserv(id, "That certificate can no longer log in."),
            Asked::Certificates if certificates.is_empty() => self.say_as_nickserv(id, "Your account has none."),
            Asked::Certificates => certificates.iter().for_each(|one| self.say_as_nickserv(id, one)),
            Asked::Drop => self.say_as_nickserv(id, "Your account is removed."),
        }
    }

    /// Disconnects another session that has the nick of the caller's account, on whatever node.
    fn ghost(&mut self, caller: Caller, nick: &[u8]) {
        let id = caller.id;
        let Some(account) = self.client(id).and_then(|client| client.account.clone()) else {
            return self.say_as_nickserv(id, "Log in first.");
        };
        if key(&account) != key(nick) {
            return self.say_as_nickserv(id, [b"Your account owns one nick: ", &*account, b"."].concat());
        }
        let Some(user) = self.nicks.get(&key(nick)).copied() else {
            return self.say_as_nickserv(id, [b"Nobody has that nick: take it with /NICK ", &*account, b"."].concat());
        };
        if user == caller.user {
            return self.say_as_nickserv(id, "You have that nick yourself.");
        }
        let Some(owner) = self.users.get(&caller.user) else { return };
        let reason = [b"GHOST by ", &*owner.about.nick].concat().into();
        self.have_killed(user, self.mask_of_nickserv().into_bytes().into(), reason);
        let text =
            [b"The session with that nick is being disconnected: take the nick with /NICK ", &*account, b"."].concat();
        self.say_as_nickserv(id, text);
    }

    fn mask_of_nickserv(&self) -> String {
        format!("NickServ!NickServ@{}", self.settings.server_name)
    }

    pub(in crate::server) fn say_as_nickserv(&mut self, id: ClientId, text: impl AsRef<[u8]>) {
        let Some(client) = self.client(id) else { return };
        let source = self.mask_of_nickserv();
        let message = MessageBuilder::new("NOTICE").source(source).param(client.shown_nick());
        self.send_message(id, message.trailing(text));
    }
}

fn refusal(failure: LoginFailure) -> &'static str {
    match failure {
        LoginFailure::Refused => "Wrong account or password.",
        LoginFailure::Aborted | LoginFailure::Mechanism | LoginFailure::Unavailable => "Try again later.",
    }
}
