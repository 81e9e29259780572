//! Valid and nearly valid headers, compared with the results of another parser.

use std::cell::Cell;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use proxy_protocol_rs::{HeaderBuilder, InvalidReason, ParseError, ProxyAddress, TransportProtocol, parse};
use reactor::Address;
use reactor::address::UnixAddress;

use crate::protocols::proxy_header::{addresses, binary, play, tlv};

#[test]
fn headers_mean_what_they_mean_to_another_parser() {
    let own = addresses("PROXY UNKNOWN\r\n");
    let headers = prop_oneof![line(), block(), built()];
    let mut runner = TestRunner::new(Config { cases: CASES, rng_seed: RngSeed::Fixed(1), ..Config::default() });
    let valid = Cell::new(0);
    let same = runner.run(&headers, |header| {
        let stream = [&header[..], b"behind it"].concat();
        let lines = match theirs(&stream) {
            Some((between, length)) => {
                valid.set(valid.get() + 1);
                let behind = String::from_utf8_lossy(&stream[length..]).into_owned();
                vec!["made".to_owned(), between.unwrap_or_else(|| own.clone()), format!("data {behind}")]
            }
            None => Vec::new(),
        };
        prop_assert_eq!(play(&[&stream]).lines, lines, "{}", stream.escape_ascii());
        Ok(())
    });
    same.unwrap();
    assert!((CASES / 3..CASES * 2 / 3).contains(&valid.get()), "{} are valid", valid.get());
}

/// The addresses of a valid header, if it has any, and its length. None if it is refused, or not complete.
fn theirs(stream: &[u8]) -> Option<(Option<String>, usize)> {
    match parse(stream) {
        Ok((told, length)) => Some((told.source.zip(told.destination).map(between), length)),
        // Which the specification leaves open, and Twisted takes.
        Err(ParseError::Invalid(InvalidReason::UnspecWithProxy)) if stream[13] >> 4 <= 3 && stream[13] & 0xf <= 2 => {
            Some((None, 16 + usize::from(u16::from_be_bytes([stream[14], stream[15]]))))
        }
        Err(_) => None,
    }
}

fn between((client, server): (ProxyAddress, ProxyAddress)) -> String {
    let shown = |address| match address {
        ProxyAddress::Inet(address) => Address::Inet(SocketAddr::new(address.ip().to_canonical(), address.port())),
        ProxyAddress::Unix(path) => UnixAddress::from(String::from_utf8(path).unwrap()).into(),
        other => panic!("{other:?}"),
    };
    format!("{} to {}", shown(client), shown(server))
}

/// Version 1. A port is written in the one way that is allowed: the other does not look.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let ip = || {
        prop_oneof![
            any::<Ipv4Addr>().prop_map(|ip| ip.to_string()),
            any::<Ipv6Addr>().prop_map(|ip| ip.to_string()),
            any::<Ipv4Addr>().prop_map(|ip| ip.to_ipv6_mapped().to_string()),
            "[0-9.:a-f]{0,12}",
        ]
    };
    let port = || (0..80_000_u32).prop_map(|port| port.to_string());
    let family = select(vec!["TCP4", "TCP6", "TCP4", "TCP6", "UNKNOWN", "UDP4", ""]);
    let fields = (family, ip(), ip(), port(), port());
    let fields = fields.prop_map(|(family, from, to, one, two)| vec![family.to_owned(), from, to, one, two]);
    let change = prop_oneof![8 => Just(None), 1 => (0..6_usize, "[ x]{0,60}").prop_map(Some)];
    (fields, change, select(vec!["\r\n", "\r\n", "\r\n", "\n", "\r"])).prop_map(|(mut fields, change, end)| {
        match change {
            Some((at, field)) if at < fields.len() && field.is_empty() => drop(fields.remove(at)),
            Some((at, field)) => fields.insert(at.min(fields.len()), field),
            None => {}
        }
        format!("PROXY {}{end}", fields.join(" ")).into_bytes()
    })
}

/// Version 2, by hand. The other looks into extensions of some types, of which there are none.
fn block() -> impl Strategy<Value = Vec<u8>> {
    let command = prop_oneof![6 => Just(0x21), 1 => Just(0x20), 1 => any::<u8>()];
    let size = |family: u8| [0, 12, 36, 216].get(usize::from(family >> 4)).copied().unwrap_or(20);
    let family = prop_oneof![4 => select(vec![0x11, 0x12, 0x21, 0x22]), 1 => any::<u8>()];
    let family = family.prop_flat_map(move |family| {
        // Text, for the paths of UNIX sockets.
        (Just(family), vec(b'a'..=b'z', size(family) - 2.min(size(family))..=size(family)))
    });
    let extension = (0xe0_u8.., vec(any::<u8>(), 0..20)).prop_map(|(kind, value)| tlv(kind, &value));
    let extensions = vec(extension, 0..4).prop_map(|extensions| extensions.concat());
    let off_by = prop_oneof![8 => Just(0), 1 => -3..3_i16];
    (command, family, extensions, off_by).prop_map(|(command, (family, addresses), extensions, off_by)| {
        let mut header = binary(command, family, &[addresses, extensions].concat());
        let length = i16::from_be_bytes([header[14], header[15]]);
        header[14..16].copy_from_slice(&(length + off_by).max(0).to_be_bytes());
        header
    })
}

/// What the other makes, with a checksum that may be wrong.
fn built() -> impl Strategy<Value = Vec<u8>> {
    let v4 = any::<[(Ipv4Addr, u16); 2]>().prop_map(|ends| ends.map(|end| ProxyAddress::Inet(end.into())));
    let v6 = any::<[(Ipv6Addr, u16); 2]>().prop_map(|ends| ends.map(|end| ProxyAddress::Inet(end.into())));
    let unix = ["[a-z/]{1,108}", "[a-z/]{1,108}"].prop_map(|ends| ends.map(|path| ProxyAddress::Unix(path.into())));
    let wrong = prop_oneof![3 => Just(None), 1 => (16..28_usize, 1..=255_u8).prop_map(Some)];
    let parts = (prop_oneof![v4, v6, unix], any::<bool>(), "[a-z.]{0,40}", wrong);
    parts.prop_map(|(ends, has_sum, name, wrong)| {
        let builder = match ends {
            [ProxyAddress::Inet(from), ProxyAddress::Inet(to)] => HeaderBuilder::v2_proxy(from, to),
            [ProxyAddress::Unix(from), ProxyAddress::Unix(to)] => {
                HeaderBuilder::v2_unix(from, to, TransportProtocol::Stream)
            }
            other => panic!("{other:?}"),
        };
        let builder = builder.with_authority(name);
        let mut header = if has_sum { builder.with_crc32c() } else { builder }.build();
        if let Some((place, bits)) = wrong.filter(|_| has_sum) {
            header[place] ^= bits;
        }
        header
    })
}

const CASES: u32 = 3_000;
