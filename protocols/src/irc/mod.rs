//! IRC (RFC 1459 and 2812, <https://modern.ircdocs.horse>, IRCv3): messages and what is in them, for servers and clients.
//!
//! [`IrcReceiver::factory`] makes a factory of your [`IrcHandler`], which is called with each [`Message`] and sends
//! [`MessageBuilder`]s through its [`Irc`]. [`Message::parse`] alone reads a line that came in another way, in a message of a
//! web socket. [`IrcClientReceiver::factory`] makes one of clients, whose [`IrcClientHandler`] hears of what happens on
//! the network. Twisted's `words.protocols.irc`.
//!
//! ```
//! use protocols::irc::{Irc, IrcHandler, IrcReceiver, Message, MessageBuilder};
//! use reactor::testing::StringTransport;
//!
//! struct Session { irc: Irc }
//!
//! impl IrcHandler for Session {
//!     fn message_received(&mut self, message: &Message<'_>) {
//!         if message.is_command("PING") && let Some(token) = message.param(0) {
//!             self.irc.send(MessageBuilder::new("PONG").source("irc.example.org").param("irc.example.org").trailing(token));
//!         }
//!     }
//! }
//!
//! let mut wire = StringTransport::connect(IrcReceiver::factory(|irc| Session { irc }));
//! wire.receive("PING 12\r\n");
//! assert_eq!(wire.written_text(), ":irc.example.org PONG irc.example.org :12\r\n");
//! ```

pub(crate) mod case_mapping;
pub(crate) mod client;
pub(crate) mod ctcp;
pub(crate) mod handle;
pub(crate) mod handler;
pub(crate) mod host_name;
pub(crate) mod mask;
pub(crate) mod message;
pub(crate) mod mode_changes;
pub mod numeric;
pub(crate) mod resumable;
pub(crate) mod server_support;
pub(crate) mod splitter;

pub use case_mapping::CaseMapping;
pub use client::handle::{IrcClient, IrcClientKind};
pub use client::handler::{IrcClientHandler, OnCtcpQuery};
pub use client::{IrcClientFactory, IrcClientReceiver};
pub use ctcp::{Ctcp, low_dequote, low_quote};
pub use handle::{Irc, IrcKind};
pub use handler::IrcHandler;
pub use host_name::is_host_name;
pub use mask::mask_matches;
pub use message::builder::MessageBuilder;
pub use message::source::Source;
pub use message::tags::{Tags, unescape_tag};
pub use message::{Message, ParseError};
pub use mode_changes::{ModeChange, ModeChanges, ModeKind, ModeKinds};
pub use resumable::ResumableIrcFactory;
pub use server_support::ServerSupport;
pub use splitter::is_too_long;

use std::fmt;
use std::rc::Rc;

use reactor::{Factory, OnEof, Protocol, Transport};

use crate::irc::splitter::{Limits, Piece, Splitter};
use crate::receiver::input::{Buffer, Input};
use crate::receiver::into_handler::IntoHandler;
use crate::receiver::protocol::{self, Cut, Event, Receiver};

/// Cuts received bytes into messages, and calls an [`IrcHandler`] with them.
///
/// Programs need it only to call [`factory`](Self::factory).
#[derive(Debug)]
pub struct IrcReceiver {
    buffer: Buffer,
    splitter: Splitter,
}

impl IrcReceiver {
    /// A factory of receivers of messages. For each connection `build` receives its [`Irc`] and returns the handler, or
    /// an `Option` of it; `None` refuses the connection.
    pub fn factory<F, T>(build: F) -> IrcFactory<F>
    where
        F: FnMut(Irc) -> T + 'static,
        T: IntoHandler<Irc>,
        T::Handler: IrcHandler,
    {
        IrcFactory { build, limits: Rc::default() }
    }

    fn new() -> Self {
        Self { buffer: Buffer::default(), splitter: Splitter::default() }
    }
}

/// Builds a receiver of messages for each connection, by [`IrcReceiver::factory`].
pub struct IrcFactory<F> {
    build: F,
    limits: Rc<Limits>,
}

impl<F> IrcFactory<F> {
    /// The most bytes of tags in a message from the peer, with the `@` and the space behind them. Default: 4,096, which is
    /// what clients may send; a server sends up to 8,191. See [`IrcHandler::line_too_long`].
    #[must_use]
    pub fn max_tags(mut self, bytes: usize) -> Self {
        self.limits = Rc::new(self.limits.with_max_tags(bytes));
        self
    }

    /// The most bytes of what stands behind the tags in a message from the peer, with CR LF. Default: 512. See
    /// [`IrcHandler::line_too_long`].
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.limits = Rc::new(self.limits.with_max_body(bytes));
        self
    }
}

impl<F, T> Factory for IrcFactory<F>
where
    F: FnMut(Irc) -> T + 'static,
    T: IntoHandler<Irc>,
    T::Handler: IrcHandler,
{
    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        let kind = IrcKind { limits: Rc::clone(&self.limits) };
        protocol::build(transport, kind, IrcReceiver::new(), &mut self.build)
    }
}

impl<F> fmt::Debug for IrcFactory<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IrcFactory").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl<H: IrcHandler> Cut<H> for IrcReceiver {
    type Kind = IrcKind;

    fn deliver(receiver: &mut Receiver<H, Self>, chunk: &[u8]) {
        let Receiver { handler, handle: irc, cut: Self { buffer, splitter } } = receiver;
        let next = |input: &mut Input<'_>| {
            match splitter.next(&irc.0.kind.limits, input) {
                None => return false,
                Some(Piece::TooLong) => handler.line_too_long(),
                Some(Piece::Line(line)) => match Message::parse(line) {
                    Ok(message) => {
                        irc.transport().note_message();
                        handler.message_received(&message);
                    }
                    Err(ParseError::Empty) => {}
                    Err(error) => handler.line_rejected(line, error),
                },
            }
            true
        };
        irc.0.delivery.cut(buffer.input(chunk), next);
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
