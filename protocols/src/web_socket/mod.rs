//! Web sockets, RFC 6455.

mod answer;
pub(crate) mod endpoint;
mod open;
mod options;
mod request;
mod upgrade;

use std::fmt;
use std::rc::Rc;

use reactor::{Factory, Protocol, SharedFactory, Transport, share};

use crate::web_socket::options::Options;
use crate::web_socket::upgrade::Upgrade;

/// A factory around a factory: its connections are web sockets, and carry the protocols that are built inside. It does
/// the opening handshake, takes messages apart and puts them together, answers pings, and closes as RFC 6455 says, by
/// the crate `tungstenite`. Like the policies it works over whatever carries connections, and policies can be put
/// around it and inside.
///
/// ```
/// use protocols::web_socket::WebSocket;
/// use reactor::{Protocol, Reactor, Transport};
///
/// struct Echo { transport: Transport }
/// # impl Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
///
/// let reactor = Reactor::new()?;
/// let echo = WebSocket::around(|transport| Echo { transport }).path("/echo").text();
/// reactor.listen_tcp("127.0.0.1:0", echo)?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Bytes and messages
///
/// A connection here is a stream of bytes, and a web socket sends messages. Each message that comes, be it binary or
/// text, is one [`data_received`](Protocol::data_received), cut after each 65,536 bytes. What one callback writes, as
/// far as it is not more than 65,536 bytes and the peer keeps up, leaves as one message; nobody should rely on more
/// than that. Messages are sent as binary ones, or as [text](Self::text). A receiver inside finds lines and the like as
/// in any stream.
///
/// # How it ends
///
/// | what happens | what the protocol inside is told |
/// |---|---|
/// | the peer closes the web socket | [`eof_received`](Protocol::eof_received); when what was written is sent, [`Done`](reactor::CloseReason::Done): there are no half-closed web sockets |
/// | the protocol inside calls `lose_connection` or `write_eof` | `Done` when the peer has closed, too; [`TimedOut`](reactor::CloseReason::TimedOut) if it has not after 10 s |
/// | the connection ends without that | [`Lost`](reactor::CloseReason::Lost) |
/// | the peer breaks the rules, or sends a message that is too long | [`Failed`](reactor::CloseReason::Failed); the peer is told in the closing frame |
/// | the reactor stops, or a policy outside closes | `Done`; the peer is told that this side goes away |
///
/// The opening handshake has to be complete after 10 s, and its heads may have 8 KiB; the protocol inside is built
/// after it.
///
/// # Memory
///
/// An idle connection takes 6 KiB more than without, 4 KiB of them for the next frames, and up to as much again as the
/// longest message it has received; a client, as the longest it has sent besides. Flow control is that of every
/// connection: while the protocol inside does not read, or its answers are not read, nothing more is.
#[derive(Clone)]
#[must_use]
pub struct WebSocket(Rc<Options>);

impl WebSocket {
    /// Web sockets that carry what `inside` builds.
    pub fn around(inside: impl Factory) -> Self {
        Self::new(None, inside)
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
        Self::new(Some(url.to_owned()), inside)
    }

    fn new(url: Option<String>, inside: impl Factory) -> Self {
        Self(Rc::new(Options {
            inside: share(inside),
            url,
            otherwise: None,
            path: None,
            origins: Vec::new(),
            any_origin: false,
            subprotocols: Vec::new(),
            text: false,
            max_message: 65_536,
        }))
    }

    /// For servers: the path that requests have to be for, such as `/socket` (any path). What is behind a `?` is not
    /// looked at.
    pub fn path(self, path: &str) -> Self {
        self.set(|options| options.path = Some(path.to_owned()))
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

    /// Sends text messages. What the protocol inside writes has to be UTF-8, or the connection fails; a character may
    /// be written in parts.
    pub fn text(self) -> Self {
        self.set(|options| options.text = true)
    }

    /// The longest message that is received (65,536 bytes): so much may be held of one that is not complete. A longer
    /// one ends the connection.
    pub fn max_message(self, bytes: usize) -> Self {
        self.set(|options| options.max_message = bytes)
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
        [self.0.inside.clone()].into_iter().chain(self.0.otherwise.clone())
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
