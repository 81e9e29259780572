//! Web sockets, RFC 6455.

mod answer;
mod close_code;
pub(crate) mod endpoint;
mod frame;
mod handle;
mod handler;
mod head;
mod key;
mod link;
mod open;
mod opening;
mod options;
mod reader;
mod receiver;
mod request;
mod text;
mod upgrade;

pub use close_code::CloseCode;
pub use handle::{PingTooLong, WebSocketHandle, WebSocketKind};
pub use handler::{IntoWebSocketHandler, WebSocketHandler};
pub use http;
pub use opening::Opening;

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use reactor::{Factory, Protocol, SharedFactory, Transport, share};

use crate::web_socket::options::{Inside, Options, Role};
use crate::web_socket::receiver::messages;
use crate::web_socket::upgrade::Upgrade;

/// A factory whose connections are web sockets, of servers and of clients. It does the opening handshake, takes messages
/// apart and puts them together, answers pings and sends them, and closes as RFC 6455 says. Like the policies it works
/// over whatever carries connections, and policies can be put around it.
///
/// What is inside is one of two things. A [handler of messages](Self::messages) is called back with texts and with bytes,
/// and sends such:
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
/// And any protocol at all can be [carried](Self::around), as a stream of bytes:
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
/// A connection that is carried is a stream of bytes, and a web socket sends messages. Each message that comes, be it
/// binary or text, is one [`data_received`](Protocol::data_received), cut after each 65,536 bytes; empty ones are none.
/// What one callback writes, as far as it is not more than 65,536 bytes and the peer keeps up, leaves as one message;
/// nobody should rely on more than that. Messages are sent as binary ones, or as [text](Self::text). A receiver inside
/// finds lines and the like as in any stream. Where it matters what is a message and of which kind, take
/// [`messages`](Self::messages).
///
/// # How it ends
///
/// | what happens | what the protocol inside is told |
/// |---|---|
/// | the peer closes the web socket | [`eof_received`](Protocol::eof_received) (a handler: [`closed`](WebSocketHandler::closed)); when what was written is sent, [`Done`](reactor::CloseReason::Done): there are no half-closed web sockets |
/// | the protocol inside calls `lose_connection`, `write_eof` or [`close`](WebSocketHandle::close) | `Done` when the peer has closed, too; [`TimedOut`](reactor::CloseReason::TimedOut) if it has not after 10 s |
/// | the connection ends without that | [`Lost`](reactor::CloseReason::Lost) |
/// | the peer breaks the rules, or sends a message that is too long | [`Failed`](reactor::CloseReason::Failed); the peer is told in the closing frame |
/// | the peer has vanished: nothing comes of it for 20 s, and no answer to a ping in 20 s more | `TimedOut` |
/// | the reactor stops, or a policy outside closes | `Done`; the peer is told that this side goes away |
///
/// The opening handshake has to be complete after 10 s, and its heads may have 8 KiB and 64 fields; what is inside is
/// built after it.
///
/// # What a browser lets strangers do
///
/// Any page can have the browser of whoever looks at it open a web socket to any server that this can reach, with the
/// cookies for it. Two things tell such a request from others, and both are looked at:
///
/// - The origin of the page. Those of other origins than the host that is asked for are refused, unless they are
///   [let in](Self::origin). Browsers always send it; a request without it comes from another program.
/// - The host that is asked for. A page whose own name was made to mean this machine's address ("DNS rebinding") asks for
///   that name, and its origin fits. Say what [this server's own hosts](Self::host) are, and requests for others are
///   refused. A server that only this machine reaches needs this as much as any other.
///
/// # Memory
///
/// An idle connection takes about 1 KiB more than without. A message is held as far as it has come, whatever length it
/// claims to have. Flow control is that of every connection: while the protocol inside does not read, or its answers are
/// not read, nothing more is.
#[derive(Clone)]
#[must_use]
pub struct WebSocket(Rc<Options>);

impl WebSocket {
    /// Web sockets that carry what `inside` builds.
    pub fn around(inside: impl Factory) -> Self {
        Self::new(Role::Server, Inside::Stream(share(inside)))
    }

    /// Web sockets whose messages go to a handler. For each `build` is given its [`WebSocketHandle`] and its [`Opening`],
    /// which says what was asked for, and returns the handler; or an `Option` or a `Result` of it, which
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

    /// The client's end of web sockets that carry what `inside` builds: to be connected with. The server is asked for
    /// the path in `url`, and told the host in it; where to connect is not taken from it. TLS (`wss://`) is up to
    /// whatever carries the connection. If the server refuses, the connection ends with a
    /// [`Failed`](reactor::CloseReason::Failed) that says why, and nothing is built inside.
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

    /// The client's end of web sockets whose messages go to a handler: [`messages`](Self::messages) as
    /// [`client`](Self::client) has it. What [`Opening`] says of fields are those of the server's answer. Autobahn's
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

    /// For servers: the path that requests have to be for, such as `/socket` (any path). What is behind a `?` is not
    /// looked at.
    pub fn path(self, path: &str) -> Self {
        self.set(|options| options.path = Some(path.to_owned()))
    }

    /// For servers: a name of this server, as requests have it in their field `Host`: `example.org`, at any port, or
    /// `example.org:8080`, at that alone. When there is one, requests for other hosts are refused with 421 (Misdirected
    /// Request). Without it any host may be asked for, which is [not safe](Self#what-a-browser-lets-strangers-do) where
    /// browsers are trusted by where they are.
    pub fn host(self, name: &str) -> Self {
        self.set(|options| options.hosts.push(name.to_owned()))
    }

    /// For servers: lets pages of this origin connect, such as `https://example.org`, besides those of the host that
    /// the request is for. Requests of other pages are refused, for they come with the cookies of whoever looks at
    /// them; requests that name no origin do not come from a browser.
    pub fn origin(self, origin: &str) -> Self {
        self.set(|options| options.origins.push(origin.to_owned()))
    }

    /// For servers: lets pages of any origin connect.
    pub fn any_origin(self) -> Self {
        self.set(|options| options.any_origin = true)
    }

    /// Adds a subprotocol. A client offers them all; a server chooses the first that the client offers, too, and none
    /// if there is none.
    pub fn subprotocol(self, name: &str) -> Self {
        self.set(|options| options.subprotocols.push(name.to_owned()))
    }

    /// For clients: adds a field to the request, such as `Authorization`, `Cookie` or `Origin`. One that cannot be sent,
    /// or that the handshake itself has, ends the connection with a [`Failed`](reactor::CloseReason::Failed) that says so.
    pub fn field(self, name: &str, value: &str) -> Self {
        self.set(|options| options.fields.push((name.to_owned(), value.to_owned())))
    }

    /// For connections that are carried: sends text messages. What the protocol inside writes has to be UTF-8, or the connection fails; a character may
    /// be written in parts.
    pub fn text(self) -> Self {
        self.set(|options| options.text = true)
    }

    /// The longest message that is received (65,536 bytes): so much may be held of one that is not complete. A longer one
    /// ends the connection.
    pub fn max_message(self, bytes: usize) -> Self {
        self.set(|options| options.max_message = bytes)
    }

    /// How long the opening handshake may take, and how long the peer may take to close when this side has (10 s).
    pub fn handshake_timeout(self, timeout: Duration) -> Self {
        self.set(|options| options.handshake_timeout = timeout)
    }

    /// Sends a ping when nothing was heard of the peer for this long (20 s), and [ends](Self::pong_timeout) the connection
    /// when nothing comes of that; `None` does neither. Many proxies cut connections that are silent for a minute.
    /// Autobahn's `autoPingInterval`.
    ///
    /// A peer that takes in what it is sent, however slowly, is not asked, nor one that is not read because the protocol
    /// inside has paused.
    pub fn ping_interval(self, silence: Option<Duration>) -> Self {
        self.set(|options| options.ping_interval = silence)
    }

    /// How long a peer that was sent a ping may stay silent (20 s) before the connection ends with
    /// [`TimedOut`](reactor::CloseReason::TimedOut). Autobahn's `autoPingTimeout`.
    pub fn pong_timeout(self, timeout: Duration) -> Self {
        self.set(|options| options.pong_timeout = timeout)
    }

    /// For servers: has `factory` build the protocols of connections that begin with anything but a `GET` of this
    /// [path](Self::path): the pages of a web server, say. They get everything from the first byte on, and are web
    /// sockets never more.
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
