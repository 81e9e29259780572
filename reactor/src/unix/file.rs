//! The file that a named UNIX socket leaves in the file system.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf, absolute};
use std::sync::Mutex;
use std::{fs, io, mem};

use rustix::fs::{Mode, fchmod};
use socket2::{Domain, Socket, Type};

use crate::address::unix::UnixAddress;
use crate::unix::lock::{Lock, is_open};
use crate::util::escaped::escaped_path;
use crate::util::lock::lock;

/// A socket with a name, from which one port is made, or one for each of several reactors.
pub(crate) struct NamedSocket {
    /// Dropped before the socket is closed: while the socket is open, its file cannot be mistaken for another.
    name: Mutex<BoundName>,
    /// What to take from the previous process when it has released it: the path, and whether there is a lock.
    promised: Mutex<Option<(PathBuf, bool)>>,
    pub(crate) socket: Socket,
}

impl NamedSocket {
    /// Binds, except a datagram socket without a name. If the socket is to be locked and its last owner left a file
    /// behind, that file is removed.
    pub(crate) fn bind(kind: Type, address: &UnixAddress, mode: u32, lock: bool) -> io::Result<Self> {
        let socket = Socket::new(Domain::UNIX, kind, None)?;
        socket.set_nonblocking(true)?;
        let name = BoundName::bind(&socket, address, mode, lock)?;
        Ok(Self { name: Mutex::new(name), promised: Mutex::default(), socket })
    }

    /// Takes over a socket that another process has bound. Its file and, if it is to be locked, its lock stay with that
    /// process until [`take_file`](Self::take_file).
    pub(crate) fn take_over(socket: Socket, address: &UnixAddress, lock: bool) -> io::Result<Self> {
        let promised = address.path().map(absolute).transpose()?.map(|path| (path, lock));
        Ok(Self { name: Mutex::default(), promised: Mutex::new(promised), socket })
    }

    /// A socket that was bound elsewhere; its file, if it has one, is not removed.
    pub(crate) fn adopted(socket: Socket) -> Self {
        Self { name: Mutex::default(), promised: Mutex::default(), socket }
    }

    /// Takes the file and the lock that the previous process has left.
    pub(crate) fn take_file(&self) -> io::Result<()> {
        if let Some((path, locks)) = take_locked(&self.promised) {
            let name = BoundName::take_over(path, locks)?;
            *lock(&self.name) = name;
        }
        Ok(())
    }

    /// From here on another process removes the file and the lock.
    pub(crate) fn leave_file(&self) {
        take_locked(&self.name).leave();
    }
}

impl AsRawFd for NamedSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl AsFd for NamedSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn take_locked<T: Default>(place: &Mutex<T>) -> T {
    mem::take(&mut *lock(place))
}

/// The name that a socket was bound to.
#[derive(Default)]
struct BoundName {
    file: Option<SocketFile>,
    /// Dropped after the file.
    lock: Option<Lock>,
}

impl BoundName {
    fn bind(socket: &Socket, address: &UnixAddress, mode: u32, lock: bool) -> io::Result<Self> {
        if address.is_unnamed() && socket.r#type()? == Type::DGRAM {
            return Ok(Self::default());
        }
        let system_address = address.to_system()?;
        let Some(path) = address.path() else {
            socket.bind(&system_address)?;
            return Ok(Self::default());
        };
        // The process may change its directory.
        let path = absolute(path)?;
        let (lock, _turn) = if lock { Some(Lock::acquire(&path)?).unzip() } else { (None, None) };
        if lock.as_ref().is_some_and(|lock| lock.was_stale) {
            remove_dead(&path)?;
        }
        // The file is created with these permissions, less the umask, and never has more. On systems that ignore this,
        // the code below sets them.
        let _ = fchmod(socket, Mode::from_raw_mode(mode));
        socket.bind(&system_address)?;
        Ok(Self { file: Some(SocketFile::with_mode(path, mode)?), lock })
    }

    fn take_over(path: PathBuf, lock: bool) -> io::Result<Self> {
        // The file first: without a file, no lock is needed.
        let file = SocketFile::new(path.clone())?;
        let lock = if lock { Some(Lock::take_over(&path)?) } else { None };
        Ok(Self { file: Some(file), lock })
    }

    fn leave(self) {
        if let Some(file) = self.file {
            file.leave();
        }
        if let Some(lock) = self.lock {
            lock.leave();
        }
    }
}

/// A socket's file, which is removed when this is dropped, unless another file has taken its place.
struct SocketFile {
    path: PathBuf,
    id: (u64, u64),
    left: bool,
}

impl SocketFile {
    fn new(path: PathBuf) -> io::Result<Self> {
        Ok(Self { id: id_of(&fs::symlink_metadata(&path)?), path, left: false })
    }

    /// The file of a socket that was just bound, with these permissions, whatever the umask was.
    ///
    /// They are set on the file that was checked, not on whatever has its name by then: anyone who can write in the
    /// directory may put a link there to another user's file.
    fn with_mode(path: PathBuf, mode: u32) -> io::Result<Self> {
        let file = open_itself(&path)?;
        let found = file.metadata()?;
        if !found.file_type().is_socket() {
            return Err(io::Error::other("another file has taken the place of the socket"));
        }
        if found.mode() & PERMISSIONS != mode & PERMISSIONS {
            // By its path among this process's descriptors: a descriptor not opened for reading supports no other way.
            fs::set_permissions(format!("/proc/self/fd/{}", file.as_raw_fd()), Permissions::from_mode(mode))?;
        }
        Ok(Self { id: id_of(&found), path, left: false })
    }

    /// Leaves the file in place.
    fn leave(mut self) {
        self.left = true;
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if !self.left
            && fs::symlink_metadata(&self.path).is_ok_and(|file| id_of(&file) == self.id)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %escaped_path(&self.path), %error, "cannot remove the socket");
        }
    }
}

fn id_of(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Opens what has this name, even if it is a link, without opening its target.
fn open_itself(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_NOFOLLOW).open(path)
}

/// Removes a socket that no process has open. Leaves anything else alone, so that binding fails.
fn remove_dead(path: &Path) -> io::Result<()> {
    if is_open(path) == Some(false) { fs::remove_file(path) } else { Ok(()) }
}

/// The bits of a mode that `chmod` sets.
const PERMISSIONS: u32 = 0o7777;

/// Why a socket could not be bound to a name, and what to do about it.
pub(crate) fn explain(address: &UnixAddress, error: &io::Error) -> String {
    let own_words = error.get_ref().is_some();
    let Some(path) = address.path().filter(|_| !own_words) else {
        return match error.kind() {
            io::ErrorKind::AddrInUse if !own_words => "another socket has this name".to_owned(),
            _ => error.to_string(),
        };
    };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match error.kind() {
        io::ErrorKind::AddrInUse => match fs::symlink_metadata(path) {
            Ok(file) if !file.file_type().is_socket() => "a file that is not a socket is in the way".to_owned(),
            _ => "in use: another program listens there, or has left its socket behind (then remove it, or listen \
                  with a lock)"
                .to_owned(),
        },
        io::ErrorKind::NotFound => format!("there is no directory {}", escaped_path(directory)),
        io::ErrorKind::PermissionDenied => format!("permission denied (to write in {})", escaped_path(directory)),
        _ => error.to_string(),
    }
}
