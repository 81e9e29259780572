//! Segments of any size, up to terminators that change: a head up to an empty line, then a body of that length.
//!
//! [`TerminatorReceiver::factory`] makes a factory of your [`TerminatorHandler`], which receives data as it arrives, and is
//! told where a segment ends; its [`Segments`] set the next [`Terminator`]. Python's `asynchat`. [`TerminatorHandler`] has
//! an example.

pub(crate) mod handle;
pub(crate) mod handler;
pub(crate) mod splitter;
pub(crate) mod terminator;

pub use handle::{SegmentKind, Segments};
pub use handler::TerminatorHandler;
pub use terminator::Terminator;

use std::fmt;

use reactor::{Factory, OnEof, Protocol, Transport};

use crate::receiver::handle::ReceiverCell;
use crate::receiver::input::{Buffer, Input};
use crate::receiver::into_handler::IntoHandler;
use crate::receiver::protocol::{self, Cut, Event, Receiver};
use crate::segment::splitter::Piece;

/// Delivers data as it arrives, and tells a [`TerminatorHandler`] where a segment ends: at given bytes, or after a
/// number of bytes, as the handler decides from one segment to the next. Python's `asynchat.async_chat`.
///
/// Programs need it only to call [`factory`](Self::factory).
///
/// Segments are not assembled, unlike the lines of [`LineReceiver`](crate::LineReceiver) and the strings of
/// [`StringReceiver`](crate::StringReceiver). So a segment may be of any size, for instance a file, and only bytes that
/// may be the beginning of a terminator are held back. There is no limit to set, but a handler that collects data must
/// have one.
///
/// If a handler asks for empty segments, by a count of 0, 10,000 times in a row, it makes no progress: the connection
/// fails.
#[derive(Debug)]
pub struct TerminatorReceiver {
    buffer: Buffer,
}

impl TerminatorReceiver {
    /// A factory of terminator receivers. For each connection `build` receives its [`Segments`] and returns the
    /// handler, or an `Option` of it; `None` refuses the connection. [`TerminatorHandler`] has an example.
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
        let ReceiverCell { delivery, kind } = &*segments.0;
        let next = |input: &mut Input<'_>| {
            if kind.changed.replace(false) {
                input.search_anew();
            }
            // The handler may set a new terminator, so it must not be borrowed during the call.
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
