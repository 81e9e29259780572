//! The client's side of the opening handshake, RFC 6455, section 4.1.

use http::header::{
    AUTHORIZATION, CONNECTION, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderName, HeaderValue, Response, StatusCode, Uri, Version};
use httparse::EMPTY_HEADER;

use crate::http1::{MOST_FIELDS, at_most_one, elements, fields, has_element, is_token, single};
use crate::web_socket::handshake::key;
use crate::web_socket::options::Options;

/// The request to a server, and the key that its answer must match; or an error in the options.
pub(crate) fn request(url: &str, options: &Options) -> Result<(String, String), String> {
    let (host, target) = parse(url)?;
    let key = key::new();
    let mut request = format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
    );
    if let Some(wrong) = options.subprotocols.iter().find(|name| !is_token(name)) {
        return Err(format!("{wrong:?} is not a valid subprotocol name"));
    }
    if !options.subprotocols.is_empty() {
        request.push_str(&format!("Sec-WebSocket-Protocol: {}\r\n", options.subprotocols.join(", ")));
    }
    for (name, value) in &options.fields {
        check_field(name, value)?;
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    Ok((request, key))
}

/// The host, and the path to request.
pub(crate) fn parse(url: &str) -> Result<(String, String), String> {
    let wrong = |why: &dyn std::fmt::Display| format!("{url} is not the URL of a web socket: {why}");
    let uri: Uri = url.parse().map_err(|error| wrong(&error))?;
    if !matches!(uri.scheme_str(), Some("ws" | "wss")) {
        return Err(wrong(&"it begins neither with ws:// nor with wss://"));
    }
    let Some(authority) = uri.authority() else { return Err(wrong(&"it does not name a host")) };
    if authority.as_str().contains('@') {
        return Err(wrong(&"a user and a password go into the field Authorization"));
    }
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    Ok((authority.to_string(), target))
}

fn check_field(name: &str, value: &str) -> Result<(), String> {
    const OURS: [HeaderName; 7] = [
        HOST,
        UPGRADE,
        CONNECTION,
        SEC_WEBSOCKET_KEY,
        SEC_WEBSOCKET_VERSION,
        SEC_WEBSOCKET_PROTOCOL,
        SEC_WEBSOCKET_EXTENSIONS,
    ];
    match name.parse::<HeaderName>() {
        Err(_) => Err(format!("{name:?} is not a valid field name")),
        Ok(name) if OURS.contains(&name) => Err(format!("the field {name} is set by the web socket itself")),
        // A password is not shown.
        Ok(name) if HeaderValue::from_str(value).is_err() => Err(if name == AUTHORIZATION {
            "the value of the field authorization cannot be sent".to_owned()
        } else {
            format!("the value {value:?} of the field {name} cannot be sent")
        }),
        Ok(_) => Ok(()),
    }
}

/// The effect of the server's answer.
pub(crate) enum Outcome {
    /// The connection is a web socket with this subprotocol.
    Open(Response<()>, Option<String>),
    /// The final answer is still to come (RFC 9110, section 15.2).
    Wait,
}

/// Checks an answer; an error says why it does not open a web socket.
pub(crate) fn check(head: &[u8], key: &str, subprotocols: &[String]) -> Result<Outcome, String> {
    let response = parse_response(head)?;
    let status = response.status();
    let fields = response.headers();
    if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(Outcome::Wait);
    }
    if status == StatusCode::UPGRADE_REQUIRED && fields.contains_key(SEC_WEBSOCKET_VERSION) {
        let versions: Vec<_> = elements(fields, SEC_WEBSOCKET_VERSION).collect();
        return Err(format!("the server refuses the web socket: {status} (it knows version {})", versions.join(", ")));
    }
    if status != StatusCode::SWITCHING_PROTOCOLS {
        return Err(format!("the server refuses the web socket: {status}"));
    }
    let answer = |what: String| format!("the server's answer {what}");
    if response.version() != Version::HTTP_11 {
        return Err("the server answered with HTTP 1.0, which cannot upgrade a connection".to_owned());
    }
    if !single(fields, &UPGRADE).map_err(answer)?.eq_ignore_ascii_case("websocket") {
        return Err("the server upgraded to something other than a web socket".to_owned());
    }
    if !has_element(fields, CONNECTION, "upgrade") {
        return Err("the server's answer has no Connection: Upgrade".to_owned());
    }
    if single(fields, &SEC_WEBSOCKET_ACCEPT).map_err(answer)? != key::accept(key) {
        return Err("the server's answer does not match the request: its Sec-WebSocket-Accept is wrong".to_owned());
    }
    if let Some(extension) = elements(fields, SEC_WEBSOCKET_EXTENSIONS).next() {
        return Err(format!("the server chose an extension that was not offered: {extension:?}"));
    }
    let chosen = at_most_one(fields, &SEC_WEBSOCKET_PROTOCOL).map_err(answer)?;
    if let Some(chosen) = chosen.filter(|chosen| subprotocols.iter().all(|name| name != chosen)) {
        return Err(format!("the server chose a subprotocol that was not offered: {chosen:?}"));
    }
    let chosen = chosen.map(str::to_owned);
    Ok(Outcome::Open(response, chosen))
}

fn parse_response(head: &[u8]) -> Result<Response<()>, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("the server's answer is not HTTP: {error}");
    let mut room = [EMPTY_HEADER; MOST_FIELDS];
    let mut parsed = httparse::Response::new(&mut room);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(wrong(&"its head is incomplete")),
        Err(error) => return Err(wrong(&error)),
    }
    let version = if parsed.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    let response = Response::builder().status(parsed.code.unwrap_or_default()).version(version).body(());
    let mut response = response.map_err(|error| wrong(&error))?;
    *response.headers_mut() = fields(parsed.headers).map_err(|error| wrong(&error))?;
    Ok(response)
}
