//! The kinds of ports whose sockets pass from one process to the next.

use std::io;

use socket2::{Domain, Socket, Type};

/// What kind of port a socket is for, which its name begins with.
#[derive(Clone, Copy)]
pub(crate) enum PortKind {
    Tcp,
    Udp,
    Unix,
    UnixDatagram,
}

impl PortKind {
    /// The name of the port with this address, by which the next process asks for it.
    pub(crate) fn name(self, address: &str) -> String {
        let kind = match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Unix => "unix",
            Self::UnixDatagram => "unix-datagram",
        };
        format!("{kind} {address}")
    }

    /// Makes a socket that another process has opened ready for such a port, if it fits.
    pub(crate) fn prepare(self, socket: &Socket) -> io::Result<()> {
        let (is_unix, kind) = match self {
            Self::Tcp => (false, Type::STREAM),
            Self::Udp => (false, Type::DGRAM),
            Self::Unix => (true, Type::STREAM),
            Self::UnixDatagram => (true, Type::DGRAM),
        };
        let domains: &[_] = if is_unix { &[Domain::UNIX] } else { &[Domain::IPV4, Domain::IPV6] };
        let fits = domains.contains(&socket.domain()?) && socket.r#type()? == kind;
        if !fits || (kind == Type::STREAM && !socket.is_listener()?) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the socket that the previous process has left is of another kind",
            ));
        }
        socket.set_nonblocking(true)
    }
}
