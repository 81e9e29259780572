//! What the next process needs to go on listening where a port does.

use std::io;
use std::os::fd::AsFd as _;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::rc::Weak;
use std::sync;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::net::UdpSocket;

use crate::unix_file::NamedSocket;

/// A port's socket, and how it was asked for: whoever asks for the same in the next process gets it.
pub(crate) struct Legacy {
    pub(crate) name: String,
    socket: LeftSocket,
}

/// The socket as long as the port is open.
enum LeftSocket {
    Tcp(Weak<TcpListener>),
    Udp(Weak<UdpSocket>),
    Unix(sync::Weak<NamedSocket>),
}

impl Legacy {
    pub(crate) fn tcp(name: String, socket: &Rc<TcpListener>) -> Self {
        Self { name, socket: LeftSocket::Tcp(Rc::downgrade(socket)) }
    }

    pub(crate) fn udp(name: String, socket: &Rc<UdpSocket>) -> Self {
        Self { name, socket: LeftSocket::Udp(Rc::downgrade(socket)) }
    }

    pub(crate) fn unix(name: String, socket: &Arc<NamedSocket>) -> Self {
        Self { name, socket: LeftSocket::Unix(Arc::downgrade(socket)) }
    }

    /// Another descriptor of the socket; `None` when it is closed.
    pub(crate) fn descriptor(&self) -> Option<io::Result<OwnedFd>> {
        let another = |socket: BorrowedFd<'_>| socket.try_clone_to_owned();
        Some(match &self.socket {
            LeftSocket::Tcp(socket) => another(socket.upgrade()?.as_fd()),
            LeftSocket::Udp(socket) => another(socket.upgrade()?.as_fd()),
            LeftSocket::Unix(socket) => another(socket.upgrade()?.socket.as_fd()),
        })
    }

    /// From here on the file and the lock of a UNIX socket are the next process's to remove.
    pub(crate) fn leave_file(&self) {
        if let LeftSocket::Unix(socket) = &self.socket
            && let Some(socket) = socket.upgrade()
        {
            socket.leave_file();
        }
    }
}
