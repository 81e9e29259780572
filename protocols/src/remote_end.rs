//! For tests: the far end of a connection.

use std::cell::RefCell;
use std::rc::Rc;

use reactor::{CloseReason, Factory, OnEof, Protocol, Transport};

/// Records what is received, and keeps its transport so that the test can act.
#[derive(Clone, Default)]
pub(crate) struct RemoteEnd(Rc<RefCell<Seen>>);

#[derive(Default)]
struct Seen {
    transport: Option<Transport>,
    received: Vec<u8>,
    eof: bool,
    lost: Option<CloseReason>,
}

struct Recorder(RemoteEnd);

impl RemoteEnd {
    pub(crate) fn factory(&self) -> impl Factory + use<> {
        let end = self.clone();
        move |transport| {
            end.0.borrow_mut().transport = Some(transport);
            Recorder(end.clone())
        }
    }

    pub(crate) fn transport(&self) -> Transport {
        self.0.borrow().transport.clone().expect("it is connected")
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.0.borrow().transport.is_some()
    }

    pub(crate) fn received(&self) -> Vec<u8> {
        self.0.borrow().received.clone()
    }

    pub(crate) fn has_eof(&self) -> bool {
        self.0.borrow().eof
    }

    pub(crate) fn lost(&self) -> Option<CloseReason> {
        self.0.borrow().lost.clone()
    }

    pub(crate) fn lost_cleanly(&self) -> bool {
        self.lost().is_some_and(|reason| reason.is_clean())
    }

    pub(crate) fn was_reset(&self) -> bool {
        matches!(self.lost(), Some(CloseReason::Lost(_)))
    }
}

impl Protocol for Recorder {
    fn data_received(&mut self, data: &[u8]) {
        self.0.0.borrow_mut().received.extend(data);
    }

    fn eof_received(&mut self) -> OnEof {
        self.0.0.borrow_mut().eof = true;
        OnEof::KeepWriting
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.0.0.borrow_mut().lost = Some(reason);
    }
}
