//! Connections to this node, before and after they have a user.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::server::output::batch::Label;
use crate::server::output::capabilities::Caps;
use crate::server::output::line::Line;
use crate::server::values::ids::{ClientId, Uid};
use crate::server::values::names::{Key, Name};
use crate::server::values::timestamp::Timestamp;
use crate::settings::Privilege;

/// What is known of a connection when it is made.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// Its address; none for a UNIX socket.
    pub address: Option<IpAddr>,
    /// Whether it is encrypted, or cannot be listened to.
    pub secure: bool,
    /// The SHA-256 fingerprint of its certificate.
    pub fingerprint: Option<String>,
}

impl Peer {
    /// What bans are matched with, and its owner is shown: the address, or the name of this machine.
    pub(in crate::server) fn host(&self) -> String {
        self.address.map_or_else(|| "localhost".into(), |address| address.to_canonical().to_string())
    }
}

/// A connection.
#[derive(Debug)]
pub(in crate::server) struct Client {
    pub id: ClientId,
    pub peer: Peer,
    pub caps: Caps,
    /// The user, once it is registered.
    pub user: Option<Uid>,
    pub nick: Option<Name>,
    pub ident: Option<Name>,
    pub realname: Option<Name>,
    pub account: Option<Name>,
    /// Between the first CAP and CAP END.
    pub negotiating: bool,
    /// What CAP LS was given, at least 301.
    pub cap_version: u32,
    /// Whether the server's password was right.
    pub password_shown: bool,
    pub privileges: Vec<Privilege>,
    pub sasl: Sasl,
    pub monitored: BTreeSet<Key>,
    pub connected: Timestamp,
    /// When anything came last.
    pub heard: Timestamp,
    /// When it was asked for a sign of life that has not come.
    pub pinged: Option<Timestamp>,
    /// Until when what it has sent counts: ahead of the clock by an interval for each line.
    pub spent_until: Timestamp,
    /// The label of the command that it waits for.
    pub label: Option<Label>,
    pub waiting: Option<Waiting>,
    /// Nothing is sent to it any more.
    pub closing: bool,
}

/// Where a login by SASL is.
#[derive(Debug, Default)]
pub(in crate::server) enum Sasl {
    #[default]
    Idle,
    /// The mechanism is chosen; what has come of the answer so far, in base64.
    Going(Vec<u8>),
}

/// What a client waits for, with what is needed to go on.
#[derive(Debug)]
pub(in crate::server) enum Waiting {
    ServerPassword,
    /// The name that it gave.
    Oper(Name),
    Sasl,
    /// The end of a login whose failure it was told.
    SaslRefused,
    /// The account that is to be.
    Register(Name),
    /// Likewise, by NickServ.
    RegisterByNickServ(Name),
    Identify,
    /// What it has asked NickServ for.
    Account(crate::server::commands::nickserv::Asked),
    History(crate::server::commands::history::Asked),
    Targets,
    /// Its own lines, to be sent back.
    Echo(Vec<Line>),
}

impl Client {
    pub(in crate::server) fn new(id: ClientId, peer: Peer, now: Timestamp) -> Self {
        Self {
            id,
            peer,
            caps: Caps::NONE,
            user: None,
            nick: None,
            ident: None,
            realname: None,
            account: None,
            negotiating: false,
            cap_version: 301,
            password_shown: false,
            privileges: Vec::new(),
            sasl: Sasl::default(),
            monitored: BTreeSet::new(),
            connected: now,
            heard: now,
            pinged: None,
            spent_until: now,
            label: None,
            waiting: None,
            closing: false,
        }
    }

    /// What it is called in numerics.
    pub(in crate::server) fn shown_nick(&self) -> &[u8] {
        self.nick.as_deref().unwrap_or(b"*")
    }

    /// Whether it waits for its account to be removed.
    pub(in crate::server) fn removes_account(&self) -> bool {
        matches!(self.waiting, Some(Waiting::Account(crate::server::commands::nickserv::Asked::Drop)))
    }

    pub(in crate::server) fn may(&self, privilege: Privilege) -> bool {
        self.privileges.contains(&privilege)
    }
}
