use std::io;
use std::net::SocketAddr;

use socket2::Socket;

/// What a port is made of: a socket of TCP or UDP, bound to an address. Both methods that make one need the runtime's
/// context.
pub(crate) trait Bind: Sized {
    type Options;

    /// Binds, and listens if the socket accepts connections. `share_port` sets `SO_REUSEPORT`.
    fn bind(address: SocketAddr, options: &Self::Options, share_port: bool) -> io::Result<Self>;

    /// Takes over a non-blocking socket that is bound already.
    fn adopt(socket: Socket) -> io::Result<Self>;

    fn socket_addr(&self) -> SocketAddr;
}
