//! What layers do that only look at how a connection begins.

use std::mem;

use reactor::layer::Nested;
use reactor::{OnEof, Transport};

/// A connection inside another, whose bytes pass unchanged from here on.
pub(crate) struct PassThrough {
    outer: Transport,
    nested: Nested,
    /// What has come while the protocol inside did not want to read.
    kept: Vec<u8>,
}

impl PassThrough {
    /// Connects the protocol inside, and gives it what has come for it already.
    pub(crate) fn begin(outer: Transport, nested: Nested, came: &[u8]) -> Self {
        let mut through = Self { outer, nested, kept: Vec::new() };
        through.nested.inside().made();
        through.go_on();
        through.received(came);
        through
    }

    pub(crate) fn nested(&mut self) -> &mut Nested {
        &mut self.nested
    }

    pub(crate) fn received(&mut self, data: &[u8]) {
        self.nested.pass_on_close();
        let inside = self.nested.inside();
        let is_wanted = inside.wants_read() || inside.transport().is_closing();
        if self.kept.is_empty() && is_wanted && data.len() <= LONGEST_CHUNK {
            inside.received(data);
        } else {
            self.kept.extend_from_slice(data);
        }
        self.go_on();
    }

    /// The connection outside has ended.
    pub(crate) fn ended(&mut self) -> OnEof {
        self.nested.pass_on_close();
        self.go_on();
        if !self.kept.is_empty() && !self.nested.inside().transport().is_closing() {
            return OnEof::NotYet;
        }
        let answer = self.nested.inside().received_eof();
        self.go_on();
        // Otherwise the inner connection closes the outer one.
        if answer == OnEof::NotYet { answer } else { OnEof::KeepWriting }
    }

    /// Something may have changed inside or outside.
    pub(crate) fn go_on(&mut self) {
        let Self { outer, nested, kept } = self;
        loop {
            nested.pass(|data| {
                outer.carry(data);
                data.len()
            });
            if kept.is_empty() || !nested.inside().wants_read() {
                break;
            }
            let later = kept.split_off(kept.len().min(LONGEST_CHUNK));
            nested.inside().received(&mem::replace(kept, later));
        }
    }
}

/// The most that a protocol gets at once.
pub(crate) const LONGEST_CHUNK: usize = 65_536;
