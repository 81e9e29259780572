//! Locks beside UNIX sockets, in Twisted's form: a symbolic link whose target is a process id.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::{fs, io, process};

use rustix::io::Errno;
use rustix::process::{Pid, geteuid, test_kill_process};
use socket2::{Domain, Socket, Type};

use crate::address::unix::UnixAddress;
use crate::util::escaped::escaped_path;
use crate::util::lock::lock;

/// A lock that this process holds; dropping it releases it.
pub(crate) struct Lock {
    path: PathBuf,
    /// Whether it was taken from a process that ended without releasing it.
    pub(crate) was_stale: bool,
    left: bool,
}

impl Lock {
    /// Takes the lock of the socket at an absolute path, unless the process that holds it serves that socket. The
    /// socket must be bound before the turn ends.
    pub(crate) fn acquire(socket: &Path) -> io::Result<(Self, Turn)> {
        let path = beside(socket);
        let turn = Turn::take(&path)?;
        let mut was_stale = false;
        loop {
            match symlink(process::id().to_string(), &path) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            match holder(&path)? {
                None => continue,
                Some(holder) if is_held_by(holder, &path, socket) => return Err(held(&path, holder)),
                Some(_) => fs::remove_file(&path)?,
            }
            was_stale = true;
        }
        held_here(|locks| locks.push(path.clone()));
        Ok((Self { path, was_stale, left: false }, turn))
    }

    /// Takes the lock of the socket at an absolute path from the process that holds it, with that process's consent.
    pub(crate) fn take_over(socket: &Path) -> io::Result<Self> {
        let path = beside(socket);
        // The lock exists at all times, so no other process takes it.
        let own = beside(&path);
        let _ = fs::remove_file(&own);
        symlink(process::id().to_string(), &own)?;
        fs::rename(&own, &path)?;
        held_here(|locks| locks.push(path.clone()));
        Ok(Self { path, was_stale: false, left: false })
    }

    /// Leaves the lock in place: another process has it, or will.
    pub(crate) fn leave(mut self) {
        self.left = true;
    }

    /// Whether a living process holds the lock of the socket at this path. Only connecting shows whether it serves the
    /// socket.
    pub(crate) fn is_held(socket: &Path) -> io::Result<bool> {
        let path = beside(&std::path::absolute(socket)?);
        Ok(holder(&path)?.is_some_and(|holder| is_alive(holder, &path)))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        held_here(|locks| locks.retain(|path| *path != self.path));
        if matches!(holder(&self.path), Ok(Some(holder)) if holder == process::id()) {
            // If this fails, the next process that wants the lock breaks it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The path of a socket's lock.
pub(crate) fn beside(socket: &Path) -> PathBuf {
    let mut path = OsString::from(socket);
    path.push(".lock");
    path.into()
}

/// The process named by a lock; `None` if there is no lock.
fn holder(path: &Path) -> io::Result<Option<u32>> {
    let target = match fs::read_link(path) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        // The system's error for something that is not a link.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Err(no_lock(path)),
        Err(error) => return Err(error),
    };
    let process = target.to_str().and_then(|text| text.parse().ok());
    process.map(Some).ok_or_else(|| no_lock(path))
}

/// A process id is no proof of life: by now it may belong to another program, or to a process in another container. An
/// open socket is proof; only where there is no socket yet must the id suffice.
fn is_held_by(holder: u32, path: &Path, socket: &Path) -> bool {
    is_open(socket).unwrap_or_else(|| is_alive(holder, path))
}

/// Whether a process has the socket with this name open; `None` if there is no such socket, or it cannot be probed.
pub(crate) fn is_open(path: &Path) -> Option<bool> {
    if !fs::symlink_metadata(path).ok()?.file_type().is_socket() {
        return None;
    }
    // Nothing listens for this socket type, so a server is not disturbed, but a live socket can be told from a dead
    // one.
    let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).ok()?;
    socket.set_nonblocking(true).ok()?;
    match socket.connect(&UnixAddress::from_path(path).to_system().ok()?) {
        Ok(()) => Some(true),
        Err(error) if error.raw_os_error() == Some(libc::EPROTOTYPE) => Some(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(true),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Some(false),
        Err(_) => None,
    }
}

fn is_alive(process: u32, path: &Path) -> bool {
    if process == process::id() {
        // In a container, successive starts have the same process id.
        return held_here(|locks| locks.iter().any(|held| held == path));
    }
    let process = i32::try_from(process).ok().and_then(Pid::from_raw);
    process.is_some_and(|process| test_kill_process(process) != Err(Errno::SRCH))
}

/// The right to check a lock, to break it and to bind the socket beside it. Without it, two processes that have both
/// seen a stale lock would remove each other's new one, and a process with a new lock beside a dead socket would seem
/// to be dead.
///
/// It is a locked file that only its owner can open: if others could read it, anyone could lock it.
pub(crate) struct Turn {
    path: PathBuf,
    _file: File,
}

impl Turn {
    fn take(lock: &Path) -> io::Result<Self> {
        let mut path = OsString::from(lock);
        path.push(".turn");
        let path = PathBuf::from(path);
        loop {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
            let file = options.open(&path).map_err(|error| match error.raw_os_error() {
                Some(libc::ELOOP) => no_lock(&path),
                _ => error,
            })?;
            let opened = file.metadata()?;
            if opened.uid() != geteuid().as_raw() {
                return Err(in_use(format!("{} is in the way, and belongs to another user", escaped_path(&path))));
            }
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(in_use(format!("another process is taking the lock {}", escaped_path(lock))));
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // Otherwise its last owner has removed it meanwhile.
            let is_there = |file: fs::Metadata| (file.dev(), file.ino()) == (opened.dev(), opened.ino());
            if fs::symlink_metadata(&path).is_ok_and(is_there) {
                return Ok(Self { path, _file: file });
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // If this fails, the next process still gets its turn.
        let _ = fs::remove_file(&self.path);
    }
}

fn held(path: &Path, holder: u32) -> io::Error {
    in_use(format!("process {holder} has the lock {}", escaped_path(path)))
}

fn no_lock(path: &Path) -> io::Error {
    in_use(format!("{} is in the way, and is not a lock", escaped_path(path)))
}

fn in_use(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, message)
}

/// The locks that this process holds.
fn held_here<R>(look: impl FnOnce(&mut Vec<PathBuf>) -> R) -> R {
    static HELD: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
    look(&mut lock(&HELD))
}
