//! Ports of several reactors on one listening socket.

use std::io;
use std::sync::Arc;

use socket2::Socket;

use crate::net::tcp::TcpPort;
use crate::port::seats::Load;
use crate::reactor::port_registry::PortSocket;
use crate::unix::UnixPort;
use crate::unix::file::NamedSocket;

/// Joins the reactors that accept from a socket; `None` if it is of another kind, or was closed at this moment.
pub(super) fn join_tcp(socket: &PortSocket, load: &Load) -> io::Result<Option<TcpPort>> {
    let PortSocket::Tcp(socket, seats) = socket else { return Ok(None) };
    let (Some(socket), Some(seats)) = (socket.upgrade(), seats.upgrade()) else { return Ok(None) };
    TcpPort::new(socket, seats.take(load)).map(Some)
}

/// As [`join_tcp`].
pub(super) fn join_unix(socket: &PortSocket, load: &Load, takes_descriptors: bool) -> io::Result<Option<UnixPort>> {
    let PortSocket::Unix(named, seats) = socket else { return Ok(None) };
    let (Some(named), Some(seats)) = (named.upgrade(), seats.upgrade()) else { return Ok(None) };
    UnixPort::new(named, seats.take(load), takes_descriptors).map(Some)
}

/// The first reactor's port on a socket, and what others join it by. Needs the runtime's context.
pub(super) fn share_tcp(socket: Socket, load: &Load) -> io::Result<(TcpPort, PortSocket)> {
    let (socket, seats) = (Arc::new(socket), Arc::default());
    let shared = PortSocket::Tcp(Arc::downgrade(&socket), Arc::downgrade(&seats));
    Ok((TcpPort::new(socket, seats.take(load))?, shared))
}

/// As [`share_tcp`].
pub(super) fn share_unix(
    named: NamedSocket,
    load: &Load,
    takes_descriptors: bool,
) -> io::Result<(UnixPort, PortSocket)> {
    let (named, seats) = (Arc::new(named), Arc::default());
    let shared = PortSocket::Unix(Arc::downgrade(&named), Arc::downgrade(&seats));
    Ok((UnixPort::new(named, seats.take(load), takes_descriptors)?, shared))
}
