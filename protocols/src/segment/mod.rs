//! Segments of any size, up to terminators that change.

pub(crate) mod handle;
pub(crate) mod handler;
pub(crate) mod splitter;
pub(crate) mod terminator;

pub use handle::{SegmentKind, Segments};
pub use handler::TerminatorHandler;
pub use terminator::Terminator;

use std::fmt;

use reactor::{Factory, OnEof, Protocol, Transport};

use crate::receiver::handle::Shared;
use crate::receiver::input::{Buffer, Input};
use crate::receiver::into_handler::IntoHandler;
use crate::receiver::protocol::{self, Cut, Event, Receiver};
use crate::segment::splitter::Piece;

/// Hands over what is received as it comes, and tells a [`TerminatorHandler`] where a segment ends: at
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
#[derive(Debug)]
pub struct TerminatorReceiver {
    buffer: Buffer,
}

impl TerminatorReceiver {
    /// A factory of terminator receivers. For each connection `build` is given its [`Segments`] and returns the
    /// handler, or an `Option` of it, where `None` refuses the connection. There is an example at
    /// [`TerminatorHandler`].
    pub fn factory<F, T>(build: F) -> TerminatorFactory<F>
    where
        F: FnMut(Segments) -> T + 'static,
        T: IntoHandler<Segments>,
        T::Handler: TerminatorHandler,
    {
        TerminatorFactory { build }
    }
}

/// Builds a receiver of segments for each connection, by [`TerminatorReceiver::factory`].
pub struct TerminatorFactory<F> {
    build: F,
}

impl<F, T> Factory for TerminatorFactory<F>
where
    F: FnMut(Segments) -> T + 'static,
    T: IntoHandler<Segments>,
    T::Handler: TerminatorHandler,
{
    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        let cut = TerminatorReceiver { buffer: Buffer::default() };
        protocol::build(transport, SegmentKind::default(), cut, &mut self.build)
    }
}

impl<F> fmt::Debug for TerminatorFactory<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TerminatorFactory").finish_non_exhaustive()
    }
}

impl<H: TerminatorHandler> Cut<H> for TerminatorReceiver {
    type Kind = SegmentKind;

    fn deliver(receiver: &mut Receiver<H, Self>, chunk: &[u8]) {
        let Receiver { handler, handle: segments, cut } = receiver;
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
        let stopped = delivery.cut(cut.buffer.input(chunk), next);
        if stopped && *kind.terminator.borrow() == Terminator::Count(0) {
            delivery.hold();
        }
    }

    fn end_of_stream(receiver: &mut Receiver<H, Self>) -> OnEof {
        let Receiver { handler, handle, cut } = receiver;
        handle.0.delivery.end_of_stream(&mut cut.buffer, |unfinished| handler.eof_received(unfinished))
    }

    fn tell(receiver: &mut Receiver<H, Self>, event: Event) {
        let handler = &mut receiver.handler;
        match event {
            Event::ConnectionMade => handler.connection_made(),
            Event::PauseWriting => handler.pause_writing(),
            Event::ResumeWriting => handler.resume_writing(),
            Event::ConnectionLost(reason) => handler.connection_lost(reason),
        }
    }
}
