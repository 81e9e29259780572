use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use reactor::connection::MemoryCharge;
use reactor::{CloseReason, Transport};

/// Lines that wait, because only one may be sent in a while. Twisted's `lineRate`.
pub(crate) struct LineQueue {
    lines: VecDeque<Bytes>,
    bytes: usize,
    /// A line has just been sent: the next waits.
    is_waiting: bool,
    charge: MemoryCharge,
}

impl LineQueue {
    pub(crate) fn new(transport: &Transport) -> Self {
        Self { lines: VecDeque::new(), bytes: 0, is_waiting: false, charge: transport.charge_memory(0) }
    }

    /// Sends a line now or later. True if [`go_on`](Self::go_on) is to be called, a while from now.
    pub(crate) fn send(&mut self, line: Bytes, transport: &Transport) -> bool {
        if !self.is_waiting {
            transport.write_bytes(line);
            self.is_waiting = true;
            return true;
        }
        self.bytes += line.len();
        self.lines.push_back(line);
        self.charge.set(self.bytes);
        if self.bytes > transport.output_room() {
            let text = format!("more than {} bytes wait to be sent, one line at a time", transport.output_room());
            self.clear();
            transport.fail_connection(CloseReason::failed(text));
        }
        false
    }

    /// Sends the next line, as [`send`](Self::send).
    pub(crate) fn go_on(&mut self, transport: &Transport) -> bool {
        self.is_waiting = false;
        let Some(line) = self.lines.pop_front() else { return false };
        self.bytes -= line.len();
        self.charge.set(self.bytes);
        self.send(line, transport)
    }

    /// Leaves out what waits.
    pub(crate) fn clear(&mut self) {
        self.lines.clear();
        self.bytes = 0;
        self.charge.set(0);
    }
}

/// Asks for a call of [`LineQueue::go_on`].
pub(crate) type GoOnLater = fn(&Transport, Duration);
