//! What to connect to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::str::FromStr;
use std::{fmt, io};

use crate::util::escaped::escaped;

/// What to connect to: an address, or a name that is yet to be resolved, with a port.
///
/// Made by [`ToTarget`]. It displays as `host:port`, an IPv6 address in brackets, and a name with misleading characters
/// [escaped].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// An address, which needs no resolving.
    Address(SocketAddr),
    /// A port at a host known by name.
    Name {
        /// The name; also an IPv6 address whose zone is a name (`fe80::1%eth0`), without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// Text that is not a target: the attempt to connect to it fails with the reason.
    Malformed {
        /// The given text.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl Target {
    fn parse(text: &str) -> Self {
        if let Ok(address) = text.parse() {
            return Self::Address(address);
        }
        match split(text) {
            Ok((host, port)) => Self::new(host, port),
            Err(reason) => Self::Malformed { text: text.to_owned(), reason },
        }
    }

    fn new(host: &str, port: u16) -> Self {
        if let Ok(ip) = host.parse() {
            Self::Address(SocketAddr::new(ip, port))
        } else if let Ok(address) = format!("[{host}]:{port}").parse::<SocketAddrV6>() {
            // Only this form has a zone's number.
            Self::Address(SocketAddr::V6(address))
        } else if host.is_empty() {
            Self::Malformed { text: format!(":{port}"), reason: NO_HOST }
        } else {
            Self::Name { host: host.to_owned(), port }
        }
    }
}

/// For texts that are to be checked before connecting.
///
/// ```
/// use reactor::address::Target;
///
/// let target: Target = "localhost:21567".parse()?;
/// let error = "localhost".parse::<Target>().unwrap_err();
/// assert_eq!(error.to_string(), "'localhost' is not a target: no port given (expected host:port)");
/// # Ok::<(), std::io::Error>(())
/// ```
impl FromStr for Target {
    type Err = io::Error;

    fn from_str(text: &str) -> io::Result<Self> {
        match Self::parse(text) {
            Self::Malformed { text, reason } => {
                Err(invalid(format!("'{}' is not a target: {reason}", text.escape_debug())))
            }
            target => Ok(target),
        }
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name { host, port } if host.contains(':') => write!(f, "[{}]:{port}", escaped(host)),
            Self::Name { host, port } => write!(f, "{}:{port}", escaped(host)),
            Self::Malformed { text, .. } => escaped(text).fmt(f),
        }
    }
}

/// Anything that a client can connect to.
///
/// - text: `"localhost:21567"`, `"127.0.0.1:21567"`, `"[::1]:21567"`;
/// - a host and a port: `("localhost", 21567)`, `("::1", 21567)`, `(Ipv4Addr::LOCALHOST, 21567)`;
/// - a [`SocketAddr`].
///
/// The conversion never fails. Malformed text becomes [`Target::Malformed`], so that it is reported where every other
/// failure to connect is:
///
/// ```
/// use reactor::address::{Target, ToTarget};
///
/// assert_eq!("localhost:21567".to_target().to_string(), "localhost:21567");
/// assert_eq!(("::1", 21567).to_target().to_string(), "[::1]:21567");
/// assert!(matches!("localhost".to_target(), Target::Malformed { .. }));
/// ```
pub trait ToTarget {
    /// Converts to a target.
    fn to_target(&self) -> Target;
}

impl ToTarget for Target {
    fn to_target(&self) -> Target {
        self.clone()
    }
}

impl ToTarget for str {
    fn to_target(&self) -> Target {
        Target::parse(self)
    }
}

impl ToTarget for String {
    fn to_target(&self) -> Target {
        Target::parse(self)
    }
}

impl ToTarget for (&str, u16) {
    fn to_target(&self) -> Target {
        Target::new(self.0, self.1)
    }
}

impl ToTarget for (String, u16) {
    fn to_target(&self) -> Target {
        Target::new(&self.0, self.1)
    }
}

impl ToTarget for SocketAddr {
    fn to_target(&self) -> Target {
        Target::Address(*self)
    }
}

impl ToTarget for (IpAddr, u16) {
    fn to_target(&self) -> Target {
        Target::Address(SocketAddr::from(*self))
    }
}

impl ToTarget for (Ipv4Addr, u16) {
    fn to_target(&self) -> Target {
        Target::Address(SocketAddr::from(*self))
    }
}

impl ToTarget for (Ipv6Addr, u16) {
    fn to_target(&self) -> Target {
        Target::Address(SocketAddr::from(*self))
    }
}

impl<T: ToTarget + ?Sized> ToTarget for &T {
    fn to_target(&self) -> Target {
        (**self).to_target()
    }
}

fn split(text: &str) -> Result<(&str, u16), &'static str> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or(BAD_BRACKETS)?;
            let address = host.split_once('%').map_or(host, |(address, _zone)| address);
            if address.parse::<Ipv6Addr>().is_err() {
                return Err(BAD_BRACKETS);
            }
            if rest.is_empty() {
                return Err(NO_PORT);
            }
            (host, rest.strip_prefix(':').ok_or(BAD_BRACKETS)?)
        }
        None => {
            let (host, port) = text.split_once(':').ok_or(if text.is_empty() { NO_HOST } else { NO_PORT })?;
            if port.contains(':') {
                return Err(MANY_COLONS);
            }
            (host, port)
        }
    };
    if host.is_empty() {
        return Err(NO_HOST);
    }
    if port.is_empty() {
        return Err(NO_PORT);
    }
    // `parse` alone would take "+80".
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        Ok(port) if digits => Ok((host, port)),
        _ => Err(BAD_PORT),
    }
}

const NO_HOST: &str = "no host given (expected host:port)";
const NO_PORT: &str = "no port given (expected host:port)";
const BAD_PORT: &str = "the port is not a number up to 65535";
const MANY_COLONS: &str = "more than one colon (an IPv6 address needs brackets, as in [::1]:80)";
const BAD_BRACKETS: &str = "brackets are for an IPv6 address (as in [::1]:80)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_parsed_only_if_it_is_a_target() {
        for text in ["localhost:21567", "127.0.0.1:1", "[::1]:21567"] {
            assert_eq!(text.parse::<Target>().unwrap(), text.to_target());
        }
        for text in ["", "localhost", ":1", "localhost:+1", "::1", "[::1]", "a\nb"] {
            let error = text.parse::<Target>().unwrap_err();
            let shown = format!("'{}' is not a target: ", text.escape_debug());
            assert!(error.kind() == io::ErrorKind::InvalidInput && error.to_string().starts_with(&shown), "{error}");
        }
    }

    #[test]
    fn text_with_an_address_needs_no_resolving() {
        for text in ["127.0.0.1:1", "[::1]:21567", "[fe80::1%3]:80", "0.0.0.0:0"] {
            assert_eq!(text.to_target(), Target::Address(text.parse().unwrap()));
            assert_eq!(text.to_target().to_string(), text);
        }
    }

    #[test]
    fn text_with_a_name_is_split_at_the_colon() {
        for (text, host, port) in [
            ("localhost:21567", "localhost", 21567),
            ("example.com.:65535", "example.com.", 65535),
            ("256.0.0.1:080", "256.0.0.1", 80),
            ("[fe80::1%eth0]:1", "fe80::1%eth0", 1),
        ] {
            let expected = Target::Name { host: host.to_owned(), port };
            assert_eq!(text.to_target(), expected);
            assert_eq!(text.to_owned().to_target(), expected);
            assert_eq!((host, port).to_target(), expected);
            assert_eq!((host.to_owned(), port).to_target(), expected);
        }
    }

    #[test]
    fn a_host_that_is_an_address_makes_an_address() {
        let expected: SocketAddr = "[::1]:80".parse().unwrap();
        let ip = Ipv6Addr::LOCALHOST;
        for target in [
            ("::1", 80).to_target(),
            ("::1".to_owned(), 80).to_target(),
            (IpAddr::from(ip), 80).to_target(),
            (ip, 80).to_target(),
            expected.to_target(),
            Target::Address(expected).to_target(),
        ] {
            assert_eq!(target, Target::Address(expected));
        }
        assert_eq!((Ipv4Addr::LOCALHOST, 80).to_target().to_string(), "127.0.0.1:80");
    }

    #[test]
    fn a_host_with_the_number_of_a_zone_is_an_address_and_one_with_its_name_is_to_be_resolved() {
        let expected: SocketAddr = "[fe80::1%3]:80".parse().unwrap();
        assert_eq!(("fe80::1%3", 80).to_target(), Target::Address(expected));
        assert_eq!(("fe80::1%3".to_owned(), 80).to_target(), Target::Address(expected));
        for host in ["fe80::1%eth0", "fe80::1%", "fe80::1%4294967296", "127.0.0.1%1", "[fe80::1%3]", "localhost%3"] {
            assert_eq!((host, 80).to_target(), Target::Name { host: host.to_owned(), port: 80 }, "{host}");
        }
    }

    #[test]
    fn names_show_as_host_and_port_with_brackets_where_the_host_has_colons() {
        assert_eq!(("localhost", 1).to_target().to_string(), "localhost:1");
        assert_eq!(("fe80::1%eth0", 1).to_target().to_string(), "[fe80::1%eth0]:1");
    }

    #[test]
    fn malformed_text_is_kept_with_the_reason() {
        for (text, expected) in [
            ("localhost", NO_PORT),
            ("localhost:", NO_PORT),
            ("127.0.0.1", NO_PORT),
            ("[::1]", NO_PORT),
            ("[::1]:", NO_PORT),
            ("", NO_HOST),
            (":", NO_HOST),
            (":80", NO_HOST),
            ("::1", MANY_COLONS),
            ("::1:80", MANY_COLONS),
            ("http://localhost:80", MANY_COLONS),
            ("localhost:http", BAD_PORT),
            ("localhost:65536", BAD_PORT),
            ("localhost:-1", BAD_PORT),
            ("localhost:+80", BAD_PORT),
            ("localhost: 80", BAD_PORT),
            ("localhost:80\n", BAD_PORT),
            ("[::1]:99999", BAD_PORT),
            ("[::1", BAD_BRACKETS),
            ("[::1]80", BAD_BRACKETS),
            ("[]:80", BAD_BRACKETS),
            ("[localhost]:80", BAD_BRACKETS),
            ("[127.0.0.1]:80", BAD_BRACKETS),
        ] {
            let expected = Target::Malformed { text: text.to_owned(), reason: expected };
            assert_eq!(text.to_target(), expected, "{text:?}");
            assert_eq!(expected.to_string(), escaped(text).to_string());
        }
    }

    #[test]
    fn an_empty_host_beside_a_port_is_malformed() {
        let expected = Target::Malformed { text: ":80".to_owned(), reason: NO_HOST };
        assert_eq!(("", 80).to_target(), expected);
    }
}
