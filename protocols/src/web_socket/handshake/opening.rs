use http::header::ORIGIN;
use http::{HeaderMap, Uri};

/// How a web socket was opened: the client's request, and the fields sent by the other side. Passed to the closure
/// given to [`WebSocket::messages`](crate::web_socket::WebSocket::messages).
#[derive(Debug)]
pub struct Opening {
    pub(crate) target: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) subprotocol: Option<String>,
}

impl Opening {
    /// The requested path, such as `/rooms/7`, still percent-encoded.
    pub fn path(&self) -> &str {
        self.target.path()
    }

    /// The query after the `?`.
    pub fn query(&self) -> Option<&str> {
        self.target.query()
    }

    /// The fields of the request at a server's end, those of the answer at a client's.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// At a server's end: the origin of the requesting page, such as `https://example.org`; `None` if the client is not
    /// a browser. It is one of the [allowed](crate::web_socket::WebSocket::origin) ones.
    pub fn origin(&self) -> Option<&str> {
        self.headers.get(ORIGIN)?.to_str().ok()
    }

    /// The negotiated subprotocol.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }
}
