//! Requests, and the host that they are for.

use http::header::HOST;
use http::uri::Authority;
use http::{Request, StatusCode, Uri, Version};
use httparse::EMPTY_HEADER;

use crate::http1::head::{Head, MOST_FIELDS, fields, single};
use crate::http1::refusal::Refusal;

/// Parses a head that is complete, or too long.
pub(crate) fn parse(head: &Head) -> Result<Request<()>, Refusal> {
    const TOO_LARGE: StatusCode = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    if head.is_too_long() {
        return Err(Refusal::new(TOO_LARGE, "the head of the request is too long"));
    }
    let mut room = [EMPTY_HEADER; MOST_FIELDS];
    let mut parsed = httparse::Request::new(&mut room);
    match parsed.parse(head.bytes()) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(Refusal::bad("this is not an HTTP request")),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Refusal::new(TOO_LARGE, "the request has too many fields"));
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

/// The host that a request is for, which it must name exactly once (RFC 9112, section 3.2).
pub(crate) fn host_of(request: &Request<()>) -> Result<&str, Refusal> {
    let host = single(request.headers(), &HOST).map_err(Refusal::request)?;
    if host.contains('@') || host.parse::<Authority>().is_err() {
        return Err(Refusal::bad("the field Host does not name a host"));
    }
    // The host in a URL takes precedence over the field.
    Ok(request.uri().authority().map_or(host, Authority::as_str))
}

/// Refuses requests for other hosts than these; without names any is accepted.
pub(crate) fn check_host(host: &str, names: &[String]) -> Result<(), Refusal> {
    if names.is_empty() || names.iter().any(|own| is_host(own, host)) {
        return Ok(());
    }
    Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, format!("{host} is not a name of this server")))
}

/// Whether a request for `host` is for the server of this name, or this name and port.
fn is_host(own: &str, host: &str) -> bool {
    let without_port = host.parse::<Authority>().is_ok_and(|host| host.host().eq_ignore_ascii_case(own));
    without_port || own.eq_ignore_ascii_case(host)
}
