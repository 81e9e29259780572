//! Every change that others see. The own node's are made by commands; those of other nodes come from the cluster.

use serde::{Deserialize, Serialize};

use crate::server::tables::user::UserModes;
use crate::server::values::ids::Uid;
use crate::server::values::modes::Change;
use crate::server::values::names::Name;
use crate::server::values::register::Stamp;
use crate::server::values::speech::Speech;
use crate::server::values::timestamp::Timestamp;

/// A change of the network. A node makes those of its own users alone; for others it [asks](Event::Please).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// Somebody has come.
    Connected(Box<Introduction>),
    /// Somebody has left.
    Quit {
        /// Who.
        user: Uid,
        /// What all who saw them are told.
        reason: Name,
    },
    /// Somebody has another nick.
    Nick {
        /// Who.
        user: Uid,
        /// The new one.
        nick: Name,
        /// Since when: the earlier of two with one nick keeps it.
        since: Timestamp,
    },
    /// Somebody's user name and host look otherwise.
    Host {
        /// Who.
        user: Uid,
        /// The user name.
        ident: Name,
        /// What is shown as the host.
        host: Name,
    },
    /// Somebody has another real name.
    RealName {
        /// Who.
        user: Uid,
        /// The new one.
        realname: Name,
    },
    /// Somebody has logged in, or out.
    Account {
        /// Who.
        user: Uid,
        /// To what.
        account: Option<Name>,
    },
    /// Somebody is away, or back.
    Away {
        /// Who.
        user: Uid,
        /// What it says; none for back.
        message: Option<Name>,
    },
    /// Somebody's own modes are these.
    UserModes {
        /// Who.
        user: Uid,
        /// All of them.
        modes: UserModes,
    },
    /// Somebody has joined a channel, which may be new.
    Join {
        /// Who.
        user: Uid,
        /// Where, as it is written.
        channel: Name,
        /// When the channel was made: the older of two wins.
        created: Timestamp,
        /// When they joined.
        stamp: Stamp,
        /// Whether as its operator.
        operator: bool,
    },
    /// Somebody has left a channel.
    Part {
        /// Who.
        user: Uid,
        /// Which.
        channel: Name,
        /// What those in it are told.
        reason: Option<Name>,
    },
    /// Somebody was put out of a channel.
    Kick {
        /// Who; it is their node that does it.
        user: Uid,
        /// Of which.
        channel: Name,
        /// By whom: `nick!user@host`.
        by: Name,
        /// Why.
        reason: Name,
    },
    /// A channel has another topic.
    Topic {
        /// Which.
        channel: Name,
        /// When it was made.
        created: Timestamp,
        /// Who has set it: `nick!user@host`.
        by: Name,
        /// Empty for no topic.
        topic: Name,
        /// When it was set.
        stamp: Stamp,
    },
    /// A channel's modes, lists or operators are others.
    Modes {
        /// Which.
        channel: Name,
        /// When it was made.
        created: Timestamp,
        /// Who has set them: `nick!user@host`, or a server.
        by: Name,
        /// What.
        changes: Vec<Change>,
        /// When.
        stamp: Stamp,
    },
    /// Somebody has said something.
    Speech {
        /// Who.
        user: Uid,
        /// To whom.
        to: Target,
        /// What.
        speech: Box<Speech>,
    },
    /// Somebody was invited to a channel.
    Invite {
        /// By whom.
        by: Uid,
        /// Who.
        user: Uid,
        /// Where.
        channel: Name,
    },
    /// Somebody tells all operators something.
    Wallops {
        /// Who.
        user: Uid,
        /// What.
        text: Name,
    },
    /// A node is asked to do something to one of its users.
    Please {
        /// The user.
        user: Uid,
        /// What.
        plea: Plea,
    },
}

/// What all need to know of somebody who has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introduction {
    /// Who.
    pub user: Uid,
    /// Their nick.
    pub nick: Name,
    /// Since when they have it.
    pub since: Timestamp,
    /// The user name.
    pub ident: Name,
    /// What is shown as the host.
    pub host: Name,
    /// The real name.
    pub realname: Name,
    /// The account.
    pub account: Option<Name>,
    /// The away message.
    pub away: Option<Name>,
    /// The modes.
    pub modes: UserModes,
    /// Since when they are connected.
    pub connected: Timestamp,
    /// Whether by TLS.
    pub secure: bool,
    /// The name of their server.
    pub server: Name,
}

/// To whom something is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// All in a channel.
    Channel {
        /// Which.
        name: Name,
        /// Those alone that have at least this prefix.
        prefix: Option<u8>,
    },
    /// One person.
    User(Uid),
}

/// What a node is asked to do to one of its users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Plea {
    /// Put them out of a channel.
    Kick {
        /// Which.
        channel: Name,
        /// For whom.
        by: Name,
        /// Why.
        reason: Name,
    },
    /// Show another host of them.
    Host {
        /// Which.
        host: Name,
    },
    /// Disconnect them.
    Kill {
        /// For whom.
        by: Name,
        /// Why.
        reason: Name,
    },
}
