//! Sockets of the standard library, of both kinds, as the other side.

use std::io;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use reactor::Address;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use tempfile::{TempDir, tempdir};

use crate::support::{PATIENCE, connect};

pub(crate) enum PlainSocket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl PlainSocket {
    #[track_caller]
    pub(crate) fn connect(address: &Address) -> Self {
        match address {
            Address::Inet(address) => Self::Tcp(connect(*address)),
            Address::Unix(address) => Self::Unix(connect_unix(address.path().unwrap())),
            other => panic!("no plain socket reaches {other}"),
        }
    }

    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(socket) => socket.try_clone().map(Self::Tcp),
            Self::Unix(socket) => socket.try_clone().map(Self::Unix),
        }
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.shutdown(how),
            Self::Unix(socket) => socket.shutdown(how),
        }
    }
}

/// A path that does not exist yet, and its temporary folder.
pub(crate) fn fresh_path() -> (TempDir, PathBuf) {
    let folder = tempdir().unwrap();
    let path = folder.path().join("socket");
    (folder, path)
}

/// A plain client.
#[track_caller]
pub(crate) fn connect_unix(path: &Path) -> UnixStream {
    let socket = UnixStream::connect(path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Sends one message with descriptors.
#[track_caller]
pub(crate) fn send_descriptors(socket: impl AsFd, data: &[u8], descriptors: &[impl AsFd]) {
    offer_descriptors(socket, data, descriptors).unwrap();
}

/// The same to a socket that may take none: since 6.16 Linux refuses the message then.
pub(crate) fn offer_descriptors(socket: impl AsFd, data: &[u8], descriptors: &[impl AsFd]) -> io::Result<()> {
    let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
    sendmsg(socket, &[IoSlice::new(data)], &mut control, SendFlags::empty())?;
    Ok(())
}

/// Receives some bytes, and the descriptors that come with them.
#[track_caller]
pub(crate) fn receive_descriptors(socket: impl AsFd, descriptors: &mut Vec<OwnedFd>) -> Vec<u8> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut data = [0; 4096];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(socket, &mut [IoSliceMut::new(&mut data)], &mut control, flags).unwrap();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    data[..received.bytes].to_vec()
}

impl Read for PlainSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.read(buffer),
            Self::Unix(socket) => socket.read(buffer),
        }
    }
}

impl Write for PlainSocket {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.write(data),
            Self::Unix(socket) => socket.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
