use std::fmt;
use std::rc::Rc;

use reactor::{Factory, Protocol, Transport};

use crate::line::LineReceiver;
use crate::line::handle::{LineKind, Lines};
use crate::line::handler::LineHandler;
use crate::line::splitter::{Delimiter, Framing};
use crate::receiver::into_handler::IntoHandler;

/// Builds a [`LineReceiver`] for each connection, by
/// [`LineReceiver::factory`].
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
    pub(crate) fn new(build: F) -> Self {
        let framing = Framing { delimiter: Delimiter::new(b"\r\n"), max_length: MAX_LENGTH };
        Self { build, framing: Rc::new(framing) }
    }

    /// Lines end with these bytes, here and at the peer; with CR LF if this is never called.
    ///
    /// # Panics
    ///
    /// If there are none.
    #[track_caller]
    #[must_use]
    pub fn delimiter(mut self, delimiter: impl AsRef<[u8]>) -> Self {
        let delimiter = delimiter.as_ref();
        assert!(!delimiter.is_empty(), "a line cannot end with an empty delimiter");
        Rc::make_mut(&mut self.framing).delimiter = Delimiter::new(delimiter);
        self
    }

    /// Lines of the peer end with LF or CR LF, each as it comes; those that are sent, with CR LF.
    #[must_use]
    pub fn any_newline(mut self) -> Self {
        Rc::make_mut(&mut self.framing).delimiter = Delimiter::AnyNewline;
        self
    }

    /// The most bytes that a line may have, without its delimiter: 16,384 if this is never called. See
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
        let framing = Rc::clone(&self.framing);
        let lines = Lines::new::<LineReceiver<T::Handler>>(transport, LineKind::new(Rc::clone(&framing)));
        let handler = (self.build)(lines.clone()).into_handler()?;
        Some(Box::new(LineReceiver::new(handler, lines, framing)))
    }
}

impl<F> fmt::Debug for LineFactory<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineFactory").field("framing", &self.framing).finish_non_exhaustive()
    }
}

/// As in Twisted.
const MAX_LENGTH: usize = 16 * 1024;
