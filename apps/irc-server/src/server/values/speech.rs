//! What people say.

use serde::{Deserialize, Serialize};

use crate::server::values::names::Name;
use crate::server::values::timestamp::Timestamp;

/// How it is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// For people.
    Privmsg,
    /// Never to be answered by a program.
    Notice,
    /// Tags alone.
    Tagmsg,
}

impl Kind {
    /// The command.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Privmsg => "PRIVMSG",
            Self::Notice => "NOTICE",
            Self::Tagmsg => "TAGMSG",
        }
    }
}

/// A line that somebody has said, with all that clients are told of it, so that it can be told again when its speaker is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Speech {
    /// What it is called everywhere.
    pub msgid: Name,
    /// When it was said.
    pub at: Timestamp,
    /// How.
    pub kind: Kind,
    /// Who: `nick!user@host`.
    pub source: Name,
    /// The speaker's account.
    pub account: Option<Name>,
    /// Whether the speaker is a program.
    pub bot: bool,
    /// The client's own tags, as they came: `+a=b;+c`.
    pub tags: Option<Name>,
    /// Empty if it is tags alone.
    pub text: Name,
}
