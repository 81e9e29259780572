//! What the core cannot answer by itself: passwords take long to check, and the history is in a file.

use serde::{Deserialize, Serialize};

use crate::server::values::names::{Key, Name};
use crate::server::values::speech::Speech;
use crate::server::values::timestamp::Timestamp;
use crate::settings::Privilege;

/// A question of the core, for one client. Each gets one [`Answer`].
#[derive(Debug)]
pub enum Request {
    /// Whether this is the server's password. [`Answer::Password`].
    ServerPassword(Vec<u8>),
    /// Whether this is an operator's password. [`Answer::Oper`].
    Oper {
        /// What `OPER` was given.
        name: Name,
        /// Likewise.
        password: Vec<u8>,
    },
    /// A login by SASL begins. [`Answer::Challenge`] or [`Answer::Login`].
    SaslStart(Name),
    /// What the client answers to the last challenge; empty to one that is empty. The same answers.
    SaslRespond(Vec<u8>),
    /// The client has given up; [`Answer::Login`] with [`LoginFailure::Aborted`].
    SaslAbort,
    /// A new account. [`Answer::Registered`].
    Register {
        /// Its name.
        account: Name,
        /// Of no less than the length that the settings have.
        password: Vec<u8>,
    },
    /// A login by name and password, without SASL. [`Answer::Login`].
    Identify {
        /// The account.
        account: Name,
        /// What the client says.
        password: Vec<u8>,
    },
    /// Something about the account that the client is logged in to. [`Answer::Account`].
    Account {
        /// Its name.
        account: Name,
        /// What.
        change: AccountChange,
    },
    /// What was said. [`Answer::History`].
    History(HistoryQuery),
    /// Where something was said between two times: channels of these, and conversations of `of`. [`Answer::Targets`].
    Targets {
        /// Whose conversations.
        of: Key,
        /// Which channels.
        channels: Vec<Key>,
        /// After this.
        after: Timestamp,
        /// Before this.
        before: Timestamp,
        /// The most that are wanted.
        limit: usize,
    },
}

/// What a [`Request`] brought.
#[derive(Debug)]
pub enum Answer {
    /// Whether the password was right.
    Password(bool),
    /// What the operator may do; nothing if name or password were wrong.
    Oper(Option<Vec<Privilege>>),
    /// What the client is to respond to.
    Challenge(Vec<u8>),
    /// The account as it is written, or why not.
    Login(Result<Name, LoginFailure>),
    /// The account as it is written, or why not.
    Registered(Result<Name, RegisterFailure>),
    /// The change is made; the certificates, if these were asked for.
    Account(Result<Vec<String>, LoginFailure>),
    /// In the order of time; none if there is no such place in the history.
    History(Option<Vec<Record>>),
    /// The last time that something was said in each, in the order of time.
    Targets(Vec<(Name, Timestamp)>),
    /// Whether the line is kept.
    Kept(bool),
}

/// What somebody wants to change about their account, or know of it.
#[derive(Debug)]
pub enum AccountChange {
    /// Another password.
    Password {
        /// The one before, or nothing is changed.
        old: Vec<u8>,
        /// Of no less than the length that the settings have.
        new: Vec<u8>,
    },
    /// Who has the certificate of this fingerprint can log in by it.
    AddCertificate(String),
    /// The certificate of this fingerprint is no longer the account's.
    RemoveCertificate(String),
    /// Which certificates there are.
    ListCertificates,
    /// The account is removed.
    Drop {
        /// Its password, or nothing is changed.
        password: Vec<u8>,
    },
}

/// Why nobody is logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginFailure {
    /// Name or password are wrong, or what was sent makes no sense.
    Refused,
    /// The client has given up.
    Aborted,
    /// The mechanism is not one of these.
    Mechanism,
    /// Not now: too many attempts, or the accounts cannot be read.
    Unavailable,
}

/// Why there is no new account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterFailure {
    /// There is one of that name.
    Exists,
    /// The password is shorter than it may be.
    WeakPassword,
    /// Too many from this address.
    TooMany,
    /// The accounts cannot be written.
    Unavailable,
}

/// A line of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Where it was said: the key of a channel, or the identities of two who talk, in their order,
    /// with a comma between.
    pub target: Key,
    /// What was said, and by whom.
    pub speech: Speech,
    /// The target as it was written.
    pub shown: Name,
}

/// Which part of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// As [`Record::target`].
    pub target: Key,
    /// Which lines of it.
    pub which: Which,
    /// The most that are wanted.
    pub limit: usize,
}

/// Which lines of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The last, those after this place alone if there is one.
    Latest(Option<Place>),
    /// The last before it.
    Before(Place),
    /// The first after it.
    After(Place),
    /// Those on both sides of it, and itself.
    Around(Place),
    /// Those between two, from the first on; the second may be the earlier one.
    Between(Place, Place),
}

/// A place in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// That of this line.
    Msgid(Name),
    /// That of this time.
    Time(Timestamp),
}
