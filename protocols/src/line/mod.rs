//! Lines, and raw data between them: the basis of most text protocols.
//!
//! [`LineReceiver::factory`] makes a factory of your [`LineHandler`], which is called with each line and sends through its
//! [`Lines`]. Twisted's `LineReceiver` and `LineOnlyReceiver`.
//!
//! ```
//! use protocols::{LineHandler, LineReceiver, Lines};
//! use reactor::testing::StringTransport;
//!
//! struct Echo { lines: Lines }
//!
//! impl LineHandler for Echo {
//!     fn line_received(&mut self, line: &[u8]) {
//!         self.lines.send_line(line);
//!     }
//! }
//!
//! let mut wire = StringTransport::connect(LineReceiver::factory(|lines| Echo { lines }).any_newline());
//! wire.receive("one\ntwo\n");
//! assert_eq!(wire.written(), b"one\r\ntwo\r\n");
//! ```

pub(crate) mod handle;
pub(crate) mod handler;
pub(crate) mod resumable;
pub(crate) mod splitter;

pub use handle::{LineKind, Lines};
pub use handler::{LineHandler, OnLongLine};
pub use resumable::ResumableLineFactory;

use std::fmt;
use std::rc::Rc;

use reactor::{CloseReason, Factory, OnEof, Protocol, Transport};

use crate::line::splitter::{Delimiter, Framing, LineTooLong};
use crate::receiver::handle::ReceiverCell;
use crate::receiver::input::{Buffer, Input};
use crate::receiver::into_handler::IntoHandler;
use crate::receiver::protocol::{self, Cut, Event, Receiver};

/// Cuts received bytes into lines, and calls a [`LineHandler`] with them. Twisted's `LineReceiver` and
/// `LineOnlyReceiver`.
///
/// Programs need it only to call [`factory`](Self::factory).
#[derive(Debug)]
pub struct LineReceiver {
    buffer: Buffer,
}

impl LineReceiver {
    /// A factory of line receivers. For each connection `build` receives its [`Lines`] and returns the handler, or an
    /// `Option` of it; `None` refuses the connection.
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
        T: IntoHandler<Lines>,
        T::Handler: LineHandler,
    {
        let framing = Framing { delimiter: Delimiter::new(b"\r\n"), max_length: MAX_LENGTH };
        LineFactory { build, framing: Rc::new(framing) }
    }
}

/// The same as Twisted's.
const MAX_LENGTH: usize = 16 * 1024;

/// Builds a receiver of lines for each connection, by [`LineReceiver::factory`].
///
/// ```
/// # use protocols::{LineHandler, LineReceiver, Lines};
/// # struct Echo { lines: Lines }
/// # impl LineHandler for Echo {
/// #     fn line_received(&mut self, line: &[u8]) { self.lines.send_line(line) }
/// # }
/// # let reactor = reactor::Reactor::new()?;
/// reactor.listen_tcp("127.0.0.1:0", LineReceiver::factory(|lines| Echo { lines }).any_newline().max_length(80))?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct LineFactory<F> {
    build: F,
    framing: Rc<Framing>,
}

impl<F> LineFactory<F> {
    /// Lines end with these bytes in both directions. Default: CR LF.
    ///
    /// # Panics
    ///
    /// If the delimiter is empty.
    #[track_caller]
    #[must_use]
    pub fn delimiter(mut self, delimiter: impl AsRef<[u8]>) -> Self {
        let delimiter = delimiter.as_ref();
        assert!(!delimiter.is_empty(), "a line cannot end with an empty delimiter");
        Rc::make_mut(&mut self.framing).delimiter = Delimiter::new(delimiter);
        self
    }

    /// The peer's lines end with LF or CR LF, in any mixture; sent lines end with CR LF.
    #[must_use]
    pub fn any_newline(mut self) -> Self {
        Rc::make_mut(&mut self.framing).delimiter = Delimiter::AnyNewline;
        self
    }

    /// The maximum length of a line in bytes, without its delimiter. Default: 16,384. See
    /// [`LineHandler::line_length_exceeded`]. Twisted's `MAX_LENGTH`.
    #[must_use]
    pub fn max_length(mut self, bytes: usize) -> Self {
        Rc::make_mut(&mut self.framing).max_length = bytes;
        self
    }
}

impl<F, T> Factory for LineFactory<F>
where
    F: FnMut(Lines) -> T + 'static,
    T: IntoHandler<Lines>,
    T::Handler: LineHandler,
{
    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        let kind = LineKind::new(Rc::clone(&self.framing));
        protocol::build(transport, kind, LineReceiver { buffer: Buffer::default() }, &mut self.build)
    }
}

impl<F> fmt::Debug for LineFactory<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineFactory").field("framing", &self.framing).finish_non_exhaustive()
    }
}

impl<H: LineHandler> Cut<H> for LineReceiver {
    type Kind = LineKind;

    fn deliver(receiver: &mut Receiver<H, Self>, chunk: &[u8]) {
        let Receiver { handler, handle: lines, cut } = receiver;
        let ReceiverCell { delivery, kind } = &*lines.0;
        let mut input = cut.buffer.input(chunk);
        kind.change_input(&mut input);
        let most_unsent = delivery.most_unsent();
        let next = |input: &mut Input<'_>| {
            let mut found = true;
            let lines = input.in_chunk();
            let mut rest = lines;
            // Nearly all lines lie in the chunk as a whole: they are delivered without further ado.
            while !kind.is_raw()
                && kind.is_settled()
                && delivery.goes_on(most_unsent)
                && let Some(line) = kind.framing.whole_line(&mut rest)
            {
                delivery.transport.note_message();
                handler.line_received(line);
            }
            if rest.len() < lines.len() {
                input.skip(lines.len() - rest.len());
            } else if kind.is_raw() {
                match input.raw(usize::MAX) {
                    Some(data) => kind.lend(data, |data| handler.raw_data_received(data)),
                    None => found = false,
                }
            } else {
                match kind.framing.line(input) {
                    Ok(Some(line)) => {
                        delivery.transport.note_message();
                        handler.line_received(line);
                    }
                    Ok(None) => found = false,
                    Err(LineTooLong) => {
                        match kind.lend(input.everything(), |data| handler.line_length_exceeded(data)) {
                            OnLongLine::Close => {
                                delivery.transport.lose_connection_with(CloseReason::failed(kind.framing.too_long()));
                            }
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

#[cfg(test)]
mod tests;
