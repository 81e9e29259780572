//! The capabilities of IRCv3 that clients may ask for.

use serde::{Deserialize, Serialize};

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::server) struct Caps(u32);

impl Caps {
    /// No capability.
    pub(in crate::server) const NONE: Self = Self(0);
    pub(in crate::server) const MULTI_PREFIX: Self = Self(1);
    pub(in crate::server) const AWAY_NOTIFY: Self = Self(1 << 1);
    pub(in crate::server) const ACCOUNT_NOTIFY: Self = Self(1 << 2);
    pub(in crate::server) const ACCOUNT_TAG: Self = Self(1 << 3);
    pub(in crate::server) const EXTENDED_JOIN: Self = Self(1 << 4);
    pub(in crate::server) const SASL: Self = Self(1 << 5);
    pub(in crate::server) const CAP_NOTIFY: Self = Self(1 << 6);
    pub(in crate::server) const SERVER_TIME: Self = Self(1 << 7);
    pub(in crate::server) const MESSAGE_TAGS: Self = Self(1 << 8);
    pub(in crate::server) const ECHO_MESSAGE: Self = Self(1 << 9);
    pub(in crate::server) const BATCH: Self = Self(1 << 10);
    pub(in crate::server) const LABELED_RESPONSE: Self = Self(1 << 11);
    pub(in crate::server) const CHGHOST: Self = Self(1 << 12);
    pub(in crate::server) const INVITE_NOTIFY: Self = Self(1 << 13);
    pub(in crate::server) const SETNAME: Self = Self(1 << 14);
    pub(in crate::server) const STANDARD_REPLIES: Self = Self(1 << 15);
    pub(in crate::server) const USERHOST_IN_NAMES: Self = Self(1 << 16);
    pub(in crate::server) const EXTENDED_MONITOR: Self = Self(1 << 17);
    pub(in crate::server) const CHATHISTORY: Self = Self(1 << 18);
    pub(in crate::server) const ACCOUNT_REGISTRATION: Self = Self(1 << 20);
    pub(in crate::server) const NO_IMPLICIT_NAMES: Self = Self(1 << 21);

    /// All, with their names, in the order in which they are listed.
    pub(in crate::server) const ALL: &[(Self, &str)] = &[
        (Self::ACCOUNT_NOTIFY, "account-notify"),
        (Self::ACCOUNT_TAG, "account-tag"),
        (Self::AWAY_NOTIFY, "away-notify"),
        (Self::BATCH, "batch"),
        (Self::CAP_NOTIFY, "cap-notify"),
        (Self::CHGHOST, "chghost"),
        (Self::ACCOUNT_REGISTRATION, "draft/account-registration"),
        (Self::CHATHISTORY, "draft/chathistory"),
        (Self::NO_IMPLICIT_NAMES, "draft/no-implicit-names"),
        (Self::ECHO_MESSAGE, "echo-message"),
        (Self::EXTENDED_JOIN, "extended-join"),
        (Self::EXTENDED_MONITOR, "extended-monitor"),
        (Self::INVITE_NOTIFY, "invite-notify"),
        (Self::LABELED_RESPONSE, "labeled-response"),
        (Self::MESSAGE_TAGS, "message-tags"),
        (Self::MULTI_PREFIX, "multi-prefix"),
        (Self::SASL, "sasl"),
        (Self::SERVER_TIME, "server-time"),
        (Self::SETNAME, "setname"),
        (Self::STANDARD_REPLIES, "standard-replies"),
        (Self::USERHOST_IN_NAMES, "userhost-in-names"),
    ];

    /// The capability of this name.
    #[must_use]
    pub(in crate::server) fn named(name: &[u8]) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| known.as_bytes() == name).map(|&(cap, _)| cap)
    }

    /// Whether all of these are in the set.
    #[must_use]
    pub(in crate::server) fn has(self, caps: Self) -> bool {
        self.0 & caps.0 == caps.0
    }

    /// Those of both sets.
    #[must_use]
    pub(in crate::server) const fn and(self, caps: Self) -> Self {
        Self(self.0 | caps.0)
    }

    /// Puts these in, or takes them out.
    pub(in crate::server) fn set(&mut self, caps: Self, on: bool) {
        if on {
            self.0 |= caps.0;
        } else {
            self.0 &= !caps.0;
        }
    }
}
