//! Segments of any size, up to terminators that change.

pub(crate) mod factory;
pub(crate) mod handle;
pub(crate) mod handler;
pub(crate) mod splitter;
pub(crate) mod terminator;

pub use factory::TerminatorFactory;
pub use handle::Segments;
pub use handler::TerminatorHandler;
pub use terminator::Terminator;

use std::any::Any;
use std::fmt;

use reactor::{CloseReason, OnEof, Protocol};

use crate::receiver::delivery::Receiver;
use crate::receiver::handle::Shared;
use crate::receiver::input::{Buffer, Input};
use crate::receiver::into_handler::IntoHandler;
use crate::segment::splitter::Piece;

/// A protocol that hands over what is received as it comes, and tells a [`TerminatorHandler`] where a segment ends: at
/// some bytes, or after so many, as the handler says from one segment to the next. Python's `asynchat.async_chat`.
///
/// Programs name it to call [`factory`](Self::factory), and nowhere else.
///
/// Segments are not put together, as [`LineReceiver`](crate::LineReceiver) and
/// [`StringReceiver`](crate::StringReceiver) do with lines and strings. So one may be of any size, a file for instance,
/// and no more of it is held back than may be the beginning of a terminator; there is no limit to set, but a handler
/// that collects must have one.
///
/// A handler that asks 10,000 times in a row for segments of no bytes, by a count of 0, does not get on whatever is
/// received: its connection fails.
pub struct TerminatorReceiver<H> {
    handler: H,
    segments: Segments,
    buffer: Buffer,
}

impl<H: TerminatorHandler> TerminatorReceiver<H> {
    /// A factory of terminator receivers. For each connection `build` is given its [`Segments`] and returns the
    /// handler, or an `Option` of it, where `None` refuses the connection. There is an example at
    /// [`TerminatorHandler`].
    pub fn factory<F, T>(build: F) -> TerminatorFactory<F>
    where
        F: FnMut(Segments) -> T + 'static,
        T: IntoHandler<Segments, Handler = H>,
    {
        TerminatorFactory::new(build)
    }

    pub(crate) fn new(handler: H, segments: Segments) -> Self {
        Self { handler, segments, buffer: Buffer::default() }
    }
}

impl<H: TerminatorHandler> Receiver for TerminatorReceiver<H> {
    fn deliver(&mut self, chunk: &[u8]) {
        let Self { handler, segments, buffer } = self;
        let Shared { delivery, kind } = &*segments.0;
        let next = |input: &mut Input<'_>| {
            if kind.changed.replace(false) {
                input.search_anew();
            }
            // The handler sets another one, so that it must not be borrowed when that is called.
            let piece = kind.terminator.borrow_mut().piece(input);
            match piece {
                Some(Piece::Data(data)) => {
                    delivery.called_for(data.len());
                    handler.collect_incoming_data(data);
                }
                Some(Piece::End(len)) => {
                    delivery.called_for(len);
                    delivery.transport.note_message();
                    handler.found_terminator();
                }
                None => return false,
            }
            true
        };
        let stopped = delivery.cut(buffer.input(chunk), next);
        if stopped && *kind.terminator.borrow() == Terminator::Count(0) {
            delivery.hold();
        }
    }
}

impl<H: TerminatorHandler> Protocol for TerminatorReceiver<H> {
    fn connection_made(&mut self) {
        self.handler.connection_made();
    }

    fn data_received(&mut self, data: &[u8]) {
        self.deliver(data);
    }

    fn eof_received(&mut self) -> OnEof {
        let Self { handler, segments, buffer } = self;
        segments.0.delivery.end_of_stream(buffer, |unfinished| handler.eof_received(unfinished))
    }

    fn pause_writing(&mut self) {
        self.handler.pause_writing();
    }

    fn resume_writing(&mut self) {
        self.handler.resume_writing();
        if self.segments.0.delivery.is_held() {
            self.deliver(b"");
        }
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.handler.connection_lost(reason);
    }

    fn handler(&mut self) -> Option<&mut dyn Any> {
        Some(&mut self.handler)
    }
}

impl<H> fmt::Debug for TerminatorReceiver<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TerminatorReceiver").field("segments", &self.segments).finish_non_exhaustive()
    }
}
