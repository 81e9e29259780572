//! The format of a PROXY header, in both versions.
//!
//! Each crate that parses it is laxer than the specification in one place, or refuses what it allows. So this module
//! parses it, and the suite compares it with one of those crates.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt as _;
use std::str::FromStr;

use bytes::Buf as _;
use crc::{CRC_32_ISCSI, Crc};
use memchr::memchr;
use reactor::Address;
use reactor::address::UnixAddress;

/// The content of a header.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// The connection is the proxy's own, or the client is unknown: the real addresses apply.
    Unproxied,
    Proxied {
        client: Address,
        server: Address,
    },
}

/// Parses the header at the start of `bytes` and returns its length; `None` while it is incomplete. An error completes
/// a sentence about the header and is returned as soon as it is certain.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, &'static str> {
    if begins(bytes, VERSION_1) {
        parse_line(bytes)
    } else if begins(bytes, VERSION_2) {
        parse_binary(bytes)
    } else {
        Err("is missing")
    }
}

/// Whether both agree as far as both go.
fn begins(bytes: &[u8], signature: &[u8]) -> bool {
    bytes.iter().zip(signature).all(|(byte, expected)| byte == expected)
}

/// Parses version 1, a line of text.
fn parse_line(bytes: &[u8]) -> Result<Option<(Header, usize)>, &'static str> {
    let bytes = &bytes[..bytes.len().min(LONGEST_LINE)];
    let Some(end) = memchr(b'\n', bytes) else {
        return if bytes.len() < LONGEST_LINE { Ok(None) } else { Err("is longer than 107 bytes") };
    };
    let line = bytes[..end].strip_suffix(b"\r").ok_or("ends without CR")?;
    // It has neither CR nor LF, so it was found before the end.
    let fields = &line[VERSION_1.len()..];
    if fields == b"UNKNOWN" || fields.starts_with(b"UNKNOWN ") {
        return Ok(Some((Header::Unproxied, end + 1)));
    }
    let fields: Vec<_> = str::from_utf8(fields).map_err(|_| "is not text")?.split(' ').collect();
    let header = match fields[..] {
        ["TCP4", from, to, from_port, to_port] => inet::<Ipv4Addr>(ips([from, to])?, ports([from_port, to_port])?),
        ["TCP6", from, to, from_port, to_port] => inet::<Ipv6Addr>(ips([from, to])?, ports([from_port, to_port])?),
        ["TCP4" | "TCP6", ..] => {
            return Err("does not have exactly two addresses and two ports, one space before each");
        }
        _ => return Err("names neither TCP4, TCP6 nor UNKNOWN"),
    };
    Ok(Some((header, end + 1)))
}

fn ips<I: FromStr>(texts: [&str; 2]) -> Result<[I; 2], &'static str> {
    let [from, to] = texts.map(|text| text.parse().map_err(|_| "has an invalid address, or one of another family"));
    Ok([from?, to?])
}

fn ports(texts: [&str; 2]) -> Result<[u16; 2], &'static str> {
    // Ports have exactly one spelling: no sign, no leading zeros.
    let [from, to] = texts.map(|text| text.parse().ok().filter(|port: &u16| port.to_string() == text));
    from.zip(to).map(<[u16; 2]>::from).ok_or("has an invalid port")
}

/// Parses version 2.
fn parse_binary(bytes: &[u8]) -> Result<Option<(Header, usize)>, &'static str> {
    let Some((&[.., command, kind, high, low], rest)) = bytes.split_first_chunk::<HEAD>() else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let (family, protocol) = (kind >> 4, kind & 0xf);
    let size = match (command, family, protocol) {
        // Only the length of the block is known.
        (LOCAL, ..) | (PROXY, UNSPEC, UNSPEC..=DATAGRAM) | (PROXY, INET | INET6 | UNIX, UNSPEC) => {
            return Ok((rest.len() >= length).then_some((Header::Unproxied, HEAD + length)));
        }
        (PROXY, INET, STREAM | DATAGRAM) => 2 * (4 + 2),
        (PROXY, INET6, STREAM | DATAGRAM) => 2 * (16 + 2),
        (PROXY, UNIX, STREAM | DATAGRAM) => 2 * UNIX_PATH,
        (PROXY, ..) => return Err("has an unknown family or protocol"),
        _ => return Err("has an unknown version or command"),
    };
    if length < size {
        return Err("is too short for its addresses");
    }
    let Some(block) = rest.get(..length) else { return Ok(None) };
    check_extensions(&bytes[..HEAD + length], HEAD + size)?;
    // The number of bytes used of it.
    let (mut addresses, _) = block.split_at(size);
    let header = match family {
        INET => {
            let ips = [addresses.get_u32(), addresses.get_u32()].map(Ipv4Addr::from_bits);
            inet(ips, [addresses.get_u16(), addresses.get_u16()])
        }
        INET6 => {
            let ips = [addresses.get_u128(), addresses.get_u128()].map(Ipv6Addr::from_bits);
            inet(ips, [addresses.get_u16(), addresses.get_u16()])
        }
        _ => {
            let (from, to) = addresses.split_at(UNIX_PATH);
            Header::Proxied { client: unix(from), server: unix(to) }
        }
    };
    Ok(Some((header, HEAD + length)))
}

/// Checks what follows the addresses: types, lengths and values. A checksum must be right.
fn check_extensions(header: &[u8], mut at: usize) -> Result<(), &'static str> {
    let mut checksum = None;
    while let Some([kind, length @ ..]) = header[at..].first_chunk::<3>() {
        let value = at + 3..at + 3 + usize::from(u16::from_be_bytes(*length));
        at = value.end;
        if at > header.len() {
            break;
        }
        // The checksum is computed only once.
        if *kind == CHECKSUM && checksum.replace(value).is_some() {
            return Err("has two checksums");
        }
    }
    if at != header.len() {
        return Err("has a TLV longer than the rest of the header");
    }
    let Some(checksum) = checksum else { return Ok(()) };
    let expected = header[checksum.clone()].try_into().map_err(|_| "has a checksum whose length is not 4 bytes")?;
    let mut digest = CRC32C.digest();
    [&header[..checksum.start], &[0; 4], &header[checksum.end..]].iter().for_each(|part| digest.update(part));
    if digest.finalize() == u32::from_be_bytes(expected) { Ok(()) } else { Err("has a wrong checksum") }
}

/// An IPv4 client of a proxy that listens on both families counts as IPv4, as in the reactor.
fn inet<I: Into<IpAddr>>(ips: [I; 2], ports: [u16; 2]) -> Header {
    let [client, server] = ips.map(|ip| ip.into().to_canonical());
    let [from, to] = ports;
    Header::Proxied { client: SocketAddr::new(client, from).into(), server: SocketAddr::new(server, to).into() }
}

/// A path up to a NUL, an abstract name after one, or only NULs.
fn unix(field: &[u8]) -> Address {
    let address = match field {
        [0, name @ ..] => match name.iter().rposition(|byte| *byte != 0) {
            Some(last) => UnixAddress::from_abstract_name(&name[..=last]),
            None => UnixAddress::unnamed(),
        },
        path => UnixAddress::from_path(OsStr::from_bytes(path.split(|byte| *byte == 0).next().unwrap_or_default())),
    };
    address.into()
}

/// The maximum length of a header.
pub(super) const LONGEST: usize = HEAD + u16::MAX as usize;

pub(super) const VERSION_1: &[u8] = b"PROXY ";
pub(super) const VERSION_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Including CR and LF.
const LONGEST_LINE: usize = 107;

/// The length of version 2 before the block: the signature, the version with the command, the family with the protocol,
/// and the length of the block.
const HEAD: usize = 16;

const LOCAL: u8 = 0x20;
pub(super) const PROXY: u8 = 0x21;

pub(super) const UNSPEC: u8 = 0;
pub(super) const INET: u8 = 1;
pub(super) const INET6: u8 = 2;
pub(super) const UNIX: u8 = 3;

pub(super) const STREAM: u8 = 1;
const DATAGRAM: u8 = 2;

/// The length of a path in version 2.
pub(super) const UNIX_PATH: usize = 108;

/// The type of the checksum, a CRC32c.
const CHECKSUM: u8 = 3;
static CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
