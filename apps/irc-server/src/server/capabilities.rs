//! The capabilities of IRCv3 that clients may ask for.

use serde::{Deserialize, Serialize};

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Caps(u32);

impl Caps {
    /// No capability.
    pub(super) const NONE: Self = Self(0);
    pub(super) const MULTI_PREFIX: Self = Self(1);
    pub(super) const AWAY_NOTIFY: Self = Self(1 << 1);
    pub(super) const ACCOUNT_NOTIFY: Self = Self(1 << 2);
    pub(super) const ACCOUNT_TAG: Self = Self(1 << 3);
    pub(super) const EXTENDED_JOIN: Self = Self(1 << 4);
    pub(super) const SASL: Self = Self(1 << 5);
    pub(super) const CAP_NOTIFY: Self = Self(1 << 6);
    pub(super) const SERVER_TIME: Self = Self(1 << 7);
    pub(super) const MESSAGE_TAGS: Self = Self(1 << 8);
    pub(super) const ECHO_MESSAGE: Self = Self(1 << 9);
    pub(super) const BATCH: Self = Self(1 << 10);
    pub(super) const LABELED_RESPONSE: Self = Self(1 << 11);
    pub(super) const CHGHOST: Self = Self(1 << 12);
    pub(super) const INVITE_NOTIFY: Self = Self(1 << 13);
    pub(super) const SETNAME: Self = Self(1 << 14);
    pub(super) const STANDARD_REPLIES: Self = Self(1 << 15);
    pub(super) const USERHOST_IN_NAMES: Self = Self(1 << 16);
    pub(super) const EXTENDED_MONITOR: Self = Self(1 << 17);
    pub(super) const CHATHISTORY: Self = Self(1 << 18);
    pub(super) const ACCOUNT_REGISTRATION: Self = Self(1 << 20);
    pub(super) const NO_IMPLICIT_NAMES: Self = Self(1 << 21);

    /// All, with their names, in the order in which they are listed.
    pub(super) const ALL: &[(Self, &str)] = &[
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
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| known.as_bytes() == name).map(|&(cap, _)| cap)
    }

    /// Whether all of these are in the set.
    #[must_use]
    pub(super) fn has(self, caps: Self) -> bool {
        self.0 & caps.0 == caps.0
    }

    /// Those of both sets.
    #[must_use]
    pub(super) const fn and(self, caps: Self) -> Self {
        Self(self.0 | caps.0)
    }

    /// Puts these in, or takes them out.
    pub(super) fn set(&mut self, caps: Self, on: bool) {
        if on {
            self.0 |= caps.0;
        } else {
            self.0 &= !caps.0;
        }
    }
}
