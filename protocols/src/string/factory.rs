use std::fmt;

use reactor::{Factory, Protocol, Transport};

use crate::receiver::into_handler::IntoHandler;
use crate::string::StringReceiver;
use crate::string::format::StringFormat;
use crate::string::handle::{StringKind, Strings};
use crate::string::handler::StringHandler;
use crate::string::splitter::StringSplitter;

/// Builds a [`StringReceiver`] for each connection, by [`StringReceiver::factory`].
///
/// ```
/// # use protocols::{StringHandler, StringReceiver, Strings};
/// # use protocols::string::StringFormat;
/// # struct Log { strings: Strings }
/// # impl StringHandler for Log {
/// #     fn string_received(&mut self, string: &[u8]) {}
/// # }
/// # let reactor = reactor::Reactor::new()?;
/// let factory = StringReceiver::factory(StringFormat::Int32, |strings| Log { strings });
/// reactor.listen_tcp("127.0.0.1:0", factory.max_length(1 << 20))?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct StringFactory<F> {
    build: F,
    splitter: StringSplitter,
}

impl<F> StringFactory<F> {
    pub(crate) fn new(format: StringFormat, build: F) -> Self {
        Self { build, splitter: StringSplitter { format, max_length: MAX_LENGTH } }
    }

    /// The most bytes that a string of the peer may have: 99,999 if this is never called. See
    /// [`StringHandler::string_rejected`]. Twisted's `MAX_LENGTH`.
    #[must_use]
    pub fn max_length(mut self, bytes: usize) -> Self {
        self.splitter.max_length = bytes;
        self
    }
}

impl<F, T> Factory for StringFactory<F>
where
    F: FnMut(Strings) -> T + 'static,
    T: IntoHandler<Strings>,
    T::Handler: StringHandler,
{
    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        let kind = StringKind { format: self.splitter.format };
        let strings = Strings::new::<StringReceiver<T::Handler>>(transport, kind);
        let handler = (self.build)(strings.clone()).into_handler()?;
        Some(Box::new(StringReceiver::new(handler, strings, self.splitter)))
    }
}

impl<F> fmt::Debug for StringFactory<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StringFactory").field("splitter", &self.splitter).finish_non_exhaustive()
    }
}

/// As in Twisted.
pub(crate) const MAX_LENGTH: usize = 99_999;
