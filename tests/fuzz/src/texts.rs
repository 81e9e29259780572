//! Texts that name a target or an address to listen on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reactor::address::{Target, ToTarget};
use reactor::net::ListenOptions;
use reactor::text::escaped;

/// A text as a target: it displays unchanged, it means what it says, and no valid text is refused.
pub fn target_text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let target = text.to_target();
    match &target {
        Target::Address(address) => {
            let (host, port) = text.rsplit_once(':').unwrap();
            assert_eq!(port.parse(), Ok(address.port()), "{text:?}");
            let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            let host = host.split('%').next().unwrap();
            assert_eq!(host.parse(), Ok(address.ip()), "{text:?}");
        }
        Target::Name { host, port } => {
            let host = if host.contains(':') { format!("[{host}]:") } else { format!("{host}:") };
            let digits = text.strip_prefix(&*host).unwrap();
            assert!(host.len() > 1 && is_number(digits) && digits.parse() == Ok(*port), "{text:?}");
        }
        Target::Malformed { text: kept, reason } => {
            assert!(*kept == *text && !reason.is_empty());
            assert!(text.parse::<SocketAddr>().is_err(), "{text:?} is refused: {reason}");
            if let Some((host, port)) = text.split_once(':') {
                let good = !host.is_empty() && !host.starts_with('[') && is_number(port) && port.parse::<u16>().is_ok();
                assert!(!good, "{text:?} is refused: {reason}");
            }
        }
        other => panic!("what is {other:?}?"),
    }
    // What is displayed is escaped: it is another text if there was something to escape.
    if escaped(&*text).to_string() == *text {
        assert_eq!(target.to_string().to_target(), target, "{text:?} changes when displayed and parsed again");
    }

    let beside = (&*text, 80).to_target();
    match beside {
        Target::Address(address) => assert_eq!(ip_of(&text), Some((address.ip(), zone_of(address)))),
        Target::Name { host, port } => assert!(host == text && port == 80 && ip_of(&text).is_none()),
        Target::Malformed { .. } => assert!(text.is_empty(), "{text:?}"),
        other => panic!("what is {other:?}?"),
    }
}

/// The address and the number of its zone in a text without a port.
fn ip_of(text: &str) -> Option<(IpAddr, u32)> {
    match text.split_once('%') {
        None => Some((text.parse().ok()?, 0)),
        Some((ip, zone)) if is_number(zone) => Some((ip.parse::<Ipv6Addr>().ok()?.into(), zone.parse().ok()?)),
        Some(_) => None,
    }
}

fn zone_of(address: SocketAddr) -> u32 {
    if let SocketAddr::V6(address) = address { address.scope_id() } else { 0 }
}

/// A text as an address to listen on: a port or a socket address, and nothing else.
pub fn listen_text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    assert_eq!(listens_on(&text), address_of(&text), "{text:?}");
}

/// The meaning of a text that names an address to listen on.
pub(crate) fn address_of(text: &str) -> Option<SocketAddr> {
    if is_number(text) {
        return text.parse().ok().map(|port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)));
    }
    text.parse().ok()
}

/// The reactor's interpretation. It is not accessible without listening, so it is taken from `Debug`.
fn listens_on(text: &str) -> Option<SocketAddr> {
    let shown = format!("{:?}", ListenOptions::from(text));
    let (_, rest) = shown.split_once("address: ").unwrap();
    let (address, _) = rest.strip_prefix("Ok(")?.split_once("),").unwrap();
    Some(address.parse().unwrap())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
