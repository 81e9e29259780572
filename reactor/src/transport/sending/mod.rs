//! Telling a protocol that everything it wrote has left.

mod from_inside;

use std::mem;

use crate::time::call::Call;
use crate::transport::Transport;
use crate::transport::lifecycle::Eof;
use crate::transport::state::State;

impl Transport {
    /// Calls `call`, once, when everything written is handed to the system, including what is written after this and before
    /// then; if [`write_eof`](Self::write_eof) was called, when the end of this side's stream is, too. If nothing is unsent,
    /// the call comes in the next turn. It is dropped if the connection ends first.
    ///
    /// It is for what goes piece by piece, each when the last has left, however small the pieces are; for pieces of 64 KiB and
    /// more [`resume_writing`](crate::Protocol::resume_writing) needs no request. Inside a layer, the bytes are handed to
    /// the layer. Twisted's pull producers, and its `writeConnectionLost`.
    ///
    /// ```
    /// # use reactor::{Protocol, Transport};
    /// # struct Upload { transport: Transport, parts: Vec<Vec<u8>> }
    /// # impl Upload {
    /// fn send_next(&mut self) {
    ///     match self.parts.pop() {
    ///         Some(part) => {
    ///             self.transport.write(part);
    ///             self.transport.when_sent(Self::send_next);
    ///         }
    ///         None => self.transport.write_eof(),
    ///     }
    /// }
    /// # }
    /// # impl Protocol for Upload {
    /// #     fn connection_made(&mut self) { self.send_next() }
    /// #     fn data_received(&mut self, _: &[u8]) {}
    /// # }
    /// # use reactor::testing::StringTransport;
    /// # let parts = vec![b"two".to_vec(), b"one".to_vec()];
    /// # let wire = StringTransport::connect(move |transport| Upload { transport, parts: parts.clone() });
    /// # assert_eq!(wire.written_text(), "onetwo");
    /// # assert!(wire.eof_written());
    /// ```
    ///
    /// # Panics
    ///
    /// As [`call_later`](Self::call_later).
    #[track_caller]
    pub fn when_sent<P: 'static>(&self, call: impl FnOnce(&mut P) + 'static) {
        self.0.call_when_sent(self.0.calls.call(call));
    }
}

impl State {
    fn call_when_sent(&self, call: Call) {
        if self.is_all_sent() {
            self.calls.push(call);
            self.wake();
        } else if !self.has_ended() {
            self.with_cold(|cold| cold.when_sent.push(call));
        }
    }

    /// Makes the calls that were to wait until everything was sent, if it was.
    pub(crate) fn tell_if_all_is_sent(&self) {
        let waits = self.cold().is_some_and(|cold| !cold.when_sent.is_empty());
        if !waits || !self.is_all_sent() {
            return;
        }
        for call in self.with_cold(|cold| mem::take(&mut cold.when_sent)) {
            self.calls.push(call);
        }
        self.wake();
    }

    fn is_all_sent(&self) -> bool {
        self.is_finished() && self.lifecycle().eof().is_some_and(|eof| eof != Eof::Wanted)
    }
}
