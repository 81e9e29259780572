//! People on the network, on whatever node.

use serde::{Deserialize, Serialize};

use crate::server::event::Introduction;
use crate::server::values::ids::{ClientId, Uid};
use crate::server::values::names::{Key, Name, key};
use crate::server::values::timestamp::Timestamp;

/// The modes that somebody has set for themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserModes(u8);

impl UserModes {
    /// Is a program: `B`.
    pub const BOT: Self = Self(1);
    /// Is shown to those alone who share a channel: `i`.
    pub const INVISIBLE: Self = Self(1 << 1);
    /// Is an operator of the network: `o`.
    pub const OPERATOR: Self = Self(1 << 2);
    /// Hears those alone who have an account: `R`.
    pub const REGISTERED_ONLY: Self = Self(1 << 3);
    /// Hears what operators tell all: `w`.
    pub const WALLOPS: Self = Self(1 << 4);
    /// Is connected by TLS: `Z`.
    pub const SECURE: Self = Self(1 << 5);

    /// All, by their letters.
    pub const ALL: &[(u8, Self)] = &[
        (b'B', Self::BOT),
        (b'R', Self::REGISTERED_ONLY),
        (b'Z', Self::SECURE),
        (b'i', Self::INVISIBLE),
        (b'o', Self::OPERATOR),
        (b'w', Self::WALLOPS),
    ];

    /// The mode of this letter.
    #[must_use]
    pub fn of(letter: u8) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == letter).map(|&(_, mode)| mode)
    }

    /// Whether this one is set.
    #[must_use]
    pub fn has(self, mode: Self) -> bool {
        self.0 & mode.0 != 0
    }

    /// Sets it, or not.
    pub fn set(&mut self, mode: Self, on: bool) {
        if on {
            self.0 |= mode.0;
        } else {
            self.0 &= !mode.0;
        }
    }

    /// As people write them: `+iw`.
    #[must_use]
    pub fn to_text(self) -> String {
        let letters = Self::ALL.iter().filter(|(_, mode)| self.has(*mode)).map(|&(letter, _)| char::from(letter));
        std::iter::once('+').chain(letters).collect()
    }
}

/// Somebody on the network.
#[derive(Debug)]
pub(in crate::server) struct User {
    /// What all know of them.
    pub(in crate::server) about: Introduction,
    /// The channels that they are in.
    pub(in crate::server) channels: Vec<Key>,
    /// Their connection, if it is to this node.
    pub(in crate::server) client: Option<ClientId>,
    /// When they last said something, if they are here.
    pub(in crate::server) active: Timestamp,
    /// The channels they may join although these are for those invited alone.
    pub(in crate::server) invited: Vec<Key>,
}

impl User {
    /// `nick!user@host`.
    #[must_use]
    pub(in crate::server) fn mask(&self) -> Name {
        let about = &self.about;
        [&*about.nick, b"!", &*about.ident, b"@", &*about.host].concat().into()
    }

    /// Which user.
    #[must_use]
    pub(in crate::server) fn uid(&self) -> Uid {
        self.about.user
    }

    /// Whether a mode is set.
    #[must_use]
    pub(in crate::server) fn is(&self, mode: UserModes) -> bool {
        self.about.modes.has(mode)
    }

    /// Who they are in the history: their account, whatever their nick, or else themselves for as long as they are connected.
    /// So nobody reads what somebody else has said or heard under the same nick.
    #[must_use]
    pub(in crate::server) fn identity(&self) -> Key {
        match &self.about.account {
            Some(account) => key(account),
            None => self.uid().to_string().into_bytes().into(),
        }
    }
}
