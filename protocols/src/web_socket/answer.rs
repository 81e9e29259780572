//! The client's side of the opening handshake.

use tungstenite::Error;
use tungstenite::client::IntoClientRequest as _;
use tungstenite::handshake::client::{Response, generate_request};
use tungstenite::handshake::derive_accept_key;
use tungstenite::handshake::machine::TryParse as _;
use tungstenite::http::header::{SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL};
use tungstenite::http::{HeaderValue, StatusCode};

use crate::web_socket::request::Head;

/// What is asked of a server, and the key that its answer has to fit.
pub(super) fn request(url: &str, subprotocols: &[String]) -> Result<(Vec<u8>, String), Error> {
    let mut request = url.into_client_request()?;
    if !subprotocols.is_empty() {
        let names = HeaderValue::from_str(&subprotocols.join(", ")).map_err(|error| Error::HttpFormat(error.into()))?;
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, names);
    }
    generate_request(request)
}

/// Why the answer of a server makes no web socket, if it makes none.
pub(super) fn check(answer: &Head, key: &str, subprotocols: &[String]) -> Result<(), String> {
    let response = match Response::try_parse(answer.bytes()) {
        Ok(Some((_, response))) => response,
        Ok(None) => return Err("what the server answers is no HTTP".to_owned()),
        Err(error) => return Err(format!("what the server answers is no HTTP: {error}")),
    };
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(format!("the server refuses the web socket: {}", response.status()));
    }
    let header = |name| response.headers().get(name).map(HeaderValue::as_bytes);
    if header(SEC_WEBSOCKET_ACCEPT) != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
        return Err("the server's answer does not fit the question".to_owned());
    }
    match header(SEC_WEBSOCKET_PROTOCOL) {
        Some(chosen) if subprotocols.iter().all(|name| name.as_bytes() != chosen) => {
            Err("the server has chosen a subprotocol that it was not offered".to_owned())
        }
        _ => Ok(()),
    }
}
