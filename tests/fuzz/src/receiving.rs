//! Shared by targets: cutting a stream, and delivering the pieces to a receiver.

use std::cell::RefCell;
use std::fmt::Debug;
use std::rc::Rc;

use protocols::receiver::Handle;
use reactor::Factory;
use reactor::testing::StringTransport;

/// The records of handlers.
pub(crate) type Log<T> = Rc<RefCell<Vec<T>>>;

/// Messages that a test's handler treats as commands.
pub(crate) const PAUSE: &[u8] = b"p";
pub(crate) const CLOSE: &[u8] = b"c";

/// Carries out a message's command.
pub(crate) fn obey<K>(message: &[u8], handle: &Handle<K>) {
    match message {
        PAUSE => handle.pause_reading(),
        CLOSE => handle.lose_connection(),
        _ => {}
    }
}

/// A stream as a whole, byte by byte, and in two parts.
pub(crate) fn cuts(stream: &[u8], cut: u8) -> [Vec<&[u8]>; 3] {
    let (one, two) = stream.split_at(stream.len() * usize::from(cut) / 256);
    [vec![stream], stream.chunks(1).collect(), vec![one, two]]
}

/// Compares the results of a stream for every cut.
pub(crate) fn in_every_cut<T: PartialEq + Debug>(
    stream: &[u8],
    cut: u8,
    expected: &[T],
    receive: impl Fn(&[&[u8]]) -> Vec<T>,
) {
    for pieces in cuts(stream, cut) {
        assert_eq!(receive(&pieces), expected, "of {:?}", stream.escape_ascii().to_string());
    }
}

/// The results of a stream, which must be the same for every cut.
pub(crate) fn alike_in_every_cut<T: PartialEq + Debug>(stream: &[u8], cut: u8, receive: impl Fn(&[&[u8]]) -> T) -> T {
    let [whole, others @ ..] = cuts(stream, cut).map(|pieces| receive(&pieces));
    for other in others {
        assert_eq!(other, whole);
    }
    whole
}

/// The actual results of these pieces, followed by the end of the stream. `factory` receives a function that takes the
/// handle and returns it with the log.
pub(crate) fn receive<K: 'static, T: 'static, F: Factory>(
    pieces: &[&[u8]],
    factory: impl FnOnce(Box<dyn Fn(Handle<K>) -> (Handle<K>, Log<T>)>) -> F,
) -> Vec<T> {
    let came = Log::default();
    let handles = Rc::new(RefCell::new(None));
    let (log, handle) = (Rc::clone(&came), Rc::clone(&handles));
    let mut wire = StringTransport::connect(factory(Box::new(move |new: Handle<K>| {
        handle.replace(Some(new.clone()));
        (new, Rc::clone(&log))
    })));
    let handle: Handle<K> = handles.take().unwrap();
    for piece in pieces {
        wire.receive(piece);
        // Each pause lets one message through.
        loop {
            let before = came.borrow().len();
            handle.resume_reading();
            wire.settle();
            if came.borrow().len() == before {
                break;
            }
        }
    }
    wire.receive_eof();
    // A message that breaks the rules ends the connection with a reason, but in order.
    assert!(wire.close_reason().is_some() && !wire.was_reset());
    drop(wire);
    came.take()
}
