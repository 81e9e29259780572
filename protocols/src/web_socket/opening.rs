use http::header::ORIGIN;
use http::{HeaderMap, Uri};

/// How a web socket was opened: what the client has asked for, and the fields that the other side has sent. The closure
/// given to [`WebSocket::messages`](crate::web_socket::WebSocket::messages) sees it.
#[derive(Debug)]
pub struct Opening {
    pub(super) target: Uri,
    pub(super) headers: HeaderMap,
    pub(super) subprotocol: Option<String>,
}

impl Opening {
    /// The path that was asked for, such as `/rooms/7`. What is encoded by `%` in it still is.
    pub fn path(&self) -> &str {
        self.target.path()
    }

    /// What is behind the `?`.
    pub fn query(&self) -> Option<&str> {
        self.target.query()
    }

    /// The fields of the request for a server's end, those of the answer for a client's.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// For a server's end: the origin of the page that asks, such as `https://example.org`; `None` if it is no browser
    /// that asks. It is one of those that are [let in](crate::web_socket::WebSocket::origin).
    pub fn origin(&self) -> Option<&str> {
        self.headers.get(ORIGIN)?.to_str().ok()
    }

    /// The subprotocol that was agreed on.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }
}
