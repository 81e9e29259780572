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
