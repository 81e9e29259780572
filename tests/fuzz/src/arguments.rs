//! The addresses that the time server is told on its command line.

#[expect(dead_code, reason = "of the server's arguments only the addresses are looked at")]
#[path = "../../../apps/time-server/src/arguments.rs"]
mod server;

use clap::Parser;
use server::Arguments;

use crate::texts::address_of;

/// The server serves exactly what the reactor can listen on.
pub fn server_address(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let served = match Arguments::try_parse_from(["time-server".to_owned(), format!("--tcp={text}")]) {
        Ok(arguments) => Some(arguments.tcp),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            None
        }
    };
    assert_eq!(served, address_of(&text).map(|address| vec![address]), "{text:?}");
}
