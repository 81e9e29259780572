//! Messages with descriptors over a UNIX socket of the operating system.

use std::cell::RefCell;
use std::fs::File;
use std::io::IoSlice;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use reactor::{CloseReason, Factory, Protocol, Reactor, Transport};

/// The first byte selects what the receiver does. Each further pair is a message: the number of its descriptors, and that
/// of its bytes. A protocol that takes descriptors gets all of them, in order, each message's before its bytes; one that
/// takes none gets all bytes.
pub fn descriptors(data: &[u8]) {
    let [kind, messages @ ..] = data else { return };
    let files = ["/dev/null", "/dev/zero"].map(|path| File::open(path).unwrap());
    let devices = files.each_ref().map(|file| file.metadata().unwrap().rdev());
    let (near, far) = UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    let (mut sent, mut bytes) = (Vec::new(), Vec::new());
    for (number, message) in messages.chunks_exact(2).take(MOST).enumerate() {
        let length = 1 + usize::from(message[1]);
        let count = usize::from(message[0]).min(253);
        let which = |place: usize| (number + place) % 2;
        let descriptors: Vec<RawFd> = (0..count).map(|place| files[which(place)].as_raw_fd()).collect();
        let data = vec![number as u8; length];
        let control = [ControlMessage::ScmRights(&descriptors)];
        let control = if count == 0 { &[][..] } else { &control[..] };
        match sendmsg::<()>(near.as_raw_fd(), &[IoSlice::new(&data)], control, MsgFlags::empty(), None) {
            Ok(length) => bytes.extend_from_slice(&data[..length]),
            // The socket is full, or too many descriptors are on their way.
            Err(_) => break,
        }
        sent.extend((0..count).map(|place| (bytes.len() - length, devices[which(place)])));
    }
    drop(near);

    let seen = Rc::<RefCell<Seen>>::default();
    let reactor = Reactor::new().unwrap();
    reactor.set_signal_handling(false);
    far.set_nonblocking(true).unwrap();
    let log = Rc::clone(&seen);
    reactor.adopt_stream_connection(far, factory(*kind, log)).unwrap();
    reactor.run().unwrap();

    let Seen { received, descriptors, reason, .. } = seen.take();
    assert!(bytes.starts_with(&received));
    match kind % 4 {
        0 => {
            assert!(descriptors.is_empty() && received == bytes);
            assert!(matches!(reason, Some(CloseReason::Done)), "{reason:?}");
        }
        1 | 2 => {
            let came: Vec<_> = descriptors.iter().map(|(_, device)| *device).collect();
            assert_eq!(came, sent.iter().map(|(_, device)| *device).collect::<Vec<_>>());
            let early = descriptors.iter().zip(&sent).all(|((at, _), (of, _))| at <= of);
            assert!(early && received == bytes, "a descriptor comes behind its bytes");
        }
        _ => assert!(descriptors.len() <= 1),
    }
}

#[derive(Default)]
struct Seen {
    received: Vec<u8>,
    /// The number of bytes received before, and the device.
    descriptors: Vec<(usize, u64)>,
    reason: Option<CloseReason>,
}

fn factory(kind: u8, seen: Rc<RefCell<Seen>>) -> impl Factory {
    move |transport: Transport| -> Box<dyn Protocol> {
        let taker = Taker { transport, kind, seen: Rc::clone(&seen) };
        if kind.is_multiple_of(4) { Box::new(TakesNone(taker)) } else { Box::new(taker) }
    }
}

struct Taker {
    transport: Transport,
    kind: u8,
    seen: Rc<RefCell<Seen>>,
}

impl Protocol for Taker {
    fn data_received(&mut self, data: &[u8]) {
        self.seen.borrow_mut().received.extend_from_slice(data);
        if self.kind % 4 == 2 {
            self.transport.pause_reading();
            self.transport.call_later(Duration::ZERO, |this: &mut Self| this.transport.resume_reading());
        } else {
            // The peer has closed and reads no answer.
            write!(self.transport, "{}", data.len());
        }
    }

    fn file_descriptor_received(&mut self, descriptor: OwnedFd) {
        let device = File::from(descriptor).metadata().unwrap().rdev();
        let mut seen = self.seen.borrow_mut();
        let at = seen.received.len();
        seen.descriptors.push((at, device));
        if self.kind % 4 == 3 {
            self.transport.abort_connection();
        }
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.seen.borrow_mut().reason = Some(reason);
        self.transport.reactor().stop();
    }
}

struct TakesNone(Taker);

impl Protocol for TakesNone {
    fn data_received(&mut self, data: &[u8]) {
        self.0.seen.borrow_mut().received.extend_from_slice(data);
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.0.connection_lost(reason);
    }
}

/// The system refuses more messages than its buffer takes.
const MOST: usize = 32;
