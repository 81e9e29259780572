use std::fmt;
use std::os::fd::OwnedFd;

use crate::address::Address;
use crate::connection::factory::Factory;
use crate::connection::rules::pass_on_close;
use crate::connection::{Connection, OnEof, Protocol};
use crate::time::panic_log::log_panic;
use crate::transport::Transport;
use crate::transport::flow_control::HIGH_WATER;

/// A connection inside another: the main part of a [`Layer`](crate::layer::Layer), besides its own rules.
///
/// The layer passes it what comes from outside, by [`received`](Self::received), [`received_eof`](Self::received_eof)
/// and [`file_descriptor_received`](Self::file_descriptor_received). In its [`pass`](crate::layer::Layer::pass) it
/// calls [`pass`](Self::pass), or [`send`](Self::send) and [`update_outer`](Self::update_outer) if it has something to
/// send when the inner connection closes.
pub struct Nested {
    outer: Transport,
    inside: Connection,
}

impl Nested {
    /// Has `factory` build the protocol inside, with a transport nested in `outer`; `None` if the factory refuses.
    pub fn build(outer: &Transport, factory: &mut dyn Factory) -> Option<Self> {
        Self::build_with(outer, Transport::nested(outer), factory)
    }

    /// The same, for a layer that has learned the real addresses of the connection: [`host`](Transport::host) and
    /// [`peer`](Transport::peer) return these inside, and in the layers inside that.
    pub fn build_at(outer: &Transport, host: Address, peer: Address, factory: &mut dyn Factory) -> Option<Self> {
        Self::build_with(outer, Transport::nested_at(outer, host, peer), factory)
    }

    /// The same, with a transport that was nested in `outer`.
    pub(crate) fn build_with(outer: &Transport, inner: Transport, factory: &mut dyn Factory) -> Option<Self> {
        Self::join(outer, inner, |inner| factory.build_protocol(inner), Connection::new)
    }

    /// The same, with a protocol that was resumed.
    pub(crate) fn resume(
        outer: &Transport,
        inner: Transport,
        resume: impl FnOnce(Transport) -> Option<Box<dyn Protocol>>,
    ) -> Option<Self> {
        Self::join(outer, inner, resume, Connection::resumed)
    }

    /// Queues what the previous process has not sent.
    pub(crate) fn restore_unsent(&self, unsent: &[u8]) {
        self.inside.transport().0.restore_unsent(unsent);
    }

    fn join(
        outer: &Transport,
        inner: Transport,
        build: impl FnOnce(Transport) -> Option<Box<dyn Protocol>>,
        connection: impl FnOnce(Transport, Box<dyn Protocol>) -> Connection,
    ) -> Option<Self> {
        let mut unbuilt = Unbuilt(Some(inner.clone()));
        let protocol = build(inner.clone())?;
        let inside = connection(inner, protocol);
        unbuilt.0 = None;
        // What waits to be sent is counted and limited inside; only 64 KiB at a time come out here.
        outer.set_output_limit(usize::MAX);
        Some(Self { outer: outer.clone(), inside })
    }

    /// The inner connection, for [`Layer::inside`](crate::layer::Layer::inside) to return.
    pub fn inside(&mut self) -> &mut Connection {
        &mut self.inside
    }

    /// Delivers bytes to the protocol inside: see [`Connection::received`].
    pub fn received(&mut self, data: &[u8]) {
        self.pass_on_close();
        self.inside.received(data);
    }

    /// Delivers a descriptor to the protocol inside: see [`Connection::file_descriptor_received`].
    pub fn file_descriptor_received(&mut self, descriptor: OwnedFd) {
        self.pass_on_close();
        self.inside.file_descriptor_received(descriptor);
    }

    /// Delivers the peer's end of stream to the protocol inside: see [`Connection::received_eof`]. Returns the value
    /// for the layer's own [`eof_received`](crate::Protocol::eof_received) to return, which is never [`OnEof::Close`]:
    /// the inner connection closes the outer one when everything written inside has left.
    pub fn received_eof(&mut self) -> OnEof {
        self.pass_on_close();
        match self.inside.received_eof() {
            OnEof::NotYet => OnEof::NotYet,
            OnEof::Close | OnEof::KeepWriting => OnEof::KeepWriting,
        }
    }

    /// If the layer has just closed the outer connection, the protocol inside receives nothing more.
    fn pass_on_close(&self) {
        pass_on_close(&self.outer, self.inside.transport());
    }

    /// Offers `take` the bytes that the protocol inside wants to send, up to 65,536 at a time, until it takes none.
    /// `take` gets the outer transport, sends by [`Transport::write_from_inside`], and returns how many of the bytes it has
    /// processed. While the outer connection is full the bytes stay inside, so that they count where they were written.
    pub fn send(&mut self, mut take: impl FnMut(&Transport, &[u8]) -> usize) {
        while self.can_send() {
            let taken = self.inside.with_output(|data| {
                let data = first(data);
                take(&self.outer, data).min(data.len())
            });
            if taken == 0 {
                break;
            }
            self.inside.sent(taken);
        }
    }

    /// The same for bytes that leave as they are, with the descriptors among them. `allow` returns how many of them may.
    #[inline]
    fn send_unchanged(&mut self, mut allow: impl FnMut(&[u8]) -> usize) {
        while self.can_send() {
            let (outer, inner) = (&self.outer.0, &self.inside.transport().0);
            let lent = inner.lend_output();
            let data = first(lent.chunk());
            let allowed = allow(data).min(data.len());
            if allowed == lent.len() && outer.can_take_over_from_inside(inner, &lent) {
                outer.take_over_from_inside(lent);
                self.inside.handed_on();
                continue;
            }
            inner.take_output_back(lent);
            if allowed == 0 {
                break;
            }
            self.inside.with_output(|data| outer.write_all_from_inside(inner, &data[..allowed]));
            self.inside.sent(allowed);
        }
    }

    #[inline]
    fn can_send(&self) -> bool {
        let inner = self.inside.transport();
        inner.unsent_bytes() > 0 && !self.outer.is_full() && !inner.has_failed()
    }

    /// Holds the outer connection while the inner one does not want to read, ends it if the inner one has failed, and
    /// keeps it from closing while `unfinished`, or while something is unsent inside. The layer decides what to do
    /// about a close or an end of the stream requested inside; from then on the outer connection is read.
    pub fn update_outer(&mut self, unfinished: bool) {
        self.update_outer_end(unfinished);
        let closing = self.inside.transport().0.is_closing();
        self.hold(!closing && !self.inside.wants_read());
    }

    /// [`send`](Self::send) and [`update_outer`](Self::update_outer) in one. A close or an end of the stream requested
    /// inside also applies to the outer connection, and a whole message received inside counts as one outside, too.
    pub fn pass(&mut self, take: impl FnMut(&Transport, &[u8]) -> usize) {
        self.pass_message();
        self.send(take);
        self.pass_end();
    }

    /// The same for bytes that leave as they are; `allow` returns how many of those that it is shown may.
    #[inline]
    pub(crate) fn pass_unchanged(&mut self, allow: impl FnMut(&[u8]) -> usize) {
        self.pass_message();
        self.send_unchanged(allow);
        self.pass_end();
    }

    fn pass_message(&self) {
        if self.inside.transport().0.take_message() {
            self.outer.note_message();
        }
    }

    fn pass_end(&mut self) {
        self.update_outer_end(false);
        if !self.inside.transport().0.is_writable() {
            if self.inside.wants_close() {
                self.outer.lose_connection_with(self.inside.transport().0.close_reason());
            } else if self.inside.wants_write_eof() {
                self.outer.write_eof();
                self.inside.write_eof_sent();
            }
        }
        self.hold(!self.inside.wants_read());
    }

    fn update_outer_end(&self, unfinished: bool) {
        self.outer.0.set_unfinished(unfinished || !self.inside.transport().0.is_finished());
        if let Some(reason) = self.inside.failure() {
            self.outer.fail_connection(reason);
        }
    }

    /// Whether the protocol inside has received a whole message that was not passed on yet.
    pub(crate) fn has_message(&self) -> bool {
        self.inside.transport().0.has_message()
    }

    /// Has the outer connection read, whether or not the inner one wants that, until the next
    /// [`update_outer`](Self::update_outer) or [`pass`](Self::pass): for a layer that waits for something itself.
    pub fn release(&mut self) {
        self.hold(false);
    }

    fn hold(&mut self, hold: bool) {
        if self.inside.transport().0.holds_outer.replace(hold) != hold {
            if hold {
                self.outer.0.hold();
            } else {
                self.outer.0.release();
            }
        }
    }
}

/// What a layer is offered at a time.
fn first(data: &[u8]) -> &[u8] {
    &data[..data.len().min(HIGH_WATER)]
}

/// A transport whose protocol is being built: if that fails, its handles are stale.
struct Unbuilt(Option<Transport>);

impl Drop for Unbuilt {
    fn drop(&mut self) {
        if let Some(transport) = &self.0 {
            log_panic("drop of a call", || transport.0.end());
        }
    }
}

impl fmt::Debug for Nested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nested").field("inside", &self.inside).finish_non_exhaustive()
    }
}
