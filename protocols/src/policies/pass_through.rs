//! Shared by layers that only inspect the beginning of a connection.

use std::mem;

use reactor::OnEof;
use reactor::connection::Connection;
use reactor::layer::Nested;

/// A connection inside another, whose bytes pass unchanged from now on.
pub(crate) struct PassThrough {
    nested: Nested,
    /// Bytes received while the protocol inside had paused reading.
    kept: Vec<u8>,
}

impl PassThrough {
    pub(crate) fn new(nested: Nested) -> Self {
        Self { nested, kept: Vec::new() }
    }

    /// Connects the protocol inside, and delivers the bytes already received for it.
    pub(crate) fn begin(nested: Nested, came: &[u8]) -> Self {
        let mut through = Self::new(nested);
        through.nested.inside().made();
        through.pass();
        through.received(came);
        through
    }

    pub(crate) fn inside(&mut self) -> &mut Connection {
        self.nested.inside()
    }

    /// The connection inside, for a layer that no longer passes its bytes unchanged.
    #[cfg(feature = "tls")]
    pub(crate) fn into_nested(self) -> Nested {
        self.nested
    }

    /// Whether something was received that is not delivered.
    #[cfg(feature = "tls")]
    pub(crate) fn keeps_input(&self) -> bool {
        !self.kept.is_empty()
    }

    /// The memory that undelivered input takes.
    pub(crate) fn held_bytes(&self) -> usize {
        self.kept.capacity()
    }

    pub(crate) fn received(&mut self, data: &[u8]) {
        let inside = self.nested.inside();
        let is_wanted = inside.wants_read() || inside.transport().is_closing();
        if self.kept.is_empty() && is_wanted && data.len() <= LONGEST_CHUNK {
            self.nested.received(data);
        } else {
            self.kept.extend_from_slice(data);
        }
    }

    /// The peer has ended the stream of the outer connection.
    pub(crate) fn received_eof(&mut self) -> OnEof {
        self.pass();
        if !self.kept.is_empty() && !self.nested.inside().transport().is_closing() {
            return OnEof::NotYet;
        }
        self.nested.received_eof()
    }

    /// Called when something may have changed inside or outside.
    pub(crate) fn pass(&mut self) {
        let Self { nested, kept } = self;
        loop {
            nested.pass(|outer, data| {
                outer.write_from_inside(data);
                data.len()
            });
            if kept.is_empty() || !nested.inside().wants_read() {
                break;
            }
            let later = kept.split_off(kept.len().min(LONGEST_CHUNK));
            nested.received(&mem::replace(kept, later));
        }
    }
}

/// The maximum number of bytes delivered to a protocol at once.
pub(crate) const LONGEST_CHUNK: usize = 65_536;
