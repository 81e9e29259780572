use http::StatusCode;
use reactor::CloseReason;

use crate::web_socket::close_code::CloseCode;

/// What a user of [`WebSocket::messages`](crate::web_socket::WebSocket::messages) implements: a protocol whose
/// callbacks get the messages of a web socket. Autobahn's `WebSocketServerProtocol` and `WebSocketClientProtocol`.
///
/// It is built after the opening handshake, with its [`WebSocketHandle`](crate::web_socket::WebSocketHandle), the
/// handle that sends messages and closes, and keeps it in a plain field. Messages are delivered whole, regardless of
/// the number of frames, and may be empty. Messages wait as in [`LineHandler`](crate::LineHandler): while reading is
/// paused, and while the answers to earlier ones are unsent.
///
/// ```
/// use protocols::web_socket::{CloseCode, WebSocket, WebSocketHandle, WebSocketHandler};
/// use reactor::Reactor;
///
/// struct Shout { socket: WebSocketHandle }
///
/// impl WebSocketHandler for Shout {
///     fn text_received(&mut self, text: &str) {
///         self.socket.send_text(text.to_uppercase());
///     }
///     fn bytes_received(&mut self, _data: &[u8]) {
///         self.socket.close(CloseCode::UNSUPPORTED_DATA, "text only, please");
///     }
/// }
///
/// let reactor = Reactor::new()?;
/// reactor.listen_tcp("127.0.0.1:0", WebSocket::messages(|socket, _| Shout { socket }))?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait WebSocketHandler: 'static {
    /// The web socket is open; nothing has been received yet. Autobahn's `onOpen`.
    fn connection_made(&mut self) {}

    /// The peer sent this text message. Autobahn's `onMessage`.
    fn text_received(&mut self, text: &str);

    /// The peer sent this binary message; copy what you need to keep. Autobahn's `onMessage` with `isBinary`.
    fn bytes_received(&mut self, data: &[u8]);

    /// The peer sent a ping, which has already been answered. Autobahn's `onPing`.
    fn ping_received(&mut self, data: &[u8]) {
        let _ = data;
    }

    /// The peer sent a pong: the answer to a ping, or an unsolicited one. Autobahn's `onPong`.
    fn pong_received(&mut self, data: &[u8]) {
        let _ = data;
    }

    /// The peer closed the web socket with this code and reason, possibly in answer to a close of this side. Called
    /// when the connection has ended, before [`connection_lost`](Self::connection_lost), but not if it ended without a
    /// closing frame from the peer. Autobahn's `onClose`.
    fn closed(&mut self, code: CloseCode, reason: &str) {
        let _ = (code, reason);
    }

    /// As [`Protocol::pause_writing`](reactor::Protocol::pause_writing).
    fn pause_writing(&mut self) {}

    /// As [`Protocol::resume_writing`](reactor::Protocol::resume_writing).
    fn resume_writing(&mut self) {}

    /// The connection has ended; this is the last callback. Twisted's `connectionLost`.
    fn connection_lost(&mut self, reason: CloseReason) {
        let _ = reason;
    }
}

/// The return value of the closure given to [`WebSocket::messages`](crate::web_socket::WebSocket::messages): a handler;
/// an `Option` of one, where `None` refuses the web socket with 503 (Service Unavailable); or a `Result`, whose error
/// is the status of the refusal.
pub trait IntoWebSocketHandler {
    /// The handler's type.
    type Handler: WebSocketHandler;

    /// Returns the handler.
    ///
    /// # Errors
    ///
    /// The status to refuse the web socket with.
    fn into_handler(self) -> Result<Self::Handler, StatusCode>;
}

impl<H: WebSocketHandler> IntoWebSocketHandler for H {
    type Handler = H;

    fn into_handler(self) -> Result<H, StatusCode> {
        Ok(self)
    }
}

impl<H: WebSocketHandler> IntoWebSocketHandler for Option<H> {
    type Handler = H;

    fn into_handler(self) -> Result<H, StatusCode> {
        self.ok_or(StatusCode::SERVICE_UNAVAILABLE)
    }
}

impl<H: WebSocketHandler> IntoWebSocketHandler for Result<H, StatusCode> {
    type Handler = H;

    fn into_handler(self) -> Self {
        self
    }
}
