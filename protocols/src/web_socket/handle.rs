use std::error::Error;
use std::fmt;
use std::rc::Rc;

use crate::receiver::Handle;
use crate::web_socket::close_code::CloseCode;
use crate::web_socket::frame::{LONGEST_CONTROL, Opcode, send};
use crate::web_socket::link::Link;

/// A handle of one web socket: how a [`WebSocketHandler`](crate::web_socket::WebSocketHandler) sends messages and closes.
/// How it paces and times is said at [`Handle`].
///
/// [`lose_connection`](Handle::lose_connection) is [`close`](Self::close) with
/// [`NORMAL`](crate::web_socket::CloseCode::NORMAL) and no reason.
pub type WebSocketHandle = Handle<WebSocketKind>;

/// What web sockets share besides.
#[derive(Debug)]
pub struct WebSocketKind {
    pub(super) link: Rc<Link>,
}

impl WebSocketHandle {
    /// Sends a text message, which may be empty. Autobahn's `sendMessage`.
    ///
    /// The greatest length that is accepted from the peer does not count here.
    pub fn send_text(&self, text: impl AsRef<str>) {
        self.send(Opcode::Text, text.as_ref().as_bytes());
    }

    /// Sends a binary message, which may be empty. Autobahn's `sendMessage` with `isBinary`.
    pub fn send_bytes(&self, data: impl AsRef<[u8]>) {
        self.send(Opcode::Binary, data.as_ref());
    }

    /// Asks the peer for a [pong](crate::web_socket::WebSocketHandler::pong_received) with the same bytes. Web sockets
    /// [ping](crate::web_socket::WebSocket::ping_interval) by themselves to find out whether the peer is still there.
    /// Autobahn's `sendPing`.
    ///
    /// # Errors
    ///
    /// If that is more than the 125 bytes that a ping can carry. Nothing is sent then.
    pub fn send_ping(&self, data: impl AsRef<[u8]>) -> Result<(), PingTooLong> {
        let data = data.as_ref();
        if data.len() > LONGEST_CONTROL {
            return Err(PingTooLong { length: data.len() });
        }
        self.send(Opcode::Ping, data);
        Ok(())
    }

    /// Closes the web socket when all that was written is sent, and tells the peer why. Nothing more is delivered but
    /// [`closed`](crate::web_socket::WebSocketHandler::closed), with what the peer answers. Of the reason the first 123
    /// bytes are sent. With [`NO_STATUS`](CloseCode::NO_STATUS) neither is. Autobahn's `sendClose`.
    pub fn close(&self, code: CloseCode, reason: &str) {
        if !self.is_closing() {
            *self.0.kind.link.closing.borrow_mut() = Some((code, reason.to_owned()));
            self.lose_connection();
        }
    }

    pub(super) fn send(&self, opcode: Opcode, data: &[u8]) {
        let keys = self.0.kind.link.keys.as_deref();
        send(opcode, [data, b""], keys, |parts| self.transport().write_sequence(parts));
    }
}

/// What was to be sent as a ping is more than one can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PingTooLong {
    length: usize,
}

impl fmt::Display for PingTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot send a ping of {} bytes: it carries up to {LONGEST_CONTROL}", self.length)
    }
}

impl Error for PingTooLong {}
