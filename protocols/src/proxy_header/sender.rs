//! The other end: the header that a proxy sends.

use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;

use reactor::address::UnixAddress;
use reactor::layer::Policy;
use reactor::{Address, Transport};

use crate::proxy_header::header::{INET, INET6, PROXY, STREAM, UNIX, UNIX_PATH, UNSPEC, VERSION_2};

/// Sends a header before anything else.
pub(super) struct Sender {
    pub(super) outer: Transport,
    pub(super) header: Vec<u8>,
}

impl Policy for Sender {
    fn connection_made(&mut self) {
        self.outer.write(std::mem::take(&mut self.header));
    }
}

/// A header of version 1.
pub(super) fn line(client: &Address, server: &Address) -> Vec<u8> {
    let line = match (client.socket_addr(), server.socket_addr()) {
        (Some(client), Some(server)) if client.is_ipv4() == server.is_ipv4() => {
            let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
            format!("PROXY {family} {} {} {} {}\r\n", client.ip(), server.ip(), client.port(), server.port())
        }
        _ => "PROXY UNKNOWN\r\n".to_owned(),
    };
    line.into_bytes()
}

/// A header of version 2.
pub(super) fn binary(client: &Address, server: &Address) -> Vec<u8> {
    let ports = |from: u16, to: u16| [from.to_be_bytes(), to.to_be_bytes()].concat();
    let (kind, addresses) = match (client, server) {
        (Address::Inet(SocketAddr::V4(from)), Address::Inet(SocketAddr::V4(to))) => {
            let ips = [from.ip().octets(), to.ip().octets()].concat();
            (INET << 4 | STREAM, [ips, ports(from.port(), to.port())].concat())
        }
        (Address::Inet(SocketAddr::V6(from)), Address::Inet(SocketAddr::V6(to))) => {
            let ips = [from.ip().octets(), to.ip().octets()].concat();
            (INET6 << 4 | STREAM, [ips, ports(from.port(), to.port())].concat())
        }
        (Address::Unix(from), Address::Unix(to)) => (UNIX << 4 | STREAM, [unix(from), unix(to)].concat()),
        _ => (UNSPEC, Vec::new()),
    };
    // Up to 216.
    let length = addresses.len() as u16;
    [VERSION_2, &[PROXY, kind], &length.to_be_bytes(), &addresses].concat()
}

fn unix(address: &UnixAddress) -> Vec<u8> {
    let mut field = match (address.path(), address.abstract_name()) {
        (Some(path), _) => path.as_os_str().as_bytes().to_vec(),
        (_, Some(name)) => [b"\0", name].concat(),
        _ => Vec::new(),
    };
    field.resize(UNIX_PATH, 0);
    field
}
