use std::fmt;

use http::StatusCode;

/// Why a request is refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    why: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, why: impl Into<String>) -> Self {
        Self { status, why: why.into() }
    }

    pub(crate) fn bad(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, why)
    }

    /// For what is wrong with a request.
    pub(crate) fn request(what: String) -> Self {
        Self::bad(format!("the request {what}"))
    }

    pub(crate) fn upgrade(why: &str) -> Self {
        Self::new(StatusCode::UPGRADE_REQUIRED, why)
    }

    /// What the client is told.
    pub(crate) fn answer(&self) -> String {
        let Self { status, why } = self;
        let more = match *status {
            StatusCode::UPGRADE_REQUIRED => "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
            StatusCode::METHOD_NOT_ALLOWED => "Allow: GET, HEAD\r\n",
            _ => "",
        };
        let text = format!("{why}\n");
        let length = text.len();
        format!(
            "HTTP/1.1 {status}\r\n{more}Connection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\
             X-Content-Type-Options: nosniff\r\nContent-Length: {length}\r\n\r\n{text}"
        )
    }
}

/// A refusal that says nothing but its status.
impl From<StatusCode> for Refusal {
    fn from(status: StatusCode) -> Self {
        Self::new(status, status.to_string())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.why)
    }
}
