use rustix::process::geteuid;

/// The identity of the peer at the other end of a UNIX socket, as reported by the system: see
/// [`Transport::peer_credentials`](crate::Transport::peer_credentials).
///
/// It dates from when the peer connected, or began to listen; by now the process may have ended, and its id may belong
/// to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PeerCredentials {
    /// The process id, if the system reports it.
    pub process: Option<i32>,
    /// The id of the effective user.
    pub user: u32,
    /// The id of the effective group.
    pub group: u32,
}

impl PeerCredentials {
    /// Whether the peer has the user of this process, or is root: those who could do anything to this process in another way,
    /// too.
    pub fn is_own_user_or_root(&self) -> bool {
        self.user == 0 || self.user == geteuid().as_raw()
    }
}
