//! UNIX sockets: streams and datagrams within one machine, and their files.
//!
//! [`UnixListenOptions`] go with [`listen_unix`](crate::Reactor::listen_unix): the mode of the socket's file, and the
//! lock that tells a second server of the first. [`UnixConnectOptions`] go with
//! [`connect_unix`](crate::Reactor::connect_unix), [`UnixDatagramOptions`] with
//! [`listen_unix_datagram`](crate::Reactor::listen_unix_datagram). With the defaults, all three methods take a plain
//! [address](UnixAddress): a path, or `@` and an abstract name.
//! [`peer_credentials`](crate::Transport::peer_credentials) identifies the peer's process, and
//! [`send_file_descriptor`](crate::Transport::send_file_descriptor) passes descriptors; [`close_in_thread`] closes those
//! that came.
//!
//! ```no_run
//! use reactor::Reactor;
//! use reactor::unix::UnixListenOptions;
//! # use reactor::{Protocol, Transport};
//! # struct Echo { transport: Transport }
//! # impl Protocol for Echo {
//! #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
//! # }
//!
//! let reactor = Reactor::new()?;
//! let options = UnixListenOptions::new("/run/echo.sock").mode(0o660).lock(true);
//! reactor.listen_unix(options, |transport| Echo { transport })?;
//! reactor.run()?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Twisted has `IReactorUNIX` and `IReactorUNIXDatagram`.

pub(crate) mod datagram;
pub(crate) mod file;
pub(crate) mod lock;
pub(crate) mod options;
pub(crate) mod passed_rights;

pub use crate::util::closer::close_in_thread;
pub use options::{UnixConnectOptions, UnixDatagramOptions, UnixListenOptions};

use std::ffi::OsStr;
use std::io;
use std::io::{IoSlice, IoSliceMut};
use std::mem::{MaybeUninit, take};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketAddrAny, SocketAddrUnix, recvmsg, sendmsg,
};
use socket2::{Domain, SockRef, Socket, Type};
use tokio::io::{AsyncWrite, Interest};
use tokio::net::UnixStream;

use crate::address::Address;
use crate::address::peer_credentials::PeerCredentials;
use crate::address::unix::UnixAddress;
use crate::driver::stream::{Accepted, Adopt, AnyStream, Listener, Stream};
use crate::net::accepting::AcceptingSocket;
use crate::net::socket::poll_end;
use crate::port::seats::{Arrival, Place, Seat};
use crate::port::tally::PortTally;
use crate::transport::state::SocketOptions;
use crate::unix::file::NamedSocket;
use crate::unix::lock::Lock;
use crate::unix::passed_rights::set_takes_descriptors;
use crate::util::escaped::escaped_path;

/// A connected socket.
pub(crate) struct Unix {
    socket: UnixStream,
    /// See [`poll_end`].
    forgot_readable: bool,
    /// The descriptors that came with the bytes read last.
    descriptors: Vec<OwnedFd>,
    takes_descriptors: bool,
    /// Its place in its reactor's load, if a port has accepted it.
    _place: Option<Place>,
}

impl Unix {
    fn new(socket: OwnedFd, takes_descriptors: bool, place: Option<Place>) -> io::Result<Self> {
        let socket = UnixStream::from_std(socket.into())?;
        // What was accepted may have been sent something already: it is read before the poller has reported that.
        let forgot_readable = place.is_some();
        Ok(Self { socket, forgot_readable, descriptors: Vec::new(), takes_descriptors, _place: place })
    }

    /// Takes over a connected, non-blocking socket. Needs the runtime's context.
    pub(crate) fn adopt(socket: Socket, place: Option<Place>) -> io::Result<Accepted<AnyStream>> {
        let peer = UnixAddress::from_system(&socket.peer_addr()?);
        Self::connected(socket, peer, place)
    }

    fn connected(socket: Socket, peer: UnixAddress, place: Option<Place>) -> io::Result<Accepted<AnyStream>> {
        let host = UnixAddress::from_system(&socket.local_addr()?).into();
        Ok(Accepted::any(Self::new(socket.into(), true, place)?, host, peer.into()))
    }
}

impl Stream for Unix {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let Self { socket, forgot_readable, descriptors, .. } = self;
        descriptors.drain(..).for_each(close_in_thread);
        if *forgot_readable {
            match receive(socket, buffer, descriptors) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => *forgot_readable = false,
                received => return Poll::Ready(received),
            }
        }
        loop {
            ready!(socket.poll_read_ready(cx))?;
            match socket.try_io(Interest::READABLE, || receive(socket, buffer, descriptors)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => return Poll::Ready(received),
            }
        }
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll_end(&self.socket, &mut self.forgot_readable, cx)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match SockRef::from(&self.socket).send_with_flags(data, libc::MSG_NOSIGNAL) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Pin::new(&mut self.socket).poll_write(cx, data),
            written => Poll::Ready(written),
        }
    }

    fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        data: &[u8],
        descriptor: BorrowedFd<'_>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.socket.poll_write_ready(cx))?;
            match self.socket.try_io(Interest::WRITABLE, || send(&self.socket, data, descriptor)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
        }
    }

    fn passes_descriptors(&self) -> bool {
        true
    }

    fn take_descriptors(&mut self) -> Vec<OwnedFd> {
        if !self.takes_descriptors {
            // The system is too old to refuse them.
            self.descriptors.drain(..).for_each(close_in_thread);
        }
        take(&mut self.descriptors)
    }

    fn poll_shut(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    /// UNIX sockets have no reset: the peer sees an end, or a reset if this side has not read everything it sent.
    fn reset(&mut self) {}

    fn descriptor(&self) -> Option<io::Result<OwnedFd>> {
        // Descriptors that the peer has sent would be read as if they were not wanted.
        self.descriptors.is_empty().then(|| self.socket.as_fd().try_clone_to_owned())
    }

    fn set_options(&mut self, _options: SocketOptions) -> io::Result<()> {
        Ok(())
    }

    fn peer_credentials(&self) -> Option<PeerCredentials> {
        let told = self.socket.peer_cred().ok()?;
        Some(PeerCredentials { process: told.pid(), user: told.uid(), group: told.gid() })
    }
}

impl Drop for Unix {
    fn drop(&mut self) {
        self.descriptors.drain(..).for_each(close_in_thread);
    }
}

/// Reads bytes, and appends the descriptors that came with them.
pub(crate) fn receive(socket: &impl AsFd, buffer: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    if received.flags.contains(ReturnFlags::CTRUNC) {
        return Err(io::Error::other(
            "descriptors from the peer are lost: the process has reached its limit of open files",
        ));
    }
    Ok(received.bytes)
}

pub(crate) fn send(socket: &UnixStream, data: &[u8], descriptor: BorrowedFd<'_>) -> io::Result<usize> {
    let descriptors = [descriptor];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(socket, &[IoSlice::new(data)], &mut control, SendFlags::NOSIGNAL).map_err(|error| match error {
        Errno::PERM => io::Error::new(io::ErrorKind::PermissionDenied, "the peer takes no file descriptors"),
        _ => error.into(),
    })
}

/// Binds a socket, and listens.
pub(crate) fn listen(options: &UnixListenOptions) -> io::Result<NamedSocket> {
    let named = NamedSocket::bind(Type::STREAM, &options.address, options.mode, options.lock)?;
    set_takes_descriptors(&named.socket, options.receive_file_descriptors);
    named.socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    Ok(named)
}

/// A listening socket.
pub(crate) struct UnixPort {
    socket: AcceptingSocket<NamedSocket>,
    host: UnixAddress,
    takes_descriptors: bool,
}

impl UnixPort {
    /// Accepts on a listening, non-blocking socket. Needs the runtime's context.
    pub(crate) fn new(named: Arc<NamedSocket>, seat: Seat, takes_descriptors: bool) -> io::Result<Self> {
        let host = UnixAddress::from_system(&named.socket.local_addr()?);
        Ok(Self { socket: AcceptingSocket::new(named, seat, peer_of)?, host, takes_descriptors })
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as for other families")]
fn peer_of(address: SocketAddrAny) -> io::Result<Address> {
    // Clients rarely have names.
    let Ok(address) = SocketAddrUnix::try_from(address) else { return Ok(UnixAddress::unnamed().into()) };
    Ok(Address::from(match (address.path_bytes(), address.abstract_name()) {
        (Some(path), _) => UnixAddress::from_path(OsStr::from_bytes(path)),
        (None, Some(name)) if !name.is_empty() => UnixAddress::from_abstract_name(name),
        (None, _) => UnixAddress::unnamed(),
    }))
}

impl Listener for UnixPort {
    type Stream = AnyStream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<AnyStream>>> {
        let Arrival { socket, peer, place } = ready!(self.socket.poll_accept(cx))?;
        let stream = Unix::new(socket, self.takes_descriptors, Some(place))?;
        Poll::Ready(Ok(Accepted::any(stream, self.host(), peer)))
    }

    fn host(&self) -> Address {
        self.host.clone().into()
    }

    fn rest(&mut self) {
        self.socket.rest();
    }

    fn adopt(&self) -> Option<Adopt<AnyStream>> {
        Some(|socket, place| Unix::adopt(socket, Some(place)))
    }

    fn tally(&self) -> Arc<PortTally> {
        self.socket.tally()
    }

    fn turn_away(&mut self, cx: &mut Context<'_>) -> io::Result<usize> {
        self.socket.turn_away(cx)
    }
}

/// Connects. Needs the runtime's context.
pub(crate) fn connect(options: &UnixConnectOptions) -> io::Result<Accepted<AnyStream>> {
    let address = options.address.to_system()?;
    if options.check_lock
        && let Some(path) = options.address.path()
        && !Lock::is_held(path)?
    {
        let lock = lock::beside(path);
        let message = format!("no server is running: no living process has the lock {}", escaped_path(&lock));
        return Err(io::Error::new(io::ErrorKind::ConnectionRefused, message));
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // Never in progress: the system reports the result at once.
    socket.connect(&address).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => io::Error::new(io::ErrorKind::WouldBlock, "the server's backlog is full"),
        _ => error,
    })?;
    Unix::connected(socket, options.address.clone(), None)
}

/// The maximum number of descriptors that the system passes with one message.
const MOST_DESCRIPTORS: usize = 253;
