//! Accounts and bans as far as the server needs them at once. They are kept elsewhere.

use crate::server::tables::client::Client;
use crate::server::values::names::{Key, Name, key};
use crate::server::values::timestamp::Timestamp;
use crate::server::{Server, ServerBan};

impl Server {
    /// There are these accounts, too, whose names are reserved as nicks.
    pub fn add_accounts(&mut self, accounts: impl IntoIterator<Item = Name>) {
        self.accounts.extend(accounts.into_iter().map(|account| key(&account)));
    }

    /// There is no account of this name any more: nobody here is logged in to it.
    pub fn remove_account(&mut self, now: Timestamp, account: &Key) {
        self.now = now;
        if !self.accounts.remove(account) {
            return;
        }
        let clients = self.clients.iter().map(|(_, client)| client);
        let is_logged_in = |client: &&Client| client.account.as_ref().is_some_and(|own| key(own) == *account);
        // The client that removes it gets its own answer.
        let ids: Vec<_> = clients.filter(is_logged_in).map(|client| (client.id, client.removes_account())).collect();
        for (id, removes_it) in ids {
            self.log_out(id);
            if !removes_it {
                self.say_as_nickserv(id, "Your account was removed: you are no longer logged in.");
            }
        }
    }

    /// There are these bans, too.
    pub fn add_bans(&mut self, bans: impl IntoIterator<Item = ServerBan>) {
        self.bans.extend(bans);
    }

    /// There is this ban, in place of one of the same mask. Those that it applies to are disconnected.
    pub fn set_ban(&mut self, now: Timestamp, ban: ServerBan) {
        self.now = now;
        if !self.bans.contains(&ban) {
            self.replace_ban(ban.clone());
            self.let_go_those_banned_by(&ban);
        }
    }

    /// There is no ban of this mask any more. Says whether there was one.
    pub fn lift_ban(&mut self, mask: &[u8]) -> bool {
        let before = self.bans.len();
        self.bans.retain(|known| *known.mask != *mask);
        self.bans.len() < before
    }

    /// Disconnects those that this ban applies to. Older bans have been checked before.
    pub(in crate::server) fn let_go_those_banned_by(&mut self, ban: &ServerBan) {
        if ban.has_ended(self.now) {
            return;
        }
        let clients = self.clients.iter().map(|(_, client)| client);
        let applies = |client: &&Client| ban.applies(client.ident.as_deref(), client.peer.host().as_bytes());
        let banned: Vec<_> = clients.filter(applies).map(|client| client.id).collect();
        for id in banned {
            self.let_banned_go(id, &ban.reason);
        }
    }

    pub(in crate::server) fn replace_ban(&mut self, ban: ServerBan) {
        self.bans.retain(|known| known.mask != ban.mask);
        self.bans.push(ban);
    }
}
