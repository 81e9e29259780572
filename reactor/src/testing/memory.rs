//! Streams inside this process, with a test at one end.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::driver::stream::Stream;
use crate::transport::state::SocketOptions;

/// Shared by the two ends of a link: one direction each way.
#[derive(Default)]
pub(crate) struct Wire {
    /// From the test's end to the connection.
    pub(crate) inbound: Direction,
    /// From the connection to the test's end.
    pub(crate) outbound: Direction,
    /// The connection's socket broke; taken by the first call that checks.
    broken: RefCell<Option<io::Error>>,
    /// The connection reset the link.
    reset: Cell<bool>,
}

/// Bytes in flight.
pub(crate) struct Direction {
    bytes: RefCell<VecDeque<u8>>,
    /// How many more bytes the writer may write before it has to wait.
    room: Cell<usize>,
    ended: Cell<bool>,
    reader: RefCell<Option<Waker>>,
    writer: RefCell<Option<Waker>>,
}

impl Default for Direction {
    fn default() -> Self {
        Self {
            bytes: RefCell::default(),
            room: Cell::new(usize::MAX),
            ended: Cell::new(false),
            reader: RefCell::new(None),
            writer: RefCell::new(None),
        }
    }
}

impl Direction {
    pub(crate) fn push(&self, data: &[u8]) {
        self.bytes.borrow_mut().extend(data);
        wake(&self.reader);
    }

    pub(crate) fn end(&self) {
        self.ended.set(true);
        wake(&self.reader);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.get()
    }

    pub(crate) fn set_room(&self, bytes: usize) {
        self.room.set(bytes);
        wake(&self.writer);
    }

    /// Takes all bytes in flight.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.bytes.take().into()
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.borrow().len()
    }
}

impl Wire {
    /// Makes the connection's socket fail with this error from here on.
    pub(crate) fn break_off(&self, error: io::Error) {
        self.broken.replace(Some(error));
        for waker in [&self.inbound.reader, &self.outbound.writer] {
            wake(waker);
        }
    }

    pub(crate) fn was_reset(&self) -> bool {
        self.reset.get()
    }
}

/// The connection's end of a wire.
pub(crate) struct MemoryStream(pub(crate) Rc<Wire>);

impl MemoryStream {
    fn check(&self) -> io::Result<()> {
        self.0.broken.borrow_mut().take().map_or(Ok(()), Err)
    }
}

impl Stream for MemoryStream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let inbound = &self.0.inbound;
        let mut bytes = inbound.bytes.borrow_mut();
        if !bytes.is_empty() {
            // What arrived before the link broke is still read, as on a socket.
            return Poll::Ready(io::Read::read(&mut *bytes, buffer));
        }
        self.check()?;
        if inbound.ended.get() {
            return Poll::Ready(Ok(0));
        }
        inbound.reader.replace(Some(cx.waker().clone()));
        Poll::Pending
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        let inbound = &self.0.inbound;
        if inbound.ended.get() && inbound.bytes.borrow().is_empty() {
            return Poll::Ready(Ok(()));
        }
        inbound.reader.replace(Some(cx.waker().clone()));
        Poll::Pending
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        let outbound = &self.0.outbound;
        let room = outbound.room.get();
        if room == 0 {
            outbound.writer.replace(Some(cx.waker().clone()));
            return Poll::Pending;
        }
        let taken = data.len().min(room);
        outbound.room.set(room - taken);
        outbound.push(&data[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_shut(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        self.0.outbound.end();
        Poll::Ready(Ok(()))
    }

    fn reset(&mut self) {
        self.0.reset.set(true);
    }

    fn set_options(&mut self, _options: SocketOptions) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for MemoryStream {
    fn drop(&mut self) {
        self.0.outbound.end();
    }
}

fn wake(waker: &RefCell<Option<Waker>>) {
    let waker = waker.borrow_mut().take();
    if let Some(waker) = waker {
        waker.wake();
    }
}
