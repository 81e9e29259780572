//! What is at the far end of a connection: it keeps what comes, and sends what it is told to.

use std::cell::RefCell;
use std::rc::Rc;

use reactor::CloseReason;
use reactor::Factory;
use reactor::OnEof;
use reactor::Protocol;
use reactor::Transport;

#[derive(Clone, Default)]
pub(crate) struct FarEnd(Rc<RefCell<Seen>>);

#[derive(Default)]
struct Seen {
    transport: Option<Transport>,
    received: Vec<u8>,
    ended: bool,
}

impl FarEnd {
    pub(crate) fn factory(&self) -> impl Factory + use<> {
        let end = self.clone();
        move |transport| {
            end.0.borrow_mut().transport = Some(transport);
            Recorder(end.clone())
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.0.borrow().transport.is_some()
    }

    /// Sends this, if there is a connection.
    pub(crate) fn send(&self, data: &[u8]) {
        let transport = self.0.borrow().transport.clone();
        if let Some(transport) = transport {
            transport.write(data);
        }
    }

    /// All that has come, and whether that was all.
    pub(crate) fn received(&self) -> (Vec<u8>, bool) {
        let seen = self.0.borrow();
        (seen.received.clone(), seen.ended)
    }
}

struct Recorder(FarEnd);

impl Protocol for Recorder {
    fn data_received(&mut self, data: &[u8]) {
        self.0.0.borrow_mut().received.extend_from_slice(data);
    }

    fn eof_received(&mut self) -> OnEof {
        self.0.0.borrow_mut().ended = true;
        OnEof::KeepWriting
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        self.0.0.borrow_mut().ended = true;
    }
}
