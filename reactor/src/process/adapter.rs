//! A child's protocol as the protocol of a connection.

use std::any::Any;
use std::mem;
use std::rc::Rc;

use crate::connection::{Connection, Layer, Protocol};
use crate::process::protocol::ProcessProtocol;
use crate::process::transport::{ChildFd, Process};
use crate::time::panic_log::log_panic;
use crate::transport::close_reason::CloseReason;

/// Reports the events of a child to its [`ProcessProtocol`], with the order, flow control and calls of a connection.
pub(crate) struct ProcessAdapter<P> {
    process: Rc<Process>,
    protocol: P,
    /// The closed pipes that were reported.
    told: [bool; 3],
    told_exit: bool,
}

impl<P: ProcessProtocol> ProcessAdapter<P> {
    pub(crate) fn new(process: Rc<Process>, protocol: P) -> Self {
        Self { process, protocol, told: [false; 3], told_exit: false }
    }

    /// Reports one event other than output; returns false if there is none.
    fn tell_next(&mut self) -> bool {
        for (fd, lost) in [
            (ChildFd::In, P::in_connection_lost as fn(&mut P)),
            (ChildFd::Out, P::out_connection_lost),
            (ChildFd::Err, P::err_connection_lost),
        ] {
            if self.process.is_closed(fd) && !mem::replace(&mut self.told[fd as usize], true) {
                lost(&mut self.protocol);
                return true;
            }
        }
        if let Some(status) = self.process.status()
            && !mem::replace(&mut self.told_exit, true)
        {
            self.protocol.process_exited(status);
            return true;
        }
        false
    }
}

impl<P: ProcessProtocol> Protocol for ProcessAdapter<P> {
    fn connection_made(&mut self) {
        self.protocol.connection_made();
    }

    fn data_received(&mut self, data: &[u8]) {
        match self.process.source() {
            ChildFd::Err => self.protocol.err_received(data),
            ChildFd::In | ChildFd::Out => self.protocol.out_received(data),
        }
    }

    fn pause_writing(&mut self) {
        self.protocol.pause_writing();
    }

    fn resume_writing(&mut self) {
        self.protocol.resume_writing();
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        if matches!(reason, CloseReason::Overflow | CloseReason::Evicted | CloseReason::Aborted) {
            tracing::warn!(%reason, "a child process was killed");
        }
        let mut more = true;
        while more {
            log_panic("callback of a process", || more = self.tell_next());
        }
        // It is set: the driver has waited for the child.
        if let Some(status) = self.process.status() {
            self.protocol.process_ended(status);
        }
    }

    fn handler(&mut self) -> Option<&mut dyn Any> {
        Some(&mut self.protocol)
    }

    fn layer(&mut self) -> Option<&mut dyn Layer> {
        Some(self)
    }

    fn type_name(&self) -> &'static str {
        self.protocol.type_name()
    }
}

/// Not a real layer, but it needs the turns of one.
impl<P: ProcessProtocol> Layer for ProcessAdapter<P> {
    fn inside(&mut self) -> Option<&mut Connection> {
        None
    }

    fn pass(&mut self) {
        while self.tell_next() {}
    }
}
