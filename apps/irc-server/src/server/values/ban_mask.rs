//! Whom a ban of the server applies to.

use std::net::IpAddr;

use ipnet::IpNet;
use protocols::irc::{CaseMapping, mask_matches};

use crate::server::values::names::Name;

/// The most bytes of a mask. Longer ones say no more, and take long to match.
const MOST_BYTES: usize = 128;

/// The one way to write a mask that means this: `user@host` in lower case, addresses and networks as they are usually written.
/// `*!user@host` means the same. Otherwise a sentence says what is wrong.
pub(in crate::server) fn normal_form(mask: &[u8]) -> Result<Name, &'static str> {
    let mask = std::str::from_utf8(mask).unwrap_or_default().to_ascii_lowercase();
    let mask = match mask.split_once('!') {
        Some(("*", mask)) => mask,
        Some(_) => return Err("A ban does not go by the nick: write USER@HOST, or *!USER@HOST"),
        None => &mask,
    };
    let Some((user, host)) = mask.split_once('@').filter(|(user, host)| !user.is_empty() && !host.is_empty()) else {
        return Err("A mask is USER@HOST, with * and ? as wildcards");
    };
    let is_strange = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '!' | '@');
    if mask.len() > MOST_BYTES || user.contains(is_strange) || host.contains(is_strange) {
        return Err("A mask is USER@HOST, of up to 128 bytes, without spaces and with one @");
    }
    let host = match (network(host), host.parse::<IpAddr>()) {
        (Some(network), _) => network.to_string(),
        (None, Ok(address)) => address.to_canonical().to_string(),
        (None, Err(_)) if host.contains('/') => {
            return Err(
                "A network is an address with a length, such as 192.0.2.0/24 (at most 32) or 2001:db8::/32 (at most 128)",
            );
        }
        (None, Err(_)) => host.to_owned(),
    };
    if is_everybody(user, "*?~") && (is_everybody(&host, "*?.") || host.ends_with("/0")) {
        return Err("That would keep everybody out");
    }
    Ok([user, "@", &host].concat().into_bytes().into())
}

fn is_everybody(part: &str, wild: &str) -> bool {
    part.chars().all(|c| wild.contains(c))
}

/// Whether a mask applies to a client of this address, or of this machine if it has none. Without a user name, masks that need
/// one do not. A user name that nobody has confirmed begins with `~`, which a mask may leave out.
pub(in crate::server) fn applies(mask: &[u8], ident: Option<&[u8]>, host: &[u8]) -> bool {
    let Some(at) = mask.iter().position(|&byte| byte == b'@') else {
        return mask_matches(mask, host, CaseMapping::Ascii);
    };
    let (user, of_host) = (&mask[..at], &mask[at + 1..]);
    is_host(of_host, host) && (user == b"*" || ident.is_some_and(|ident| is_user(user, ident)))
}

fn is_user(mask: &[u8], ident: &[u8]) -> bool {
    let unmarked = ident.strip_prefix(b"~").filter(|_| !mask.starts_with(b"~"));
    [Some(ident), unmarked].into_iter().flatten().any(|ident| mask_matches(mask, ident, CaseMapping::Ascii))
}

fn is_host(mask: &[u8], host: &[u8]) -> bool {
    if mask == b"*" {
        return true;
    }
    let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
    if !mask.contains(&b'/') {
        return mask_matches(mask, host, CaseMapping::Ascii);
    }
    network(text(mask)).is_some_and(|network| text(host).parse::<IpAddr>().is_ok_and(|host| network.contains(&host)))
}

/// `192.0.2.0/24`, `2001:db8::/32`. Addresses of IPv4 inside IPv6 count as what they are.
fn network(text: &str) -> Option<IpNet> {
    let network: IpNet = text.parse().ok()?;
    let network = match (network, network.addr().to_canonical()) {
        (IpNet::V6(outer), IpAddr::V4(inside)) if outer.prefix_len() >= 96 => {
            IpNet::new(inside.into(), outer.prefix_len() - 96).ok()?
        }
        _ => network,
    };
    Some(network.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(mask: &str) -> Result<String, &'static str> {
        normal_form(mask.as_bytes()).map(|mask| String::from_utf8_lossy(&mask).into_owned())
    }

    #[test]
    fn masks_that_mean_the_same_have_one_form() {
        for (mask, form) in [
            ("Mal@Host.Example", "mal@host.example"),
            ("*!*@192.0.2.7", "*@192.0.2.7"),
            ("*@10.1.2.3/8", "*@10.0.0.0/8"),
            ("*@2001:DB8:0::1", "*@2001:db8::1"),
            ("*@2001:DB8::1/32", "*@2001:db8::/32"),
            ("*@::ffff:192.0.2.7", "*@192.0.2.7"),
            ("*@::ffff:192.0.2.7/120", "*@192.0.2.0/24"),
            ("mal@0.0.0.0/0", "mal@0.0.0.0/0"),
            ("?al@10.*", "?al@10.*"),
        ] {
            assert_eq!(normal(mask).as_deref(), Ok(form), "{mask}");
            assert_eq!(normal(form).as_deref(), Ok(form), "{mask}");
        }
    }

    #[test]
    fn what_would_ban_nobody_or_everybody_is_refused_with_what_is_wanted() {
        let long = format!("*@{}", "1".repeat(127));
        for (mask, word) in [
            ("mal!*@*", "nick"),
            ("vic*!*@*", "nick"),
            ("mal", "wildcards"),
            ("", "USER@HOST"),
            ("@", "USER@HOST"),
            ("mal@", "USER@HOST"),
            ("@host", "USER@HOST"),
            ("a@b@c", "one @"),
            ("*!a!b@c", "one @"),
            ("a b@c", "spaces"),
            (&long, "128 bytes"),
            ("*@10.0.0.0/99", "length"),
            ("*@10.0.0.0/33", "length"),
            ("*@::/129", "length"),
            ("*@10.0.0.0/", "length"),
            ("*@10.0.0.0/+8", "length"),
            ("*@10.*/8", "length"),
            ("*@*", "everybody"),
            ("~*@?*.*", "everybody"),
            ("*!*@0.0.0.0/0", "everybody"),
            ("*@::/0", "everybody"),
        ] {
            assert!(normal(mask).unwrap_err().contains(word), "{mask}: {:?}", normal(mask));
        }
    }

    #[test]
    fn a_mask_applies_by_user_name_and_by_address_or_network() {
        let applies = |mask: &str, ident: &str, host: &str| {
            applies(mask.as_bytes(), Some(ident.as_bytes()).filter(|ident| !ident.is_empty()), host.as_bytes())
        };
        for (mask, ident, host) in [
            ("mal@*", "~mal", "192.0.2.7"),
            ("mal@*", "mal", "192.0.2.7"),
            ("~mal@*", "~mal", "192.0.2.7"),
            ("m?l@192.0.2.*", "~MAL", "192.0.2.7"),
            ("*@192.0.2.0/24", "", "192.0.2.255"),
            ("*@192.0.2.7/32", "", "192.0.2.7"),
            ("*@2001:db8::/32", "~mal", "2001:db8:ffff::1"),
            ("mal@0.0.0.0/0", "~mal", "203.0.113.1"),
            ("*@localhost", "~mal", "localhost"),
            ("192.0.2.*", "", "192.0.2.7"),
        ] {
            assert!(applies(mask, ident, host), "{mask} {ident} {host}");
        }
        for (mask, ident, host) in [
            ("~mal@*", "mal", "192.0.2.7"),
            ("al@*", "~mal", "192.0.2.7"),
            ("mal@*", "", "192.0.2.7"),
            ("*@192.0.2.0/24", "", "192.0.3.0"),
            ("*@192.0.2.0/24", "~mal", "2001:db8::1"),
            ("*@192.0.2.0/24", "~mal", "localhost"),
            ("*@10.0.0.0/99", "~mal", "10.0.0.0"),
            ("mal@::/0", "~mal", "192.0.2.7"),
        ] {
            assert!(!applies(mask, ident, host), "{mask} {ident} {host}");
        }
    }
}
