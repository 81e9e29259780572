//! Lines, and raw data between them.

pub(crate) mod factory;
pub(crate) mod handle;
pub(crate) mod handler;
pub(crate) mod splitter;

pub use factory::LineFactory;
pub use handle::Lines;
pub use handler::{LineHandler, OnLongLine};

use std::any::Any;
use std::fmt;
use std::rc::Rc;

use reactor::{CloseReason, OnEof, Protocol};

use crate::line::splitter::{Framing, LineSplitter, LineTooLong};
use crate::receiver::delivery::Receiver;
use crate::receiver::handle::Shared;
use crate::receiver::input::Input;
use crate::receiver::into_handler::IntoHandler;

/// A protocol that cuts what is received into lines, and calls a [`LineHandler`] with them. Twisted's `LineReceiver`,
/// and `LineOnlyReceiver`.
///
/// Programs name it to call [`factory`](Self::factory), and nowhere else.
pub struct LineReceiver<H> {
    handler: H,
    lines: Lines,
    splitter: LineSplitter,
}

impl<H: LineHandler> LineReceiver<H> {
    /// A factory of line receivers. For each connection `build` is given its [`Lines`] and returns the handler, or an
    /// `Option` of it, where `None` refuses the connection.
    ///
    /// ```
    /// use protocols::{LineHandler, LineReceiver, Lines};
    /// use reactor::{Address, Reactor};
    ///
    /// struct Echo { lines: Lines }
    ///
    /// impl LineHandler for Echo {
    ///     fn line_received(&mut self, line: &[u8]) {
    ///         self.lines.send_line(line);
    ///     }
    /// }
    ///
    /// let reactor = Reactor::new()?;
    /// reactor.listen_tcp("127.0.0.1:0", LineReceiver::factory(|lines| {
    ///     let local = matches!(lines.peer(), Address::Inet(peer) if peer.ip().is_loopback());
    ///     local.then_some(Echo { lines })
    /// }))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn factory<F, T>(build: F) -> LineFactory<F>
    where
        F: FnMut(Lines) -> T + 'static,
        T: IntoHandler<Lines, Handler = H>,
    {
        LineFactory::new(build)
    }

    pub(crate) fn new(handler: H, lines: Lines, framing: Rc<Framing>) -> Self {
        Self { handler, lines, splitter: LineSplitter::new(framing) }
    }
}

impl<H: LineHandler> Receiver for LineReceiver<H> {
    fn deliver(&mut self, chunk: &[u8]) {
        let Self { handler, lines, splitter } = self;
        let Shared { delivery, kind } = &*lines.0;
        let mut input = splitter.buffer.input(chunk);
        kind.change_input(&mut input);
        let next = |input: &mut Input<'_>| {
            let mut found = true;
            if kind.is_raw() {
                match input.raw(usize::MAX) {
                    Some(data) => kind.lend(data, |data| handler.raw_data_received(data)),
                    None => found = false,
                }
            } else {
                match splitter.framing.line(input) {
                    Ok(Some(line)) => {
                        delivery.transport.note_message();
                        handler.line_received(line);
                    }
                    Ok(None) => found = false,
                    Err(LineTooLong) => {
                        match kind.lend(input.everything(), |data| handler.line_length_exceeded(data)) {
                            OnLongLine::Close => lines.lose_connection(),
                            OnLongLine::KeepReading => {}
                        }
                    }
                }
            }
            kind.change_input(input);
            found
        };
        delivery.cut(input, next);
    }
}

impl<H: LineHandler> Protocol for LineReceiver<H> {
    fn connection_made(&mut self) {
        self.handler.connection_made();
    }

    fn data_received(&mut self, data: &[u8]) {
        self.deliver(data);
    }

    fn eof_received(&mut self) -> OnEof {
        let Self { handler, lines, splitter } = self;
        lines.0.delivery.end_of_stream(&mut splitter.buffer, |unfinished| handler.eof_received(unfinished))
    }

    fn pause_writing(&mut self) {
        self.handler.pause_writing();
    }

    fn resume_writing(&mut self) {
        self.handler.resume_writing();
        if self.lines.0.delivery.is_held() {
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

impl<H> fmt::Debug for LineReceiver<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineReceiver").field("lines", &self.lines).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
