//! One step of a connection: what was read goes to its protocol, and what that has written to the stream.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::connection::Connection;
use crate::driver::stream::{Stream, poll_write};
use crate::hub::buffers::Buffers;
use crate::transport::close_reason::CloseReason;
use crate::transport::traffic::sums::Traffic;

/// A stream, and what has passed over it. It is borrowed while bytes move, and not while callbacks run.
pub(super) struct Wire<S> {
    pub(super) stream: RefCell<S>,
    pub(super) traffic: Traffic,
}

/// What has become of a stream.
#[derive(Default)]
pub(super) struct StreamState {
    /// Whether the end of the peer's stream was read.
    pub(super) eof: bool,
    /// Set when nothing can be sent any more; what the peer sent before is still read.
    pub(super) broken: Option<io::Error>,
}

/// How the loop continues after a step.
pub(super) enum LoopStep {
    /// Check everything again.
    Again,
    /// There is nothing to do before the next wake-up.
    Sleep,
    /// There is more to do, but the others have their turn.
    Yield,
    /// The connection has ended.
    End(CloseReason),
}

/// What one poll may do before the other connections have their turn.
#[derive(Default)]
pub(super) struct Budget {
    read: usize,
    sent: usize,
    /// How often requests of callbacks were checked after there was nothing else to do.
    pub(super) rounds: u32,
}

impl StreamState {
    /// Makes the calls that are due and sends what can be sent. Returns `None` when there is nothing more to do about
    /// it.
    pub(super) fn follow_up<S: Stream>(
        &mut self,
        connection: &mut Connection,
        cx: &mut Context<'_>,
        budget: &mut Budget,
        wire: &Wire<S>,
    ) -> Option<LoopStep> {
        connection.turn_if_due(cx);
        let options = connection.transport().0.take_options();
        if let Some(options) = options
            && let Err(error) = wire.stream.borrow_mut().set_options(options)
        {
            tracing::warn!(%error, "cannot set the socket's options");
        }
        let step = self.send_output(connection, cx, budget, wire);
        if step.is_some() || connection.transport().0.is_writable() {
            return step;
        }
        self.end_stream(connection, cx, wire).or_else(|| close(connection, cx, wire))
    }

    fn send_output<S: Stream>(
        &mut self,
        connection: &mut Connection,
        cx: &mut Context<'_>,
        budget: &mut Budget,
        wire: &Wire<S>,
    ) -> Option<LoopStep> {
        let Self { broken, .. } = self;
        loop {
            if connection.transport().has_failed()
                && let Some(reason) = connection.failure()
            {
                let closed = wire.stream.borrow_mut().poll_close(cx, true);
                return Some(if closed.is_pending() { LoopStep::Sleep } else { LoopStep::End(reason) });
            }
            let state = &connection.transport().0;
            let written = {
                let mut output = state.output().borrow_mut();
                if output.len() == 0 || broken.is_some() {
                    break;
                }
                let written = poll_write(&mut *wire.stream.borrow_mut(), state, cx, output.chunk());
                if written.is_pending() {
                    output.shrink(&state.hub.stock);
                }
                written
            };
            match written {
                Poll::Ready(Ok(n)) => {
                    wire.traffic.add_sent(n, &connection.transport().0.hub.turn_clock);
                    budget.sent += n;
                    if connection.sent_and_resumed(n) {
                        return Some(if budget.sent > WRITE_BUDGET { LoopStep::Yield } else { LoopStep::Again });
                    }
                }
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Poll::Ready(Err(error)) => *broken = Some(error),
                Poll::Pending => break,
            }
        }
        if broken.is_none() || connection.wants_read() {
            return None;
        }
        broken.take().map(|error| LoopStep::End(CloseReason::Lost(Arc::new(error))))
    }

    /// Ends this side's stream, if that was requested and everything was sent.
    fn end_stream<S: Stream>(
        &self,
        connection: &mut Connection,
        cx: &mut Context<'_>,
        wire: &Wire<S>,
    ) -> Option<LoopStep> {
        let (shuts, closes) = (connection.wants_write_eof(), connection.wants_close());
        if !shuts && !closes {
            return None;
        }
        if connection.transport().0.waiting_descriptors() > 0 {
            connection.transport().fail_connection(CloseReason::DescriptorOverrun);
            return Some(LoopStep::Again);
        }
        if !shuts && (connection.transport().0.eof_sent() || self.eof) {
            return None;
        }
        let shut = wire.stream.borrow_mut().poll_shut(cx);
        match shut {
            // The peer was faster; what it did shows when reading, if this side still reads.
            Poll::Ready(Err(error)) if closes => Some(LoopStep::End(CloseReason::Lost(Arc::new(error)))),
            Poll::Ready(_) => {
                connection.write_eof_sent();
                Some(LoopStep::Again)
            }
            Poll::Pending => Some(LoopStep::Sleep),
        }
    }

    /// Reads once, or watches for the end while nothing is to be read.
    #[inline(always)] // called in one place, for each message
    pub(super) fn input<S: Stream>(
        &mut self,
        connection: &mut Connection,
        buffers: &Buffers,
        cx: &mut Context<'_>,
        budget: &mut Budget,
        wire: &Wire<S>,
    ) -> LoopStep {
        let Self { broken, .. } = self;
        if connection.wants_read() {
            if budget.read >= READ_BUDGET {
                return LoopStep::Yield;
            }
            let mut buffer = buffers.take_read_buffer();
            let (read, descriptors) = {
                let mut stream = wire.stream.borrow_mut();
                (stream.poll_read(cx, &mut buffer), stream.take_descriptors())
            };
            if let Poll::Ready(Ok(n)) = read {
                budget.read += n;
                if n > 0 {
                    wire.traffic.add_received(n, &connection.transport().0.hub.turn_clock);
                }
                for descriptor in descriptors {
                    connection.file_descriptor_received(descriptor);
                }
                connection.received(&buffer[..n]);
            }
            buffers.put_back_read_buffer(buffer);
            if !matches!(read, Poll::Ready(Ok(1..)))
                && let Some(error) = broken.take()
            {
                return LoopStep::End(CloseReason::Lost(Arc::new(error)));
            }
            match read {
                Poll::Ready(Ok(0)) => {
                    self.eof = true;
                    connection.received_eof();
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Poll::Ready(Err(error)) => return LoopStep::End(CloseReason::Lost(Arc::new(error))),
                Poll::Pending => return LoopStep::Sleep,
            }
            return LoopStep::Again;
        }
        if !self.eof && !connection.transport().0.is_closing() {
            let end = wire.stream.borrow_mut().poll_end(cx);
            match end {
                Poll::Ready(Ok(())) => {
                    self.eof = true;
                    connection.received_eof();
                    return LoopStep::Again;
                }
                Poll::Ready(Err(error)) => return LoopStep::End(CloseReason::Lost(Arc::new(error))),
                Poll::Pending => {}
            }
        }
        LoopStep::Sleep
    }
}

/// Closes the stream, if that was requested and everything was sent.
fn close<S: Stream>(connection: &Connection, cx: &mut Context<'_>, wire: &Wire<S>) -> Option<LoopStep> {
    if !connection.wants_close() {
        return None;
    }
    Some(match wire.stream.borrow_mut().poll_close(cx, false) {
        Poll::Ready(Ok(())) => LoopStep::End(CloseReason::Done),
        Poll::Ready(Err(error)) => LoopStep::End(CloseReason::Lost(Arc::new(error))),
        Poll::Pending => LoopStep::Sleep,
    })
}

/// Bytes read in one poll after which the others have their turn.
const READ_BUDGET: usize = 512 * 1024;

/// Bytes sent in one poll after which a protocol that keeps writing has to wait for its next turn.
const WRITE_BUDGET: usize = 256 * 1024;
