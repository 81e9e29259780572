//! Web sockets, starting with the request.

use std::cell::RefCell;
use std::rc::Rc;

use protocols::web_socket::WebSocket;
use reactor::testing::StringTransport;
use reactor::{CloseReason, Protocol, Transport};

use crate::receiving::alike_in_every_cut;

/// The first byte selects where to cut and the socket's options; a server receives the others.
pub fn web_socket(data: &[u8]) {
    let [setup, stream @ ..] = data else { return };
    let whole = alike_in_every_cut(stream, *setup, |pieces| answer(*setup, pieces));
    assert!(whole.received.len() <= stream.len() && whole.lost <= 1);
}

#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    received: Vec<u8>,
    /// How many times the end was reported.
    lost: usize,
    written: Vec<u8>,
}

fn answer(setup: u8, pieces: &[&[u8]]) -> Outcome {
    let seen = Rc::<RefCell<(Vec<u8>, usize)>>::default();
    let kept = Rc::clone(&seen);
    let socket = WebSocket::around(move |transport| Echo { transport, seen: Rc::clone(&kept) }).max_message(64);
    let socket = if setup & 1 == 1 { socket.text() } else { socket };
    let mut wire = StringTransport::connect(socket);
    for piece in pieces {
        wire.receive(piece);
    }
    wire.receive_eof();
    assert!(wire.close_reason().is_some());
    let (received, lost) = seen.take();
    // A reset discards unsent output.
    let written = if wire.was_reset() { Vec::new() } else { wire.take_written() };
    Outcome { received, lost, written }
}

struct Echo {
    transport: Transport,
    seen: Rc<RefCell<(Vec<u8>, usize)>>,
}

impl Protocol for Echo {
    fn data_received(&mut self, data: &[u8]) {
        self.seen.borrow_mut().0.extend_from_slice(data);
        self.transport.write(data);
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        self.seen.borrow_mut().1 += 1;
    }
}
