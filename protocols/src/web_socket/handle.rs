use std::error::Error;
use std::fmt;
use std::rc::Rc;

use crate::receiver::Handle;
use crate::web_socket::close_code::CloseCode;
use crate::web_socket::frame::{LONGEST_CONTROL, Opcode, send};
use crate::web_socket::link::MessageLink;

/// A handle of one web socket, with which a [`WebSocketHandler`](crate::web_socket::WebSocketHandler) sends messages
/// and closes. [`Handle`] has what all handles share: closing, pausing, timers.
///
/// [`lose_connection`](Handle::lose_connection) is [`close`](Self::close) with
/// [`NORMAL`](crate::web_socket::CloseCode::NORMAL) and no reason.
pub type WebSocketHandle = Handle<WebSocketKind>;

/// What web sockets share in addition.
#[derive(Debug)]
pub struct WebSocketKind {
    pub(super) link: Rc<MessageLink>,
}

impl WebSocketHandle {
    /// Sends a text message, which may be empty. Autobahn's `sendMessage`.
    ///
    /// The maximum length of received messages does not apply.
    pub fn send_text(&self, text: impl AsRef<str>) {
        self.send(Opcode::Text, text.as_ref().as_bytes());
    }

    /// Sends a binary message, which may be empty. Autobahn's `sendMessage` with `isBinary`.
    pub fn send_bytes(&self, data: impl AsRef<[u8]>) {
        self.send(Opcode::Binary, data.as_ref());
    }

    /// Asks the peer for a [pong](crate::web_socket::WebSocketHandler::pong_received) with the same bytes. Web sockets
    /// send [pings](crate::web_socket::WebSocket::ping_interval) automatically to find out whether the peer is still
    /// there. Autobahn's `sendPing`.
    ///
    /// # Errors
    ///
    /// [`PingTooLong`] if the data has more than 125 bytes, the maximum of a ping. Nothing is sent then.
    pub fn send_ping(&self, data: impl AsRef<[u8]>) -> Result<(), PingTooLong> {
        let data = data.as_ref();
        if data.len() > LONGEST_CONTROL {
            return Err(PingTooLong { length: data.len() });
        }
        self.send(Opcode::Ping, data);
        Ok(())
    }

    /// Closes the web socket after sending everything written, and tells the peer why. Nothing more is delivered except
    /// [`closed`](crate::web_socket::WebSocketHandler::closed), with the peer's answer. The reason is cut after 123
    /// bytes. With [`NO_STATUS`](CloseCode::NO_STATUS) neither code nor reason is sent. Autobahn's `sendClose`.
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

/// The data of a ping is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PingTooLong {
    length: usize,
}

impl fmt::Display for PingTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot send a ping of {} bytes: the maximum is {LONGEST_CONTROL}", self.length)
    }
}

impl Error for PingTooLong {}
