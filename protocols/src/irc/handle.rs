use std::rc::Rc;

use bytes::Bytes;

use crate::irc::message::builder::MessageBuilder;
use crate::irc::splitter::Limits;
use crate::receiver::handle::Handle;

/// A handle of one connection whose protocol is an [`IrcReceiver`](crate::irc::IrcReceiver), with which an
/// [`IrcHandler`](crate::irc::IrcHandler) sends messages. [`Handle`] has what all handles share: closing, pausing, timers.
pub type Irc = Handle<IrcKind>;

/// The kind of [`Handle`] behind [`Irc`], for code that is generic over handles.
#[derive(Debug)]
pub struct IrcKind {
    pub(crate) limits: Rc<Limits>,
}

impl Irc {
    /// Sends a message. Twisted's `sendMessage` and `sendCommand`.
    pub fn send(&self, message: MessageBuilder) {
        self.transport().write_sequence(&message.pieces());
    }

    /// Sends lines that are formed already, with their CR LF, as [`MessageBuilder::to_bytes`] gives them: one message to
    /// many. They are not checked and, if they are not short, not copied.
    pub fn send_raw(&self, lines: impl Into<Bytes>) {
        self.transport().write_bytes(lines.into());
    }
}
