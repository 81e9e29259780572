//! Strings that tell their lengths.

pub(crate) mod error;
pub(crate) mod factory;
pub(crate) mod format;
pub(crate) mod handle;
pub(crate) mod handler;
pub(crate) mod splitter;

pub use error::StringError;
pub use factory::StringFactory;
pub use format::StringFormat;
pub use handle::{StringTooLong, Strings};
pub use handler::StringHandler;

use std::any::Any;
use std::fmt;

use reactor::{CloseReason, OnEof, Protocol};

use crate::receiver::delivery::Receiver;
use crate::receiver::input::{Buffer, Input};
use crate::receiver::into_handler::IntoHandler;
use crate::string::splitter::StringSplitter;

/// A protocol that cuts what is received into strings, each of which says how long it is, and calls a
/// [`StringHandler`] with them. Twisted's `NetstringReceiver` and `IntNStringReceiver`.
///
/// Programs name it to call [`factory`](Self::factory), and nowhere else.
pub struct StringReceiver<H> {
    handler: H,
    strings: Strings,
    splitter: StringSplitter,
    buffer: Buffer,
}

impl<H: StringHandler> StringReceiver<H> {
    /// A factory of string receivers, for strings of this format in both directions. For each connection `build` is
    /// given its [`Strings`] and returns the handler, or an `Option` of it, where `None` refuses the connection.
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
        T: IntoHandler<Strings, Handler = H>,
    {
        StringFactory::new(format, build)
    }

    pub(crate) fn new(handler: H, strings: Strings, splitter: StringSplitter) -> Self {
        Self { handler, strings, splitter, buffer: Buffer::default() }
    }
}

impl<H: StringHandler> Receiver for StringReceiver<H> {
    fn deliver(&mut self, chunk: &[u8]) {
        let Self { handler, strings, splitter, buffer } = self;
        let next = |input: &mut Input<'_>| match splitter.string(input) {
            Ok(Some(string)) => {
                strings.transport().note_message();
                handler.string_received(string);
                true
            }
            Ok(None) => false,
            Err(error) => {
                handler.string_rejected(error);
                strings.lose_connection();
                true
            }
        };
        strings.0.delivery.cut(buffer.input(chunk), next);
    }
}

impl<H: StringHandler> Protocol for StringReceiver<H> {
    fn connection_made(&mut self) {
        self.handler.connection_made();
    }

    fn data_received(&mut self, data: &[u8]) {
        self.deliver(data);
    }

    fn eof_received(&mut self) -> OnEof {
        let Self { handler, strings, buffer, .. } = self;
        strings.0.delivery.end_of_stream(buffer, |unfinished| handler.eof_received(unfinished))
    }

    fn pause_writing(&mut self) {
        self.handler.pause_writing();
    }

    fn resume_writing(&mut self) {
        self.handler.resume_writing();
        if self.strings.0.delivery.is_held() {
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

impl<H> fmt::Debug for StringReceiver<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StringReceiver").field("strings", &self.strings).finish_non_exhaustive()
    }
}
