//! Web sockets, RFC 6455.

mod close_code;
pub(crate) mod endpoint;
mod frame;
mod handle;
mod handler;
pub(crate) mod handshake;
mod link;
mod open;
mod options;
mod reader;
mod receiver;
mod text;
mod upgrade;

pub use close_code::CloseCode;
pub use handle::{PingTooLong, WebSocketHandle, WebSocketKind};
pub use handler::{IntoWebSocketHandler, WebSocketHandler};
pub use handshake::opening::Opening;
pub use http;

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use reactor::{Factory, Protocol, SharedFactory, Transport, share};

use crate::web_socket::options::{Inside, Options, Role};
use crate::web_socket::receiver::messages;
use crate::web_socket::upgrade::Upgrade;

/// A factory whose connections are web sockets, for servers and clients. It performs the opening handshake, splits and
/// assembles messages, answers and sends pings, and closes according to RFC 6455. Like the policies it works over
/// anything that carries connections, and policies can be wrapped around it.
///
/// Inside is one of two things. A [message handler](Self::messages) receives and sends text and binary messages:
///
/// ```
/// use protocols::web_socket::{WebSocket, WebSocketHandle, WebSocketHandler};
/// use reactor::Reactor;
///
/// struct Echo { socket: WebSocketHandle }
///
/// impl WebSocketHandler for Echo {
///     fn text_received(&mut self, text: &str) {
///         self.socket.send_text(text);
///     }
///     fn bytes_received(&mut self, data: &[u8]) {
///         self.socket.send_bytes(data);
///     }
/// }
///
/// let reactor = Reactor::new()?;
/// reactor.listen_tcp("127.0.0.1:0", WebSocket::messages(|socket, _| Echo { socket }).path("/echo"))?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Or any protocol can be [carried](Self::around) as a stream of bytes:
///
/// ```
/// # use protocols::{LineHandler, LineReceiver, Lines};
/// # use protocols::web_socket::WebSocket;
/// # use reactor::Reactor;
/// # struct Shout { lines: Lines }
/// # impl LineHandler for Shout {
/// #     fn line_received(&mut self, line: &[u8]) { self.lines.send_line(line.to_ascii_uppercase()) }
/// # }
/// let reactor = Reactor::new()?;
/// let shout = LineReceiver::factory(|lines| Shout { lines });
/// reactor.listen_tcp("127.0.0.1:0", WebSocket::around(shout).path("/shout").text())?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Bytes and messages
///
/// A carried connection is a stream of bytes, while a web socket sends messages. Each message received, binary or text,
/// becomes one [`data_received`](Protocol::data_received), split after every 65,536 bytes; empty messages are skipped.
/// The bytes that one callback writes are sent as one message, up to 65,536 bytes and as long as the peer keeps up; do
/// not rely on more than that. Messages are sent as binary or as [text](Self::text). A receiver inside finds lines and
/// the like as in any stream. If message boundaries or kinds matter, use [`messages`](Self::messages).
///
/// # How it ends
///
/// | event | callbacks of the protocol inside |
/// |---|---|
/// | the peer closes the web socket | [`eof_received`](Protocol::eof_received) (a handler: [`closed`](WebSocketHandler::closed)); when all output has been sent, [`Done`](reactor::CloseReason::Done): there are no half-closed web sockets |
/// | the protocol inside calls `lose_connection`, `write_eof` or [`close`](WebSocketHandle::close) | `Done` when the peer has closed too; [`TimedOut`](reactor::CloseReason::TimedOut) if it has not within 10 s |
/// | the peer ends its stream without that | [`Truncated`](reactor::CloseReason::Truncated) |
/// | the connection breaks | [`Lost`](reactor::CloseReason::Lost) |
/// | the peer violates the protocol, or sends a message that is too long | [`Failed`](reactor::CloseReason::Failed); the peer is told in the closing frame |
/// | the peer has vanished: it is silent for 20 s, and does not answer a ping within 20 s more | `TimedOut` |
/// | the reactor stops, or a policy outside closes | `Done`; the peer is told that this side goes away |
///
/// When both sides have closed the web socket, the server closes the connection. A client waits for that, up to 10 s (RFC
/// 6455, section 7.1.1); its `Done` comes then.
///
/// The opening handshake must be complete within 10 s, and its heads may have up to 8 KiB and 64 fields; the protocol
/// inside is built after it.
///
/// # What a browser lets strangers do
///
/// Any web page can make its visitor's browser open a web socket to any server that the browser can reach, with the
/// cookies for that server. Two things distinguish such requests, and both are checked:
///
/// - The origin of the page. Requests from other origins than the requested host are refused, unless they are
///   [allowed](Self::origin). Browsers always send the origin; a request without it comes from another program.
/// - The requested host. A page whose own name was made to resolve to this machine's address ("DNS rebinding") requests
///   that name, and its origin matches. Set [this server's own hosts](Self::host), and requests for others are refused.
///   A server that only this machine can reach needs this as much as any other.
///
/// # Memory
///
/// An idle connection takes about 1 KiB more than without a web socket. A message takes memory for the bytes received,
/// whatever length it claims. Flow control is as for every connection: while the protocol inside does not read, or its
/// answers are not read, nothing more is read.
#[derive(Clone)]
#[must_use]
pub struct WebSocket(Rc<Options>);

impl WebSocket {
    /// Web sockets that carry the protocols of `inside`.
    pub fn around(inside: impl Factory) -> Self {
        Self::new(Role::Server, Inside::Stream(share(inside)))
    }

    /// Web sockets whose messages go to a handler. For each one `build` receives its [`WebSocketHandle`] and its
    /// [`Opening`], which describes the request, and returns the handler; or an `Option` or a `Result` of it, which can
    /// [refuse](IntoWebSocketHandler) the web socket. Autobahn's `WebSocketServerFactory`, and its `onConnect`.
    ///
    /// ```
    /// use protocols::web_socket::http::StatusCode;
    /// use protocols::web_socket::{WebSocket, WebSocketHandle, WebSocketHandler};
    /// # use reactor::testing::StringTransport;
    ///
    /// struct Member { socket: WebSocketHandle, room: String }
    /// # impl WebSocketHandler for Member {
    /// #     fn text_received(&mut self, text: &str) {}
    /// #     fn bytes_received(&mut self, data: &[u8]) {}
    /// # }
    ///
    /// let rooms = WebSocket::messages(|socket, opening| match opening.path().strip_prefix("/rooms/") {
    ///     Some(room) => Ok(Member { socket, room: room.to_owned() }),
    ///     None => Err(StatusCode::NOT_FOUND),
    /// });
    /// # let mut wire = StringTransport::connect(rooms);
    /// # wire.receive("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
    /// #     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    /// # assert!(wire.written().starts_with(b"HTTP/1.1 404 Not Found\r\n"));
    /// ```
    pub fn messages<T: IntoWebSocketHandler>(build: impl FnMut(WebSocketHandle, &Opening) -> T + 'static) -> Self {
        Self::new(Role::Server, messages(build))
    }

    /// The client's end of web sockets that carry the protocols of `inside`, for connecting. The path and host in `url`
    /// are sent to the server; the address to connect to is not taken from it. TLS (`wss://`) must be provided by the
    /// connection. If the server refuses, the connection ends with a [`Failed`](reactor::CloseReason::Failed) that says
    /// why, and nothing is built inside.
    ///
    /// ```no_run
    /// # use protocols::web_socket::WebSocket;
    /// # use reactor::{Protocol, Reactor, Transport};
    /// # struct Client { transport: Transport }
    /// # impl Protocol for Client { fn data_received(&mut self, _: &[u8]) {} }
    /// let reactor = Reactor::new()?;
    /// let client = WebSocket::client("ws://example.org/socket", |transport| Client { transport });
    /// reactor.connect_tcp("example.org:80", client.text());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn client(url: &str, inside: impl Factory) -> Self {
        Self::new(Role::client(url), Inside::Stream(share(inside)))
    }

    /// The client's end of web sockets whose messages go to a handler: like [`messages`](Self::messages), for clients
    /// as in [`client`](Self::client). The fields in [`Opening`] are those of the server's answer. Autobahn's
    /// `WebSocketClientFactory`.
    ///
    /// ```no_run
    /// # use protocols::web_socket::{WebSocket, WebSocketHandle, WebSocketHandler};
    /// # use reactor::Reactor;
    /// # struct Client { socket: WebSocketHandle }
    /// # impl WebSocketHandler for Client {
    /// #     fn text_received(&mut self, text: &str) {}
    /// #     fn bytes_received(&mut self, data: &[u8]) {}
    /// # }
    /// let reactor = Reactor::new()?;
    /// let client = WebSocket::client_messages("ws://example.org/socket", |socket, _| Client { socket });
    /// reactor.connect_tcp("example.org:80", client.field("Authorization", "Bearer x7A"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn client_messages<T: IntoWebSocketHandler>(
        url: &str,
        build: impl FnMut(WebSocketHandle, &Opening) -> T + 'static,
    ) -> Self {
        Self::new(Role::client(url), messages(build))
    }

    fn new(role: Role, inside: Inside) -> Self {
        Self(Rc::new(Options::new(role, inside)))
    }

    /// For servers: the path that requests must have, such as `/socket`. By default any path is accepted. The query
    /// after `?` is ignored.
    pub fn path(self, path: &str) -> Self {
        self.set(|options| options.path = Some(path.to_owned()))
    }

    /// For servers: a name of this server, as in the `Host` field of requests: `example.org` at any port, or
    /// `example.org:8080` at that port only. If at least one is set, requests for other hosts are refused with 421
    /// (Misdirected Request). By default any host is accepted, which is [not
    /// safe](Self#what-a-browser-lets-strangers-do) if browsers are trusted because of their network.
    pub fn host(self, name: &str) -> Self {
        self.set(|options| options.hosts.push(name.to_owned()))
    }

    /// For servers: allows pages of this origin to connect, such as `https://example.org`, in addition to those of the
    /// requested host. Requests from other pages are refused, because they come with the cookies of the page's visitor;
    /// requests without an origin do not come from a browser.
    pub fn origin(self, origin: &str) -> Self {
        self.set(|options| options.origins.push(origin.to_owned()))
    }

    /// For servers: allows pages of any origin to connect.
    pub fn any_origin(self) -> Self {
        self.set(|options| options.any_origin = true)
    }

    /// Adds a subprotocol. A client offers all of them; a server chooses its first one that the client also offers, or
    /// none.
    pub fn subprotocol(self, name: &str) -> Self {
        self.set(|options| options.subprotocols.push(name.to_owned()))
    }

    /// For clients: adds a field to the request, such as `Authorization`, `Cookie` or `Origin`. A field that cannot be
    /// sent, or that the handshake sets itself, ends the connection with a [`Failed`](reactor::CloseReason::Failed)
    /// that says so.
    pub fn field(self, name: &str, value: &str) -> Self {
        self.set(|options| options.fields.push((name.to_owned(), value.to_owned())))
    }

    /// For carried connections: sends text messages. The protocol inside must write UTF-8, or the connection fails; a
    /// character may be written in parts.
    pub fn text(self) -> Self {
        self.set(|options| options.text = true)
    }

    /// The maximum length of a received message (65,536 bytes), and of an incomplete message in memory. A longer one
    /// ends the connection.
    pub fn max_message(self, bytes: usize) -> Self {
        self.set(|options| options.max_message = bytes)
    }

    /// How long the opening handshake may take, and how long the peer may take to close after this side has (10 s).
    pub fn handshake_timeout(self, timeout: Duration) -> Self {
        self.set(|options| options.handshake_timeout = timeout)
    }

    /// Sends a ping when the peer has been silent for this long (20 s), and [ends](Self::pong_timeout) the connection
    /// if it stays silent; `None` turns both off. Many proxies cut connections that are silent for a minute. Autobahn's
    /// `autoPingInterval`.
    ///
    /// No ping is sent to a peer that reads its output, however slowly, or while the protocol inside has paused
    /// reading.
    pub fn ping_interval(self, silence: Option<Duration>) -> Self {
        self.set(|options| options.ping_interval = silence)
    }

    /// How long a peer may stay silent after a ping (20 s) before the connection ends with
    /// [`TimedOut`](reactor::CloseReason::TimedOut). Autobahn's `autoPingTimeout`.
    pub fn pong_timeout(self, timeout: Duration) -> Self {
        self.set(|options| options.pong_timeout = timeout)
    }

    /// For servers: lets `factory` build the protocols of connections that begin with anything but a `GET` of this
    /// [path](Self::path), for example the pages of a web server. They receive everything from the first byte on, and
    /// never become web sockets.
    pub fn otherwise(self, factory: impl Factory) -> Self {
        self.set(|options| options.otherwise = Some(share(factory)))
    }

    fn set(mut self, set: impl FnOnce(&mut Options)) -> Self {
        set(Rc::make_mut(&mut self.0));
        self
    }

    fn factories(&self) -> impl Iterator<Item = SharedFactory> {
        let carried = match &self.0.inside {
            Inside::Stream(factory) => Some(factory.clone()),
            Inside::Messages(_) => None,
        };
        carried.into_iter().chain(self.0.otherwise.clone())
    }
}

impl Factory for WebSocket {
    fn start_factory(&mut self) {
        self.factories().for_each(|mut factory| factory.start_factory());
    }

    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        Some(Box::new(Upgrade::new(transport, Rc::clone(&self.0))))
    }

    fn stop_factory(&mut self) {
        self.factories().for_each(|mut factory| factory.stop_factory());
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").field("path", &self.0.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
