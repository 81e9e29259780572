//! What a console may do, and for whom.

use std::time::Instant;

use reactor::Transport;
use tracing::level_filters::LevelFilter;

/// What a program has set of its console.
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) users: Vec<u32>,
    pub(crate) everybody: bool,
    pub(crate) log: Option<Box<SetLog>>,
    /// When the clock of the answers was 0.
    pub(crate) zero: Option<Instant>,
}

pub(crate) type SetLog = dyn Fn(LevelFilter, Option<&str>) -> Result<(), String>;

impl Settings {
    /// Whether the peer may use the console, or why not.
    pub(crate) fn admits(&self, transport: &Transport) -> Result<(), &'static str> {
        match transport.peer_credentials() {
            _ if self.everybody => Ok(()),
            Some(peer) if peer.is_own_user_or_root() || self.users.contains(&peer.user) => Ok(()),
            Some(_) => Err("this console is for other users"),
            None => Err("this console is for UNIX sockets, where it can see who connects"),
        }
    }
}
