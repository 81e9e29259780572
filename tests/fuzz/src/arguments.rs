//! The addresses on the time server's command line.

#[expect(dead_code, reason = "of the server's arguments only the addresses are looked at")]
#[path = "../../../apps/time-server/src/arguments.rs"]
mod server;

use clap::Parser;
use server::{Arguments, Endpoint};

use crate::texts::address_of;

/// The server accepts exactly the addresses that the reactor can listen on, over UDP and, as endpoints, over TCP, and a port
/// of `localhost`. Any other text counts as an endpoint if it begins with a word and a colon.
pub fn server_address(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let local = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let address = address_of(local.as_deref().unwrap_or(&text));
    let parsed = |option| match Arguments::try_parse_from(["time-server".to_owned(), format!("--{option}={text}")]) {
        Ok(arguments) => Some(arguments),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            None
        }
    };
    assert_eq!(parsed("udp").map(|arguments| arguments.udp), address.map(|address| vec![address]), "{text:?}");
    let is_description = text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.contains(':');
    let is_description = is_description && local.is_none();
    let endpoint = match address {
        Some(address) => Some(Endpoint::Address(address)),
        None => is_description.then(|| Endpoint::Description(text.to_string())),
    };
    assert_eq!(parsed("tcp").map(|arguments| arguments.tcp), endpoint.map(|endpoint| vec![endpoint]));
}
