//! Taking listening sockets that this program was started with, by their numbers.

use std::fs::OpenOptions;
use std::io::IoSlice;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, MutexGuard};
use std::{fs, io};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use socket2::{Domain, Socket, Type};

use crate::unix;
use crate::util::lock::lock;

/// Takes the listening socket with this number. Afterwards the number is free, or refers to `/dev/null` if it is a
/// standard descriptor. Works once per number, which may come to mean something else. A descriptor that is not such a
/// socket, or that this process opened itself, is left as it is.
pub(crate) fn take_listener(number: RawFd, domain: Option<Domain>) -> io::Result<OwnedFd> {
    let mut taken = taken();
    if taken.contains(&number) {
        return Err(io::Error::other(format!("descriptor {number} was already taken")));
    }
    let refused = |reason: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("descriptor {number} {reason}"));
    let socket = duplicate(number).map_err(|error| match error.raw_os_error() {
        Some(libc::EBADF) => refused("is not open"),
        _ => error,
    })?;
    if is_ours(number)? {
        return Err(refused("was opened by this process, not inherited"));
    }
    let socket = Socket::from(socket);
    match socket.r#type() {
        Ok(Type::STREAM) if socket.is_listener()? => {}
        Ok(_) => return Err(refused("does not listen for connections")),
        Err(_) => return Err(refused("is not a socket")),
    }
    if domain.is_some_and(|domain| socket.domain().ok() != Some(domain)) {
        return Err(refused("is a socket of another domain"));
    }
    taken.push(number);
    give_up(number)?;
    Ok(socket.into())
}

/// A standard descriptor must stay open: otherwise the next file to be opened, perhaps a client's connection, would
/// receive what the program prints, and its children would inherit it.
fn give_up(number: RawFd) -> io::Result<()> {
    let replace = match number {
        0 => dup2_stdin,
        1 => dup2_stdout,
        2 => dup2_stderr,
        _ => return Ok(nix::unistd::close(number)?),
    };
    Ok(replace(OpenOptions::new().read(true).write(true).open("/dev/null")?)?)
}

pub(crate) fn is_taken(number: RawFd) -> bool {
    taken().contains(&number)
}

/// The numbers that were taken by any thread.
fn taken() -> MutexGuard<'static, Vec<RawFd>> {
    static TAKEN: Mutex<Vec<RawFd>> = Mutex::new(Vec::new());
    lock(&TAKEN)
}

/// Another descriptor of the same file. Safe code cannot claim to own a number, so this process sends the file to
/// itself, for which a number is enough.
fn duplicate(number: RawFd) -> io::Result<OwnedFd> {
    let (from, to) = UnixStream::pair()?;
    let numbers = [number];
    let message = [ControlMessage::ScmRights(&numbers)];
    sendmsg::<()>(from.as_raw_fd(), &[IoSlice::new(b".")], &message, MsgFlags::empty(), None)?;
    let mut received = Vec::new();
    unix::receive(&to, &mut [0], &mut received)?;
    // If no descriptor is free, the system drops it on the way.
    received.pop().ok_or_else(|| io::Error::from_raw_os_error(libc::EMFILE))
}

/// Marks everything this process has open, except its standard descriptors, to be closed in programs that it starts
/// from here on. Inherited sockets can still be taken.
pub(crate) fn close_on_exec() {
    LazyLock::force(&INHERITED);
    close_fds::set_fds_cloexec(FIRST, &[]);
}

/// The descriptors that other programs would have inherited before this was first changed, and what they referred to.
static INHERITED: LazyLock<Vec<(RawFd, PathBuf)>> = LazyLock::new(|| {
    let open = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let numbers = open.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let inherited = numbers.filter(|number| *number >= FIRST && stays_open(*number).is_ok_and(|stays| stays));
    inherited.filter_map(|number| Some((number, what_is(number)?))).collect()
});

/// The first after the standard descriptors.
const FIRST: RawFd = 3;

/// Whether this process opened it, so that it cannot have been inherited: it is then closed on exec, like everything
/// opened by Rust's standard library.
fn is_ours(number: RawFd) -> io::Result<bool> {
    let was_inherited = || what_is(number).is_some_and(|what| INHERITED.contains(&(number, what)));
    Ok(!stays_open(number)? && !was_inherited())
}

fn stays_open(number: RawFd) -> io::Result<bool> {
    let path = format!("/proc/self/fdinfo/{number}");
    let text = fs::read_to_string(&path)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot read {path}: {error}")))?;
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok());
    Ok(flags.is_some_and(|flags| flags & libc::O_CLOEXEC == 0))
}

/// What a descriptor refers to, with its unique number in the system, as in `socket:[71612]`.
fn what_is(number: RawFd) -> Option<PathBuf> {
    fs::read_link(format!("/proc/self/fd/{number}")).ok()
}
