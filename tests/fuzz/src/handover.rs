//! What two processes of a handover say to each other, over a socket of the operating system.

use std::fs::File;
use std::io::{IoSlice, Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use futures_channel::oneshot;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use reactor::Reactor;
use reactor::listen::Handover;
use tempfile::tempdir;

/// The first byte selects the side, and the number of descriptors or the cut; the other process sends the others.
pub fn handover(data: &[u8]) {
    let [kind, said @ ..] = data else { return };
    let folder = tempdir().unwrap();
    let path = folder.path().join("socket");
    if kind & 1 == 0 { before(&path, kind >> 1, said) } else { after(&path, kind >> 1, said) }
}

/// The previous process sends this, with up to seven descriptors, of sockets or not, and ends. Either all of them are
/// taken, or there is an error that says why not.
fn before(path: &Path, descriptors: u8, said: &[u8]) {
    let listener = UnixListener::bind(path).unwrap();
    let reactor = reactor();
    let count = usize::from(descriptors % 8);
    let left: OwnedFd = match descriptors & 8 {
        0 => TcpListener::bind("127.0.0.1:0").unwrap().into(),
        _ => File::open("/dev/null").unwrap().into(),
    };
    let taken = thread::scope(|scope| {
        scope.spawn(|| {
            let (process, _) = listener.accept().unwrap();
            let descriptors = vec![left.as_raw_fd(); count];
            let control = [ControlMessage::ScmRights(&descriptors)];
            let control = if count == 0 { &[][..] } else { &control[..] };
            let first = said.len().min(1);
            let _ =
                sendmsg::<()>(process.as_raw_fd(), &[IoSlice::new(&said[..first])], control, MsgFlags::empty(), None);
            let _ = (&process).write_all(&said[first..]);
        });
        Handover::begin(&reactor, path)
    });
    match taken {
        Ok(handover) => {
            let is_complete = said.starts_with(b"\n") || said.windows(2).any(|end| end == b"\n\n");
            assert!(is_complete, "{:?} is no list", said.escape_ascii().to_string());
            assert_eq!(handover.taken_count(), count);
        }
        Err(error) => {
            let text = error.to_string();
            assert!(text.starts_with("cannot take over from the process at ") && text.is_ascii(), "{text}");
        }
    }
}

/// The next process sends this. Unless it takes over, another one can afterwards.
fn after(path: &Path, cut: u8, said: &[u8]) {
    let reactor = reactor();
    reactor.listen_tcp("127.0.0.1:0", |_| Silent).unwrap();
    let handover = Handover::begin(&reactor, path).unwrap();
    let (tell, taken_over) = oneshot::channel();
    let others = reactor.run_until(async {
        handover.finish(move || tell.send(()).unwrap()).await.unwrap();
        let (path, said) = (path.to_owned(), said.to_vec());
        let others = thread::spawn(move || take_over(&path, cut, &said));
        reactor.time_out(DEADLINE, taken_over).await.expect("nobody could take over").unwrap();
        others
    });
    others.unwrap().join().unwrap();
}

fn take_over(path: &Path, cut: u8, said: &[u8]) {
    let (one, two) = said.split_at(said.len() * usize::from(cut % 16) / 16);
    for pieces in [[one, two], [b"ready\n", b""]] {
        // The first may have taken over.
        let Ok(mut process) = UnixStream::connect(path) else { return };
        for piece in pieces {
            let _ = process.write_all(piece);
        }
        let _ = process.shutdown(Shutdown::Write);
        let _ = process.read_to_end(&mut Vec::new());
    }
}

fn reactor() -> Reactor {
    let reactor = Reactor::new().unwrap();
    reactor.set_signal_handling(false);
    reactor
}

struct Silent;

impl reactor::Protocol for Silent {
    fn data_received(&mut self, _data: &[u8]) {}
}

const DEADLINE: Duration = Duration::from_secs(60);
