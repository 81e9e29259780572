/// Who a peer at the other end of a UNIX socket is, by the word of the system: see
/// [`Transport::peer_credentials`](crate::Transport::peer_credentials).
///
/// It is what the peer was when it connected, or when it began to listen; by now the process may have ended, and its
/// number may be another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PeerCredentials {
    /// The number of its process, where the system tells it.
    pub process: Option<i32>,
    /// The number of its effective user.
    pub user: u32,
    /// The number of its effective group.
    pub group: u32,
}
