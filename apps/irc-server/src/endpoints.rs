//! What is written in settings, as descriptions of endpoints.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use reactor::endpoint::quote_string_argument;

/// The description of a place to listen: that of a port of all addresses, of an address, or one as it is.
pub(crate) fn description(text: &str) -> String {
    if let Ok(port) = text.parse::<u16>() {
        // With IPv6 there, it takes both.
        let scheme = if Path::new("/proc/net/if_inet6").exists() { "tcp6" } else { "tcp" };
        return format!("{scheme}:{port}");
    }
    let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    let local = local.map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    match local.or_else(|| text.parse().ok()) {
        Some(address) => {
            format!("tcp:{}:interface={}", address.port(), quote_string_argument(&address.ip().to_string()))
        }
        None => text.to_owned(),
    }
}

/// The same inside TLS. Clients may present any certificate, which they are known by.
pub(crate) fn secure(text: &str, certificate: &Path, key: &Path) -> String {
    format!("{}:client-certificates=any:{}", tls(certificate, key), description(text))
}

/// The same for browsers, which would ask their users for a certificate.
pub(crate) fn web_secure(text: &str, certificate: &Path, key: &Path) -> String {
    format!("{}:{}", tls(certificate, key), description(text))
}

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
        assert!(["tcp6:6667", "tcp:6667"].contains(&&*description("6667")));
        for (text, described) in [
            ("localhost:0", "tcp:0:interface=127.0.0.1"),
            ("192.0.2.7:6667", "tcp:6667:interface=192.0.2.7"),
            ("[::1]:6667", "tcp:6667:interface=\\:\\:1"),
            ("unix:/run/irc.sock", "unix:/run/irc.sock"),
            ("irc.example.org:6667", "irc.example.org:6667"),
        ] {
            assert_eq!(description(text), described);
        }
    }

    #[test]
    fn a_path_in_a_description_is_quoted() {
        let secure = secure("localhost:1", Path::new("/a:b.pem"), Path::new("/key.pem"));
        let quoted = "tls:certificate=/a\\:b.pem:key=/key.pem:client-certificates=any:tcp:1:interface=127.0.0.1";
        assert_eq!(secure, quoted);
    }
}
