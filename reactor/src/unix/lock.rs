//! Locks beside UNIX sockets, in Twisted's form: a symbolic link whose target is the number of a process.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::{fs, io, process};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// A lock that this process holds; dropping it lets it go.
pub(crate) struct Lock {
    path: PathBuf,
    /// It was taken from a process that has ended without letting it go.
    pub(crate) was_stale: bool,
    left: bool,
}

impl Lock {
    /// Takes the lock of the socket at an absolute path, if no living process has it.
    pub(crate) fn acquire(socket: &Path) -> io::Result<Self> {
        let path = beside(socket);
        let mut was_stale = false;
        loop {
            match symlink(process::id().to_string(), &path) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            match holder(&path)? {
                None => continue,
                Some(holder) if is_alive(holder, &path) => return Err(held(&path, holder)),
                Some(_) => was_stale |= break_stale(&path)?,
            }
        }
        held_here(|locks| locks.insert(path.clone()));
        Ok(Self { path, was_stale, left: false })
    }

    /// Takes the lock of the socket at an absolute path from the process that has it, which agrees to that.
    pub(crate) fn take_over(socket: &Path) -> io::Result<Self> {
        let path = beside(socket);
        // At no time there is none, and so nobody else takes it.
        let own = beside(&path);
        let _ = fs::remove_file(&own);
        symlink(process::id().to_string(), &own)?;
        fs::rename(&own, &path)?;
        held_here(|locks| locks.insert(path.clone()));
        Ok(Self { path, was_stale: false, left: false })
    }

    /// Lets the lock be: another process has it, or will.
    pub(crate) fn leave(mut self) {
        self.left = true;
    }

    /// Whether a living process has the lock of the socket at this path.
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
        held_here(|locks| locks.remove(&self.path));
        if matches!(holder(&self.path), Ok(Some(holder)) if holder == process::id()) {
            // If it fails, whoever wants the lock next breaks it.
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

/// The process that a lock names; `None` if there is no lock.
fn holder(path: &Path) -> io::Result<Option<u32>> {
    let target = match fs::read_link(path) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        // The system's word for what is no link.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Err(no_lock(path)),
        Err(error) => return Err(error),
    };
    let process = target.to_str().and_then(|text| text.parse().ok());
    process.map(Some).ok_or_else(|| no_lock(path))
}

fn is_alive(process: u32, path: &Path) -> bool {
    if process == process::id() {
        // In a container one start after the other has the same number.
        return held_here(|locks| locks.contains(path));
    }
    let process = i32::try_from(process).ok().and_then(Pid::from_raw);
    process.is_some_and(|process| test_kill_process(process) != Err(Errno::SRCH))
}

/// Removes the lock if it is still stale; false if somebody else was faster.
fn break_stale(path: &Path) -> io::Result<bool> {
    // One at a time: two who have both seen the stale lock would remove each other's new one.
    let directory = File::open(path.parent().unwrap_or(path))?;
    match directory.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(in_use(format!("somebody else is taking the lock {}", path.display())));
        }
        Err(TryLockError::Error(error)) => return Err(error),
    }
    match holder(path)? {
        Some(holder) if !is_alive(holder, path) => fs::remove_file(path).map(|()| true),
        _ => Ok(false),
    }
}

fn held(path: &Path, holder: u32) -> io::Error {
    in_use(format!("process {holder} has the lock {}", path.display()))
}

fn no_lock(path: &Path) -> io::Error {
    in_use(format!("{} is in the way, and is not a lock", path.display()))
}

fn in_use(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, message)
}

/// The locks that this process holds.
fn held_here<R>(look: impl FnOnce(&mut BTreeSet<PathBuf>) -> R) -> R {
    static HELD: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    look(&mut HELD.lock().unwrap_or_else(PoisonError::into_inner))
}
