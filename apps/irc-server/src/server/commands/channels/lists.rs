//! The lists of a channel: bans, exceptions to them, and those who need no invitation.

use protocols::irc::numeric;

use crate::server::Server;
use crate::server::commands::{Caller, cut};
use crate::server::values::modes::Change;
use crate::server::values::names::{Key, Name};

impl Server {
    /// An entry comes or goes, unless that changes nothing or the lists are full.
    pub(super) fn list_change(
        &mut self,
        caller: Caller,
        channel_key: &Key,
        letter: u8,
        mask: &[u8],
        on: bool,
        so_far: &[Change],
    ) -> Option<Change> {
        let mask = whole_mask(mask);
        let channel = self.channels.get(channel_key)?;
        let known =
            channel.list(letter).find(|(known, _)| known.eq_ignore_ascii_case(&mask)).map(|(known, _)| known.clone());
        let more = so_far.iter().filter(|change| matches!(change, Change::List(_, _, true))).count();
        match (on, known) {
            (true, Some(_)) | (false, None) => None,
            (false, Some(known)) => Some(Change::List(letter, known, false)),
            (true, None) if channel.list_entries() + more >= self.settings.limits.list_entries => {
                let name = channel.name.clone();
                self.numeric(caller.id, numeric::ERR_BANLISTFULL, |line| {
                    line.param(name).param([letter]).trailing("Channel list is full")
                });
                None
            }
            (true, None) => Some(Change::List(letter, mask, true)),
        }
    }

    /// Anybody may see the bans; the other lists are for operators.
    pub(super) fn tell_list(&mut self, caller: Caller, channel_key: &Key, letter: u8) {
        let Some(channel) = self.channels.get(channel_key) else { return };
        let name = channel.name.clone();
        let (entry, end, title) = match letter {
            b'e' => (numeric::RPL_EXCEPTLIST, numeric::RPL_ENDOFEXCEPTLIST, "End of channel exception list"),
            b'I' => (numeric::RPL_INVEXLIST, numeric::RPL_ENDOFINVEXLIST, "End of channel invite exception list"),
            _ => (numeric::RPL_BANLIST, numeric::RPL_ENDOFBANLIST, "End of channel ban list"),
        };
        let member = channel.members.get(&caller.user);
        let may = match letter {
            b'b' => member.is_some() || !channel.is(b's'),
            _ => member.is_some_and(crate::server::tables::channel::Member::is_operator),
        };
        if !may {
            return self.not_operator(caller, &name);
        }
        let entries: Vec<_> = channel.list(letter).map(|(mask, setter)| (mask.clone(), setter.clone())).collect();
        for (mask, setter) in entries {
            self.numeric(caller.id, entry, |line| {
                line.param(&name).param(mask).param(setter.by).param(setter.at.seconds().to_string())
            });
        }
        self.numeric(caller.id, end, |line| line.param(&name).trailing(title));
    }
}

/// The most bytes of an entry of a list.
const LONGEST_MASK: usize = 200;

/// A mask with all its parts: `alice` means `alice!*@*`, and `*.example.org` any user there.
fn whole_mask(mask: &[u8]) -> Name {
    let mask: Vec<u8> = mask.iter().copied().filter(|&byte| byte != b' ' && byte != b':').collect();
    let mask = cut(&mask, LONGEST_MASK);
    let (has_user, has_host) = (mask.contains(&b'!'), mask.contains(&b'@'));
    match (has_user, has_host) {
        (true, true) => mask,
        (true, false) => [&*mask, b"@*"].concat().into(),
        (false, true) => [b"*!", &*mask].concat().into(),
        (false, false) if mask.contains(&b'.') || mask.contains(&b':') => [b"*!*@", &*mask].concat().into(),
        (false, false) => [&*mask, b"!*@*"].concat().into(),
    }
}
