//! What is written in settings, as descriptions of endpoints.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use reactor::endpoint::quote_string_argument;
use reactor::text::escaped;

/// The description of a place to listen: that of a port of all addresses, of an address, or one as it is.
///
/// # Errors
///
/// If its port is not one.
pub(crate) fn description(text: &str) -> Result<String, InvalidPort> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (Some(host), port),
        None => (None, text),
    };
    let address = match host {
        // With IPv6 there, it takes both.
        None if text.starts_with(|c: char| c.is_ascii_digit()) => None,
        Some("localhost") => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        Some(host) if let Ok(address) = host.parse::<Ipv4Addr>() => Some(IpAddr::V4(address)),
        Some(host) if let Some(address) = in_brackets(host) => Some(IpAddr::V6(address)),
        _ => return Ok(text.to_owned()),
    };
    let port: u16 = port.parse().map_err(|_| InvalidPort { text: text.to_owned(), port: port.to_owned() })?;
    Ok(match address {
        Some(address) => format!("tcp:{port}:interface={}", quote_string_argument(&address.to_string())),
        None if Path::new("/proc/net/if_inet6").exists() => format!("tcp6:{port}"),
        None => format!("tcp:{port}"),
    })
}

fn in_brackets(host: &str) -> Option<Ipv6Addr> {
    host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// The same inside TLS. Clients may present any certificate, which they are known by.
pub(crate) fn secure(text: &str, certificate: &Path, key: &Path) -> Result<String, InvalidPort> {
    Ok(format!("{}:client-certificates=any:{}", tls(certificate, key), description(text)?))
}

/// The same for browsers, which would ask their users for a certificate.
pub(crate) fn web_secure(text: &str, certificate: &Path, key: &Path) -> Result<String, InvalidPort> {
    Ok(format!("{}:{}", tls(certificate, key), description(text)?))
}

/// A place to listen whose port is not one.
#[derive(Debug)]
pub(crate) struct InvalidPort {
    text: String,
    port: String,
}

impl fmt::Display for InvalidPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [text, port] = [&self.text, &self.port].map(|text| escaped(text).to_string());
        write!(f, "\"{text}\" has the port \"{port}\": a port is a number from 0 to 65535")
    }
}

impl Error for InvalidPort {}

fn tls(certificate: &Path, key: &Path) -> String {
    let [certificate, key] = [certificate, key].map(|path| quote_string_argument(&path.to_string_lossy()));
    format!("tls:certificate={certificate}:key={key}")
}

/// That of a console: a UNIX socket, for its path.
pub(crate) fn console(text: &str) -> String {
    let is_path = text.starts_with(['/', '.', '@']);
    if is_path { format!("unix:{}:mode=600", quote_string_argument(text)) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_addresses_become_descriptions_and_others_stay() {
        assert!(["tcp6:6667", "tcp:6667"].contains(&&*description("6667").unwrap()));
        for (text, described) in [
            ("localhost:0", "tcp:0:interface=127.0.0.1"),
            ("192.0.2.7:6667", "tcp:6667:interface=192.0.2.7"),
            ("[::1]:6667", "tcp:6667:interface=\\:\\:1"),
            ("unix:/run/irc.sock", "unix:/run/irc.sock"),
            ("irc.example.org:6667", "irc.example.org:6667"),
        ] {
            assert_eq!(description(text).unwrap(), described);
        }
    }

    #[test]
    fn what_is_no_port_is_named() {
        for (text, port) in [
            ("99999", "99999"),
            ("6667x", "6667x"),
            ("localhost:99999", "99999"),
            ("localhost:abc", "abc"),
            ("localhost:", ""),
            ("127.0.0.1:-1", "-1"),
            ("[::1]:65536", "65536"),
        ] {
            let sentence = format!("\"{text}\" has the port \"{port}\": a port is a number from 0 to 65535");
            assert_eq!(description(text).unwrap_err().to_string(), sentence);
            assert_eq!(secure(text, Path::new(""), Path::new("")).unwrap_err().to_string(), sentence);
        }
    }

    #[test]
    fn a_path_in_a_description_is_quoted() {
        let secure = secure("localhost:1", Path::new("/a:b.pem"), Path::new("/key.pem")).unwrap();
        let quoted = "tls:certificate=/a\\:b.pem:key=/key.pem:client-certificates=any:tcp:1:interface=127.0.0.1";
        assert_eq!(secure, quoted);
    }
}
