//! Length-prefixed strings.
//!
//! [`StringReceiver::factory`] takes a [`StringFormat`] and makes a factory of your [`StringHandler`], which is called with
//! each string and sends through its [`Strings`]. Twisted's `NetstringReceiver` and `IntNStringReceiver`.
//! [`StringHandler`] has an example.

pub(crate) mod error;
pub(crate) mod format;
pub(crate) mod handle;
pub(crate) mod handler;
pub(crate) mod splitter;

pub use error::{StringError, StringTooLong};
pub use format::StringFormat;
pub use handle::{StringKind, Strings};
pub use handler::StringHandler;

use std::fmt;

use reactor::{CloseReason, Factory, OnEof, Protocol, Transport};

use crate::receiver::MAX_LENGTH;
use crate::receiver::input::{Buffer, Input};
use crate::receiver::into_handler::IntoHandler;
use crate::receiver::protocol::{self, Cut, Event, Receiver};
use crate::string::splitter::StringSplitter;

/// Cuts received bytes into length-prefixed strings, and calls a [`StringHandler`] with them. Twisted's
/// `NetstringReceiver` and `IntNStringReceiver`.
///
/// Programs need it only to call [`factory`](Self::factory).
#[derive(Debug)]
pub struct StringReceiver {
    buffer: Buffer,
}

impl StringReceiver {
    /// A factory of string receivers that use this format in both directions. For each connection `build` receives its
    /// [`Strings`] and returns the handler, or an `Option` of it; `None` refuses the connection.
    ///
    /// ```
    /// use protocols::{StringHandler, StringReceiver, Strings};
    /// use protocols::string::StringFormat;
    /// use reactor::Reactor;
    ///
    /// struct Echo { strings: Strings }
    ///
    /// impl StringHandler for Echo {
    ///     fn string_received(&mut self, string: &[u8]) {
    ///         if self.strings.send_string(string).is_err() {
    ///             self.strings.lose_connection();
    ///         }
    ///     }
    /// }
    ///
    /// let reactor = Reactor::new()?;
    /// reactor.listen_tcp("127.0.0.1:0", StringReceiver::factory(StringFormat::Int16, |strings| Echo { strings }))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn factory<F, T>(format: StringFormat, build: F) -> StringFactory<F>
    where
        F: FnMut(Strings) -> T + 'static,
        T: IntoHandler<Strings>,
        T::Handler: StringHandler,
    {
        StringFactory { build, splitter: StringSplitter { format, max_length: MAX_LENGTH } }
    }
}

/// Builds a receiver of strings for each connection, by [`StringReceiver::factory`].
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
    /// The maximum length of the peer's strings in bytes. Default: 99,999. See [`StringHandler::string_rejected`].
    /// Twisted's `MAX_LENGTH`.
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
        let kind = StringKind { splitter: self.splitter };
        protocol::build(transport, kind, StringReceiver { buffer: Buffer::default() }, &mut self.build)
    }
}

impl<F> fmt::Debug for StringFactory<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StringFactory").field("splitter", &self.splitter).finish_non_exhaustive()
    }
}

impl<H: StringHandler> Cut<H> for StringReceiver {
    type Kind = StringKind;

    fn deliver(receiver: &mut Receiver<H, Self>, chunk: &[u8]) {
        let Receiver { handler, handle: strings, cut } = receiver;
        let next = |input: &mut Input<'_>| match strings.0.kind.splitter.string(input) {
            Ok(Some(string)) => {
                strings.transport().note_message();
                handler.string_received(string);
                true
            }
            Ok(None) => false,
            Err(error) => {
                handler.string_rejected(error);
                strings.transport().lose_connection_with(CloseReason::failed(error));
                true
            }
        };
        strings.0.delivery.cut(cut.buffer.input(chunk), next);
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
