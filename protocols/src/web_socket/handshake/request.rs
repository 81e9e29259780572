//! The request that opens a web socket: the server's side of the opening handshake, RFC 6455, section 4.2.

use data_encoding::BASE64;
use http::header::{
    CONNECTION, CONTENT_LENGTH, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, Method, Request, StatusCode, Version};

use crate::http1::{Head, Refusal, at_most_one, check_host, elements, has_element, host_of, is_token, parse, single};
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

/// Checks a head that is complete, or too long.
pub(crate) fn judge(head: &Head, options: &Options) -> Verdict {
    let not_ours = |refusal| match options.otherwise {
        Some(_) => Verdict::Otherwise,
        None => Verdict::Refuse(refusal),
    };
    let request = match parse(head) {
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

fn check(request: Request<()>, options: &Options) -> Result<Accepted, Refusal> {
    let fields = request.headers();
    let host = check_http(&request)?;
    check_host(host, &options.hosts)?;
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
    let host = host_of(request)?;
    if fields.contains_key(TRANSFER_ENCODING) || !matches!(at_most_one(fields, &CONTENT_LENGTH), Ok(None | Some("0"))) {
        return Err(Refusal::bad("a request for a web socket must not have a body"));
    }
    Ok(host)
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
