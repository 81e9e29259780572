//! The names in this machine's own table.

use std::fs;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// The addresses of a name in `/etc/hosts`, with port 0; empty if the name or the file is missing. Blocks, but never
/// waits for a name server.
pub(crate) fn look_up(name: &str) -> Vec<SocketAddr> {
    fs::read(PATH).map(|table| addresses_in(&table, name)).unwrap_or_default()
}

/// The addresses of all lines with this name, in order and without duplicates.
fn addresses_in(table: &[u8], name: &str) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    for line in table.split(|byte| *byte == b'\n') {
        let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let Some(address) = words.next() else { continue };
        if words.any(|word| word.eq_ignore_ascii_case(name.as_bytes()))
            && let Some(address) = str::from_utf8(address).ok().and_then(literal)
            && !addresses.contains(&address)
        {
            addresses.push(address);
        }
    }
    addresses
}

/// A literal address, with port 0; an IPv6 address may have a scope number.
pub(crate) fn literal(text: &str) -> Option<SocketAddr> {
    let with_scope = || format!("[{text}]:0").parse::<SocketAddrV6>().ok().map(SocketAddr::V6);
    text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 0)).or_else(with_scope)
}

const PATH: &str = "/etc/hosts";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_addresses_of_all_lines_that_name_it() {
        let table = b"# 192.0.2.9 box\n127.0.0.1\tlocalhost Box # box.example\n\n::1 localhost box\n\
            no.address box\n\xff box\n192.0.2.1 other\n  192.0.2.2   box.example\r\n127.0.0.1 box\nfe80::1%2 box";
        let addresses = |name| addresses_in(table, name).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(addresses("box"), ["127.0.0.1:0", "[::1]:0", "[fe80::1%2]:0"]);
        assert_eq!(addresses("BOX.example"), ["192.0.2.2:0"]);
        assert_eq!(addresses("192.0.2.1"), [""; 0]);
        assert_eq!(addresses("bo"), [""; 0]);
    }
}
