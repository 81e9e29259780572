//! Sockets of the standard library, of either kind, as the other end.

use std::io;
use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::path::PathBuf;

use reactor::Address;
use tempfile::TempDir;
use tempfile::tempdir;

use super::PATIENCE;
use super::connect;

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

/// A path that nobody uses yet, and the folder around it.
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
