//! Descriptors that Python names by their numbers.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

/// Another descriptor of the same file. Safe code cannot claim to own a number, so this process sends the file to itself,
/// for which a number is enough.
pub(crate) fn duplicate(number: RawFd) -> io::Result<OwnedFd> {
    thread_local!(static PAIR: io::Result<(UnixStream, UnixStream)> = UnixStream::pair());
    PAIR.with(|pair| match pair {
        Ok((from, to)) => send(from, number).and_then(|()| receive(to)),
        Err(error) => Err(error.kind().into()),
    })
}

fn send(from: &UnixStream, number: RawFd) -> io::Result<()> {
    let numbers = [number];
    let message = [ControlMessage::ScmRights(&numbers)];
    sendmsg::<()>(from.as_raw_fd(), &[IoSlice::new(b".")], &message, MsgFlags::empty(), None)?;
    Ok(())
}

fn receive(to: &UnixStream) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(to, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let rights = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut rights) => rights.next(),
        _ => None,
    });
    // If no descriptor is free, the system drops it on the way.
    rights.ok_or_else(|| nix::errno::Errno::EMFILE.into())
}
