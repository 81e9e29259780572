//! The sockets of ports, for the next process.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::{io, sync};

use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, UdpSocket};

use crate::port::Inheritable;
use crate::unix::file::NamedSocket;

/// What kind of port a socket is for, which its name begins with.
#[derive(Clone, Copy)]
pub(crate) enum PortKind {
    Tcp,
    Udp,
    Unix,
    UnixDatagram,
}

impl PortKind {
    /// The name of the port with this address; the next process asks for it by this name.
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

/// A port's socket while the port is open, and the words by which it was requested.
pub(crate) struct InheritableSocket {
    name: String,
    socket: WeakSocket,
}

enum WeakSocket {
    Tcp(Weak<TcpListener>),
    Udp(Weak<UdpSocket>),
    Unix(sync::Weak<NamedSocket>),
}

impl InheritableSocket {
    pub(crate) fn tcp(name: String, socket: &Rc<TcpListener>) -> Self {
        Self { name, socket: WeakSocket::Tcp(Rc::downgrade(socket)) }
    }

    pub(crate) fn udp(name: String, socket: &Rc<UdpSocket>) -> Self {
        Self { name, socket: WeakSocket::Udp(Rc::downgrade(socket)) }
    }

    pub(crate) fn unix(name: String, socket: &Arc<NamedSocket>) -> Self {
        Self { name, socket: WeakSocket::Unix(Arc::downgrade(socket)) }
    }

    fn named(&self) -> Option<Arc<NamedSocket>> {
        match &self.socket {
            WeakSocket::Unix(socket) => socket.upgrade(),
            WeakSocket::Tcp(_) | WeakSocket::Udp(_) => None,
        }
    }
}

impl Inheritable for InheritableSocket {
    fn name(&self) -> &str {
        &self.name
    }

    fn descriptor(&self) -> Option<io::Result<OwnedFd>> {
        let another = |socket: BorrowedFd<'_>| socket.try_clone_to_owned();
        Some(match &self.socket {
            WeakSocket::Tcp(socket) => another(socket.upgrade()?.as_fd()),
            WeakSocket::Udp(socket) => another(socket.upgrade()?.as_fd()),
            WeakSocket::Unix(socket) => another(socket.upgrade()?.socket.as_fd()),
        })
    }

    fn take_file(&self) -> io::Result<()> {
        self.named().map_or(Ok(()), |socket| socket.take_file())
    }

    fn leave_file(&self) {
        if let Some(socket) = self.named() {
            socket.leave_file();
        }
    }
}
