//! The way of an answer to its peer.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::Write as _;
use std::mem;
use std::rc::Rc;
use std::task::{Poll, Waker};

use reactor::text::escaped;

use crate::console::row::Row;
use crate::console::text::{Line, heading};
use crate::line::handle::Lines;

/// Writes rows for people or for programs, as fast as the peer reads them. Writing to its vector cannot fail.
pub(crate) struct Output {
    lines: Lines,
    room: Room,
    json: bool,
    ready: Vec<u8>,
    /// The heading of the rows written last.
    heading: &'static str,
}

/// Wakes an answer that waits until everything is sent.
#[derive(Clone, Default)]
pub(crate) struct Room(Rc<RefCell<Option<Waker>>>);

impl Room {
    pub(crate) fn wake(&self) {
        let waker = self.0.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Output {
    pub(crate) fn new(lines: Lines, room: Room, json: bool) -> Self {
        Self { lines, room, json, ready: Vec::new(), heading: "" }
    }

    pub(crate) async fn row(&mut self, row: &Row) {
        self.add(row);
        if self.ready.len() >= WORTH_SENDING {
            self.flush().await;
        }
    }

    /// Sends what is ready, then waits until the peer has taken enough, and lets others have their turn.
    pub(crate) async fn flush(&mut self) {
        self.send();
        let (lines, room, mut yielded) = (&self.lines, &self.room.0, false);
        poll_fn(|cx| {
            if lines.transport().is_full() {
                room.replace(Some(cx.waker().clone()));
                return Poll::Pending;
            }
            if mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// Ends an answer.
    pub(crate) fn end(&mut self, command: &str, done: Option<String>) {
        if self.json {
            self.add(&Row::End { command: command.to_owned(), done });
        } else {
            if let Some(done) = done {
                let _ = writeln!(self.ready, "{done}");
            }
            self.ready.push(b'\n');
        }
        self.send();
    }

    /// Ends an answer with an error.
    pub(crate) fn error(&mut self, command: &str, error: &str) {
        if self.json {
            self.add(&Row::Error { command: command.to_owned(), error: error.to_owned() });
        } else {
            let _ = writeln!(self.ready, "error: {}\n", escaped(error));
        }
        self.send();
    }

    fn add(&mut self, row: &Row) {
        if self.json {
            row.write_json(&mut self.ready);
        } else {
            let heading = heading(row);
            if mem::replace(&mut self.heading, heading) != heading && !heading.is_empty() {
                let _ = writeln!(self.ready, "{heading}");
            }
            let _ = write!(self.ready, "{}", Line(row));
        }
        self.ready.push(b'\n');
    }

    fn send(&mut self) {
        // Not copied if it is much.
        self.lines.transport().write_bytes(mem::take(&mut self.ready).into());
    }
}

/// Some forty connections.
const WORTH_SENDING: usize = 16 * 1024;
