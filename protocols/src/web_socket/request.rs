//! The request that a web socket begins with.

use memchr::memmem;
use tungstenite::handshake::machine::TryParse as _;
use tungstenite::handshake::server::{Request, create_response, write_response};
use tungstenite::http::header::{HOST, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use tungstenite::http::{HeaderName, HeaderValue, StatusCode};

use crate::web_socket::options::Options;

/// The head of a request, as it comes in.
#[derive(Default)]
pub(super) struct Head {
    bytes: Vec<u8>,
}

impl Head {
    /// Takes in what belongs to the head; the rest when it is complete.
    pub(super) fn fill<'a>(&mut self, data: &'a [u8]) -> Option<&'a [u8]> {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(data);
        // The end may have begun in what came before.
        let from = before.saturating_sub(2);
        let ends = [&b"\n\r\n"[..], b"\n\n"];
        let end =
            ends.iter().filter_map(|end| Some(memmem::find(&self.bytes[from..], end)? + from + end.len())).min()?;
        self.bytes.truncate(end);
        Some(&data[end - before..])
    }

    pub(super) fn is_too_long(&self) -> bool {
        self.bytes.len() > LONGEST
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What is to become of the connection.
    pub(super) fn judge(&self, options: &Options) -> Verdict {
        let not_ours = |status: StatusCode| match options.otherwise {
            Some(_) => Verdict::Otherwise,
            None => Verdict::Refuse(status),
        };
        if self.is_too_long() {
            return not_ours(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        }
        let Ok(Some((_, request))) = Request::try_parse(&self.bytes) else { return not_ours(StatusCode::BAD_REQUEST) };
        if options.path.as_ref().is_some_and(|path| path != request.uri().path()) {
            return not_ours(StatusCode::NOT_FOUND);
        }
        let Ok(mut response) = create_response(&request) else { return Verdict::Refuse(StatusCode::UPGRADE_REQUIRED) };
        if !options.any_origin && !is_of_known_origin(&request, &options.origins) {
            return Verdict::Refuse(StatusCode::FORBIDDEN);
        }
        if let Some(chosen) = choose(&request, &options.subprotocols) {
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, chosen);
        }
        let mut answer = Vec::new();
        match write_response(&mut answer, &response) {
            Ok(()) => Verdict::Accept(answer),
            Err(_) => Verdict::Refuse(StatusCode::BAD_REQUEST),
        }
    }
}

pub(super) enum Verdict {
    /// It becomes a web socket, with this answer.
    Accept(Vec<u8>),
    Refuse(StatusCode),
    /// It is none of ours.
    Otherwise,
}

/// The answer to a request that is refused.
pub(super) fn refusal(status: StatusCode) -> String {
    let version =
        if status == StatusCode::UPGRADE_REQUIRED { "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" } else { "" };
    let text = format!("{status}\n");
    let length = text.len();
    format!(
        "HTTP/1.1 {status}\r\n{version}Connection: close\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{text}"
    )
}

fn text(request: &Request, name: HeaderName) -> Option<&str> {
    request.headers().get(name)?.to_str().ok()
}

/// Browsers name the origin of the page that asks; nobody else need.
fn is_of_known_origin(request: &Request, origins: &[String]) -> bool {
    if !request.headers().contains_key(ORIGIN) {
        return true;
    }
    let Some(origin) = text(request, ORIGIN) else { return false };
    let of_host = |host: &str| {
        let named = origin.split_once("://").map(|(_, named)| named);
        named.is_some_and(|named| named.eq_ignore_ascii_case(host))
    };
    origins.iter().any(|known| known.eq_ignore_ascii_case(origin)) || text(request, HOST).is_some_and(of_host)
}

fn choose(request: &Request, subprotocols: &[String]) -> Option<HeaderValue> {
    let offered = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL);
    let offered =
        || offered.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim);
    let chosen = subprotocols.iter().find(|name| offered().any(|offer| offer == *name))?;
    HeaderValue::from_str(chosen).ok()
}

/// A longer head is refused.
const LONGEST: usize = 8 * 1024;
