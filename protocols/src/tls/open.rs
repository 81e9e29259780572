//! A connection after its handshake.

use std::mem;
use std::rc::Rc;

use bytes::Bytes;
use reactor::connection::Connection;
use reactor::layer::Nested;
use reactor::{CloseReason, OnEof, Transport};

use crate::tls::error::TlsError;
use crate::tls::session::Session;
use crate::tls::start::Upgrade;

/// The records of one connection, and the connection inside.
pub(super) struct Open {
    outer: Transport,
    nested: Nested,
    session: Session,
    /// Records that wait because the protocol inside has paused reading.
    kept: Bytes,
    /// What is wrong with the records behind those that were delivered.
    failure: Option<Box<TlsError>>,
    server_name: Option<Box<str>>,
    /// Nothing is delivered before the protocol inside has heard that the connection is secure.
    upgrade: Option<Rc<Upgrade>>,
    told_of_eof: bool,
    /// This side has ended its stream.
    closed: bool,
}

impl Open {
    pub(super) fn new(
        outer: Transport,
        nested: Nested,
        session: Session,
        server_name: Option<&str>,
        upgrade: Option<Rc<Upgrade>>,
    ) -> Self {
        Self {
            outer,
            nested,
            session,
            kept: Bytes::new(),
            failure: None,
            server_name: server_name.map(Box::from),
            upgrade,
            told_of_eof: false,
            closed: false,
        }
    }

    pub(super) fn inside(&mut self) -> &mut Connection {
        self.nested.inside()
    }

    /// Delivers what is kept, then what is in these records, as long as the protocol inside reads. The rest is kept.
    pub(super) fn received(&mut self, records: &[u8]) {
        if !self.kept.is_empty() && !records.is_empty() {
            self.kept = [&self.kept, records].concat().into();
        }
        let kept = mem::take(&mut self.kept);
        let mut input = if kept.is_empty() { records } else { &kept[..] };
        while self.deliver() && !input.is_empty() && self.failure.is_none() && !self.session.is_closed_by_peer() {
            let outer = &self.outer;
            if let Err(error) = self.session.take_records(&mut input, || outer.reactor().time_of_day()) {
                self.failure = Some(Box::new(TlsError::of_rustls(error, self.server_name.as_deref())));
            }
        }
        let is_over = self.failure.is_some() || self.session.is_closed_by_peer() || self.is_closing();
        if !is_over && !input.is_empty() {
            let left = input.len();
            self.kept = if kept.is_empty() { Bytes::copy_from_slice(input) } else { kept.slice(kept.len() - left..) };
        }
    }

    /// Delivers what is decrypted; false if the protocol inside does not want all of it now. What follows is decrypted even
    /// if it does not want more: the end of the stream may be next.
    fn deliver(&mut self) -> bool {
        loop {
            let plain = self.session.plain();
            let len = plain.len();
            if len == 0 {
                return true;
            }
            if !self.nested.inside().transport().is_closing() {
                let hears = self.upgrade.as_ref().is_none_or(|upgrade| upgrade.is_told());
                if !hears || !self.nested.inside().wants_read() {
                    return false;
                }
                self.nested.received(plain);
            }
            self.session.consume_plain(len);
            // The answers to a record are records of their own.
            self.send();
        }
    }

    /// Called when something may have changed inside or outside.
    pub(super) fn pass(&mut self) {
        if self.has_more() {
            self.received(b"");
        }
        // What TLS itself has to say, such as new keys.
        self.session.send_records(&self.outer);
        self.send();
        if !self.has_more() {
            self.pass_on_end();
        }
        let inside = self.nested.inside();
        if !self.closed && inside.failure().is_none() && (inside.wants_close() || inside.wants_write_eof()) {
            self.closed = true;
            self.session.send_close(&self.outer);
        }
        self.nested.pass(|_, _| 0);
    }

    /// Everything was delivered: tells the protocol inside of the end, if that has come.
    fn pass_on_end(&mut self) {
        if let Some(failure) = self.failure.take() {
            // In order, so that the peer learns why.
            let reason = CloseReason::failed(*failure);
            self.closed = true;
            self.nested.inside().lost(reason.clone());
            self.outer.lose_connection_with(reason);
        } else if self.session.is_closed_by_peer() && !mem::replace(&mut self.told_of_eof, true) {
            self.nested.received_eof();
            self.send();
        }
    }

    /// The peer has ended the stream of the outer connection.
    pub(super) fn received_eof(&mut self) -> OnEof {
        self.pass();
        if self.has_more() {
            return OnEof::NotYet;
        }
        if !self.session.is_closed_by_peer() {
            self.nested.inside().transport().lose_connection_with(CloseReason::Truncated);
        }
        OnEof::KeepWriting
    }

    /// The memory that undelivered input takes.
    pub(super) fn held_bytes(&mut self) -> usize {
        self.kept.len() + self.session.plain().len()
    }

    fn has_more(&mut self) -> bool {
        !self.is_closing() && (!self.kept.is_empty() || !self.session.plain().is_empty())
    }

    fn is_closing(&mut self) -> bool {
        self.nested.inside().transport().is_closing()
    }

    /// Sends the output of the protocol inside as records.
    fn send(&mut self) {
        let Self { session, nested, .. } = self;
        nested.send(|outer, plain| {
            session.send_plain(plain, outer);
            plain.len()
        });
    }
}
