//! What an administrator can choose: one file of TOML, and a default for everything in it.

mod cloak;
mod error;
mod file;
mod limits;
mod oper;
mod reload;
mod section;

use std::path::PathBuf;
use std::time::Duration;

use protocols::auth::PasswordHash;

pub use cloak::Cloak;
pub use error::SettingsError;
pub use file::DEFAULT_FILE;
pub use limits::{Flood, Limits};
pub use oper::{Oper, Privilege};

/// All settings. The default is a server that works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name of the server, as clients see it in front of its lines. In a cluster each node has its own. It has a dot, or
    /// else clients take it for a nick.
    pub server_name: String,
    /// The name of the network, which all nodes of a cluster share.
    pub network: String,
    /// What `WHOIS` and `LINKS` say of the server.
    pub description: String,
    /// The message of the day, a line each.
    pub motd: Vec<String>,
    /// What `ADMIN` answers, a line each: where the server is, who runs it, how to reach them.
    pub admin: Vec<String>,
    /// What each client has to send by `PASS`, if anything.
    pub password: Option<PasswordHash>,
    /// Where it listens.
    pub listen: Listen,
    /// Its certificate.
    pub tls: TlsFiles,
    /// The file of accounts, bans and history; none for a server that forgets them when it ends.
    pub database: Option<PathBuf>,
    /// The cluster that it is part of.
    pub cluster: ClusterSettings,
    /// How much clients may use.
    pub limits: Limits,
    /// How fast they may send.
    pub flood: Flood,
    /// What is kept of conversations.
    pub history: HistorySettings,
    /// Who may have an account, and what it is good for.
    pub accounts: AccountSettings,
    /// Whether the addresses of clients are hidden from others.
    pub cloaks: CloakSettings,
    /// Who may become an operator.
    pub opers: Vec<Oper>,
}

/// Where the server listens: ports (of all addresses, `6667`), addresses with a port (`127.0.0.1:6667`), or descriptions of
/// endpoints (`tcp:6667:per-peer=10`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// For clients without encryption.
    pub plain: Vec<String>,
    /// For clients by TLS.
    pub tls: Vec<String>,
    /// For browsers without encryption: the page to chat from, and web sockets.
    pub web: Vec<String>,
    /// For browsers by TLS.
    pub web_tls: Vec<String>,
    /// The names of this server for browsers. If there are any, requests for others are refused.
    pub web_hosts: Vec<String>,
    /// The origins of the pages, besides those of the same host, that may open web sockets: `https://chat.example.org`, or `any`.
    pub web_origins: Vec<String>,
    /// For Prometheus.
    pub metrics: Vec<String>,
    /// The path of a UNIX socket for the console.
    pub console: Option<String>,
}

/// The files of the server's certificate. Without any it makes one for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, as PEM.
    pub certificate: Option<PathBuf>,
    /// Its key, if that is in another file.
    pub key: Option<PathBuf>,
}

/// Several servers that are one network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSettings {
    /// The bus, `nats://HOST:4222`; none for a server of its own.
    pub bus: Option<String>,
    /// On how many servers of a cluster of NATS the log, the accounts and the bans are kept.
    pub replicas: usize,
    /// How large the log of lines may become.
    pub log_bytes: u64,
}

/// What is kept of conversations, for `CHATHISTORY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistorySettings {
    /// Whether anything is kept.
    pub enabled: bool,
    /// The most messages kept of a channel, or of a conversation of two.
    pub messages: usize,
    /// The most messages kept in all.
    pub total: usize,
    /// For how long they are kept.
    pub age: Duration,
    /// The most messages that one request gets.
    pub request: usize,
}

/// Who may have an account, and what it is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSettings {
    /// Whether clients may register accounts.
    pub registration: bool,
    /// How many accounts may be registered from an address within an hour.
    pub registrations_per_hour: u32,
    /// The shortest password that an account may be given.
    pub password_length: usize,
    /// Whether a nick that is an account's name is kept for those who are logged in to it.
    pub reserve_nicks: bool,
    /// Whether nobody may chat without an account.
    pub required: bool,
}

/// Whether the addresses of clients are hidden from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloakSettings {
    /// Whether they are.
    pub enabled: bool,
    /// What they are hidden by: nodes of a cluster need the same. Without it the server makes one, and keeps it in its
    /// database.
    pub key: Option<String>,
    /// What stands at the end of a cloak.
    pub suffix: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            server_name: "irc.localhost".into(),
            network: "LocalNet".into(),
            description: "An IRC server".into(),
            motd: vec!["Welcome.".into()],
            admin: Vec::new(),
            password: None,
            listen: Listen::default(),
            tls: TlsFiles::default(),
            database: Some("irc-server.db".into()),
            cluster: ClusterSettings::default(),
            limits: Limits::default(),
            flood: Flood::default(),
            history: HistorySettings::default(),
            accounts: AccountSettings::default(),
            cloaks: CloakSettings::default(),
            opers: Vec::new(),
        }
    }
}

impl Default for Listen {
    fn default() -> Self {
        let none = Vec::new;
        Self {
            plain: vec!["6667".into()],
            tls: vec!["6697".into()],
            web: none(),
            web_tls: none(),
            web_hosts: none(),
            web_origins: none(),
            metrics: none(),
            console: None,
        }
    }
}

impl Default for ClusterSettings {
    fn default() -> Self {
        Self { bus: None, replicas: 1, log_bytes: 1 << 30 }
    }
}

impl Default for HistorySettings {
    fn default() -> Self {
        let age = Duration::from_hours(30 * 24);
        Self { enabled: true, messages: 10_000, total: 1_000_000, age, request: 1000 }
    }
}

impl Default for AccountSettings {
    fn default() -> Self {
        Self { registration: true, registrations_per_hour: 5, password_length: 8, reserve_nicks: true, required: false }
    }
}

impl Default for CloakSettings {
    fn default() -> Self {
        Self { enabled: true, key: None, suffix: ".cloak".into() }
    }
}
