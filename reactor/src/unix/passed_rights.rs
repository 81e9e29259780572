//! Whether a UNIX socket takes file descriptors.

use nix::sys::socket::setsockopt;
use nix::{setsockopt_impl, sockopt_impl};
use socket2::Socket;

/// Sets whether others may send descriptors to this socket, or to those that it accepts: the system refuses them then, so
/// that they take no place among this process's own, and none has to be closed. Linux before 6.16 has no such option.
pub(crate) fn set_takes_descriptors(socket: &Socket, takes: bool) {
    // Elsewhere the number means something else.
    if !cfg!(any(target_arch = "sparc", target_arch = "sparc64")) {
        let _ = setsockopt(socket, PassRights, &takes);
    }
}

sockopt_impl!(PassRights, SetOnly, libc::SOL_SOCKET, SO_PASSRIGHTS, bool);

/// From Linux's `asm-generic/socket.h`.
const SO_PASSRIGHTS: libc::c_int = 83;
