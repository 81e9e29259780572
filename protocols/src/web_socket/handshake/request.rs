//! The request that opens a web socket: the server's side of the opening handshake, RFC 6455, section 4.2.

use std::fmt;

use data_encoding::BASE64;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    TRANSFER_ENCODING, UPGRADE,
};
use http::uri::Authority;
use http::{HeaderMap, Method, Request, StatusCode, Uri, Version};
use httparse::EMPTY_HEADER;

use crate::web_socket::handshake::head::{
    Head, MOST_FIELDS, at_most_one, elements, fields, has_element, is_token, single,
};
use crate::web_socket::handshake::key;
use crate::web_socket::options::Options;

/// What to do with a connection, by its first request.
pub(crate) enum Verdict {
    /// Make it a web socket.
    Accept(Box<Accepted>),
    Refuse(Refusal),
    /// Leave it to the other factory.
    Otherwise,
}

/// A valid request for a web socket.
pub(crate) struct Accepted {
    pub(crate) request: Request<()>,
    pub(crate) subprotocol: Option<String>,
    accept: String,
}

/// Why a request is refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    why: String,
}

/// Checks a head that is complete, or too long.
pub(crate) fn judge(head: &Head, options: &Options) -> Verdict {
    let not_ours = |refusal| match options.otherwise {
        Some(_) => Verdict::Otherwise,
        None => Verdict::Refuse(refusal),
    };
    if head.is_too_long() {
        return not_ours(Refusal::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "the head of the request is too long",
        ));
    }
    let request = match parse(head.bytes()) {
        Ok(request) => request,
        Err(refusal) => return not_ours(refusal),
    };
    if options.path.as_ref().is_some_and(|path| path != request.uri().path()) {
        return not_ours(Refusal::new(StatusCode::NOT_FOUND, "there is no web socket at this path"));
    }
    if request.method() != Method::GET {
        return not_ours(Refusal::bad(format!("a web socket must be requested by GET, not by {}", request.method())));
    }
    match check(request, options) {
        Ok(accepted) => Verdict::Accept(Box::new(accepted)),
        Err(refusal) => Verdict::Refuse(refusal),
    }
}

/// Parses the head of a request.
fn parse(head: &[u8]) -> Result<Request<()>, Refusal> {
    let mut room = [EMPTY_HEADER; MOST_FIELDS];
    let mut parsed = httparse::Request::new(&mut room);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(Refusal::bad("this is not an HTTP request")),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the request has too many fields"));
        }
        Err(error) => return Err(Refusal::bad(format!("this is not an HTTP request: {error}"))),
    }
    let version = if parsed.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    let target = parsed.path.unwrap_or_default();
    let request = Request::builder().method(parsed.method.unwrap_or_default()).uri(target).version(version).body(());
    let (mut request, fields) = request
        .and_then(|request| Ok((request, fields(parsed.headers)?)))
        .map_err(|error| Refusal::bad(error.to_string()))?;
    *request.headers_mut() = fields;
    if !is_target(target, request.uri()) {
        return Err(Refusal::bad("the target of the request is neither a path nor a URL"));
    }
    Ok(request)
}

/// Whether it has a form allowed for `GET`: a path, or a URL (RFC 9112, sections 3.2.1 and 3.2.2).
fn is_target(target: &str, uri: &Uri) -> bool {
    target.starts_with('/') || matches!(uri.scheme_str(), Some("http" | "https" | "ws" | "wss"))
}

fn check(request: Request<()>, options: &Options) -> Result<Accepted, Refusal> {
    let fields = request.headers();
    let host = check_http(&request)?;
    if !options.hosts.is_empty() && !options.hosts.iter().any(|own| is_host(own, host)) {
        let why = format!("{host} is not a name of this server");
        return Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, why));
    }
    if !has_element(fields, UPGRADE, "websocket") {
        return Err(Refusal::upgrade("the request has no Upgrade: websocket"));
    }
    if !has_element(fields, CONNECTION, "upgrade") {
        return Err(Refusal::bad("the request has no Connection: Upgrade"));
    }
    if single(fields, &SEC_WEBSOCKET_VERSION).map_err(Refusal::request)? != "13" {
        return Err(Refusal::upgrade("the request is for a version of web sockets other than 13"));
    }
    let asked = single(fields, &SEC_WEBSOCKET_KEY).map_err(Refusal::request)?;
    if !BASE64.decode(asked.as_bytes()).is_ok_and(|key| key.len() == 16) {
        return Err(Refusal::bad("the Sec-WebSocket-Key of the request is not 16 bytes in Base64"));
    }
    let accept = key::accept(asked);
    let origin = at_most_one(fields, &ORIGIN).map_err(Refusal::request)?;
    if let Some(origin) = origin
        && !options.any_origin
        && !is_known(origin, host, &options.origins)
    {
        let why = format!("pages of {origin} may not use this web socket");
        return Err(Refusal::new(StatusCode::FORBIDDEN, why));
    }
    let subprotocol = choose(fields, &options.subprotocols)?;
    Ok(Accepted { request, subprotocol, accept })
}

/// Checks the rules for all requests; returns the requested host.
fn check_http(request: &Request<()>) -> Result<&str, Refusal> {
    let fields = request.headers();
    if request.version() != Version::HTTP_11 {
        return Err(Refusal::bad("a web socket must be requested by HTTP 1.1, not 1.0"));
    }
    let host = single(fields, &HOST).map_err(Refusal::request)?;
    if host.contains('@') || host.parse::<Authority>().is_err() {
        return Err(Refusal::bad("the field Host does not name a host"));
    }
    if fields.contains_key(TRANSFER_ENCODING) || !matches!(at_most_one(fields, &CONTENT_LENGTH), Ok(None | Some("0"))) {
        return Err(Refusal::bad("a request for a web socket must not have a body"));
    }
    // The host in a URL takes precedence over the field.
    Ok(request.uri().authority().map_or(host, Authority::as_str))
}

/// Whether a request for `host` is for the server of this name, or this name and port.
fn is_host(own: &str, host: &str) -> bool {
    let without_port = host.parse::<Authority>().is_ok_and(|host| host.host().eq_ignore_ascii_case(own));
    without_port || own.eq_ignore_ascii_case(host)
}

/// Browsers name the origin of the requesting page; other clients need not.
fn is_known(origin: &str, host: &str, origins: &[String]) -> bool {
    let named = origin.split_once("://").map(|(_, named)| named);
    named.is_some_and(|named| named.eq_ignore_ascii_case(host))
        || origins.iter().any(|known| known.eq_ignore_ascii_case(origin))
}

fn choose(fields: &HeaderMap, subprotocols: &[String]) -> Result<Option<String>, Refusal> {
    let offered = || elements(fields, SEC_WEBSOCKET_PROTOCOL);
    if let Some(wrong) = offered().find(|name| !is_token(name)) {
        return Err(Refusal::bad(format!("{wrong:?} is not a valid subprotocol name")));
    }
    Ok(subprotocols.iter().find(|name| offered().any(|offer| offer == *name)).cloned())
}

impl Accepted {
    /// The answer that makes the connection a web socket.
    pub(crate) fn answer(&self) -> String {
        let accept = &self.accept;
        let subprotocol = self.subprotocol.as_ref().map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n"));
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{}\r\n",
            subprotocol.unwrap_or_default()
        )
    }
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, why: impl Into<String>) -> Self {
        Self { status, why: why.into() }
    }

    fn bad(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, why)
    }

    fn request(what: String) -> Self {
        Self::bad(format!("the request {what}"))
    }

    fn upgrade(why: &str) -> Self {
        Self::new(StatusCode::UPGRADE_REQUIRED, why)
    }

    pub(crate) fn answer(&self) -> String {
        let Self { status, why } = self;
        let version = if *status == StatusCode::UPGRADE_REQUIRED {
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        } else {
            ""
        };
        let text = format!("{why}\n");
        let length = text.len();
        format!(
            "HTTP/1.1 {status}\r\n{version}Connection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\
             X-Content-Type-Options: nosniff\r\nContent-Length: {length}\r\n\r\n{text}"
        )
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.why)
    }
}
