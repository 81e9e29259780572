//! `MODE` of users: each sets their own.

use protocols::irc::{MessageBuilder, numeric};

use crate::server::Server;
use crate::server::commands::Caller;
use crate::server::event::Event;
use crate::server::tables::user::UserModes;
use crate::server::values::ids::Uid;
use crate::server::values::names::key;

impl Server {
    pub(in crate::server::commands) fn user_mode(&mut self, caller: Caller, nick: &[u8], rest: &[&[u8]]) {
        match self.nicks.get(&key(nick)) {
            None => return self.no_such_nick(caller.id, nick),
            Some(&user) if user != caller.user => {
                self.numeric(caller.id, numeric::ERR_USERSDONTMATCH, |line| {
                    line.trailing("Can't change mode for other users")
                });
                return;
            }
            Some(_) => {}
        }
        let Some(mut modes) = self.users.get(&caller.user).map(|user| user.about.modes) else { return };
        let [letters, ..] = rest else {
            self.numeric(caller.id, numeric::RPL_UMODEIS, |line| line.param(modes.to_text()));
            return;
        };
        let mut on = true;
        let mut unknown = false;
        for &letter in *letters {
            match letter {
                b'+' => on = true,
                b'-' => on = false,
                // Nobody becomes operator by asking, or safe.
                b'o' if on => {}
                b'Z' => {}
                _ => match UserModes::of(letter) {
                    Some(mode) => modes.set(mode, on),
                    None => unknown = true,
                },
            }
        }
        self.set_user_modes(caller.user, modes);
        if unknown {
            self.numeric(caller.id, numeric::ERR_UMODEUNKNOWNFLAG, |line| line.trailing("Unknown MODE flag"));
        }
    }

    /// Sets all modes of a user of this node, and tells them what has changed.
    pub(in crate::server::commands) fn set_user_modes(&mut self, uid: Uid, modes: UserModes) {
        let Some(user) = self.users.get(&uid) else { return };
        let (old, nick, client) = (user.about.modes, user.about.nick.clone(), user.client);
        let changed = |on: bool| {
            let letters = UserModes::ALL.iter().filter(|(_, mode)| modes.has(*mode) == on && old.has(*mode) != on);
            letters.map(|&(letter, _)| letter).collect::<Vec<_>>()
        };
        let (added, removed) = (changed(true), changed(false));
        if added.is_empty() && removed.is_empty() {
            return;
        }
        if removed.contains(&b'o')
            && let Some(client) = client
            && let Some(client) = self.client_mut(client)
        {
            client.privileges.clear();
        }
        self.happen(Event::UserModes { user: uid, modes });
        let part = |sign: &[u8], letters: &[u8]| if letters.is_empty() { Vec::new() } else { [sign, letters].concat() };
        let letters = [part(b"+", &added), part(b"-", &removed)].concat();
        if let Some(client) = client {
            let message = MessageBuilder::new("MODE").source(&nick).param(&nick).param(letters);
            self.send_message(client, message);
        }
    }
}
