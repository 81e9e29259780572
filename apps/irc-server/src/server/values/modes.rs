//! The modes of channels.

use serde::{Deserialize, Serialize};

use crate::server::values::ids::Uid;
use crate::server::values::names::Name;

/// Modes that are set or not: no CTCP (`C`), invited alone (`i`), moderated (`m`), none without an account (`M`, `R`), none from
/// outside (`n`), secret (`s`), topic by operators (`t`).
pub(in crate::server) const FLAGS: &[u8] = b"CMRimnst";
/// Lists of masks: bans, exceptions to them, and those who need no invitation.
pub(in crate::server) const LISTS: &[u8] = b"bIe";
/// The modes of members, the highest first, with their prefixes.
pub(in crate::server) const STATUSES: &[(u8, u8)] = &[(b'o', b'@'), (b'v', b'+')];
/// What a channel begins with.
pub(in crate::server) const NEW_CHANNEL: &[u8] = b"nt";

/// One change of a channel's modes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// One of `FLAGS`.
    Flag(u8, bool),
    /// What those who join need to know: `k`.
    Key(Option<Name>),
    /// How many may be in it: `l`.
    Limit(Option<u32>),
    /// An entry of one of `LISTS` comes or goes.
    List(u8, Name, bool),
    /// A member gets one of `STATUSES`, or loses it.
    Status(u8, Uid, bool),
}

impl Change {
    /// Whether it adds something.
    #[must_use]
    pub fn adds(&self) -> bool {
        match self {
            Self::Flag(_, on) | Self::List(_, _, on) | Self::Status(_, _, on) => *on,
            Self::Key(key) => key.is_some(),
            Self::Limit(limit) => limit.is_some(),
        }
    }

    /// Whether both set the same thing, so that the later of two in one command takes the place of the earlier.
    #[must_use]
    pub fn sets_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(one, mask, _), Self::List(other, same, _)) => one == other && mask == same,
            (Self::Status(one, user, _), Self::Status(other, same, _)) => one == other && user == same,
            _ => self.letter() == other.letter(),
        }
    }

    /// Its letter.
    #[must_use]
    pub fn letter(&self) -> u8 {
        match self {
            Self::Flag(letter, _) | Self::List(letter, _, _) | Self::Status(letter, _, _) => *letter,
            Self::Key(_) => b'k',
            Self::Limit(_) => b'l',
        }
    }
}

/// Changes as clients are told them: `+o-v`, and the parameters in their order.
#[must_use]
pub(in crate::server) fn to_words(changes: &[Change], nick: impl Fn(Uid) -> Option<Name>) -> (Vec<u8>, Vec<Name>) {
    let mut letters = Vec::new();
    let mut parameters = Vec::new();
    let mut sign = None;
    for change in changes {
        let parameter = match change {
            Change::Flag(..) | Change::Limit(None) => None,
            Change::Key(key) => Some(key.clone().unwrap_or_else(|| (*b"*").into())),
            Change::Limit(Some(limit)) => Some(limit.to_string().into_bytes().into()),
            Change::List(_, mask, _) => Some(mask.clone()),
            Change::Status(_, user, _) => match nick(*user) {
                Some(nick) => Some(nick),
                None => continue,
            },
        };
        if sign != Some(change.adds()) {
            sign = Some(change.adds());
            letters.push(if change.adds() { b'+' } else { b'-' });
        }
        letters.push(change.letter());
        parameters.extend(parameter);
    }
    (letters, parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_written_with_one_sign_for_each_run_and_parameters_in_order() {
        let changes = [
            Change::Flag(b'm', true),
            Change::Limit(Some(7)),
            Change::Limit(None),
            Change::Key(None),
            Change::List(b'b', (*b"*!*@x").into(), true),
        ];
        let (letters, parameters) = to_words(&changes, |_| None);
        assert_eq!(letters, b"+ml-lk+b");
        assert_eq!(parameters.iter().map(|p| &**p).collect::<Vec<_>>(), [&b"7"[..], b"*", b"*!*@x"]);
    }
}
