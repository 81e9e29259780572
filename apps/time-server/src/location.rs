//! Where clients find a service, in words that they can paste.

use reactor::Address;

use crate::arguments::Service;

/// What a client has to know besides an address, as the description of an endpoint says it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Location {
    secure: bool,
    /// The path of the web socket or of the page, if it is one.
    path: Option<String>,
    is_page: bool,
}

impl Location {
    /// The location of a service at the endpoint with this description.
    pub(crate) fn of(service: Service, description: &str) -> Self {
        let mut location = Self::default();
        let page = match service {
            Service::Web => Some("/"),
            Service::Metrics => Some("/metrics"),
            _ => None,
        };
        if let Some(path) = page {
            (location.is_page, location.path) = (true, Some(path.to_owned()));
        }
        let mut pieces = pieces(description).into_iter().peekable();
        // Around the transport there may be other endpoints, each with keywords before the next.
        while let Some(scheme) = pieces.next() {
            match scheme.as_str() {
                "tls" => location.secure = true,
                "web" if !location.is_page => location.path = Some("/".to_owned()),
                "haproxy" | "timeouts" => {}
                _ => break,
            }
            while let Some(keyword) = pieces.next_if(|piece| piece.contains('=')) {
                if let (Some(path), false) = (keyword.strip_prefix("path="), location.is_page) {
                    location.path = Some(path.to_owned());
                }
            }
        }
        location
    }

    /// How a client is told to get to the service at this address.
    pub(crate) fn at(&self, host: &Address) -> String {
        let scheme = match (&self.path, self.is_page, self.secure) {
            // A UNIX socket has no URL.
            _ if host.socket_addr().is_none() => return host.to_string(),
            (None, _, false) => return host.to_string(),
            (None, _, true) => "tls",
            (Some(_), true, false) => "http",
            (Some(_), true, true) => "https",
            (Some(_), false, false) => "ws",
            (Some(_), false, true) => "wss",
        };
        format!("{scheme}://{host}{}", self.path.as_deref().unwrap_or_default())
    }
}

/// What stands between the colons of a description, without its backslashes.
fn pieces(description: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut rest = description.chars();
    while let Some(c) = rest.next() {
        let quoted = if c == '\\' { rest.next() } else { None };
        match (quoted, pieces.last_mut()) {
            (None, _) if c == ':' => pieces.push(String::new()),
            (quoted, Some(piece)) => piece.push(quoted.unwrap_or(c)),
            (_, None) => {}
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_can_be_pasted_into_a_client_or_a_browser() {
        let address = Address::Inet("[::1]:80".parse().unwrap());
        for (service, description, expected) in [
            (Service::Tcp, "tcp:0", "[::1]:80"),
            (Service::Lines, "tls:0:certificate=a.pem", "tls://[::1]:80"),
            (Service::Tcp, "tls:directory=/a\\:b:haproxy:trust=10.0.0.1:tcp:0", "tls://[::1]:80"),
            (Service::Tcp, "web:tcp:0", "ws://[::1]:80/"),
            (Service::Tcp, "web:text=yes:path=/a\\:b:tls:0:certificate=a.pem", "wss://[::1]:80/a:b"),
            (Service::Web, "tcp:0:interface=\\:\\:1", "http://[::1]:80/"),
            (Service::Metrics, "tcp:0", "http://[::1]:80/metrics"),
            (Service::Web, "timeouts:idle=9:haproxy:tls:certificate=a.pem:tcp:0", "https://[::1]:80/"),
        ] {
            assert_eq!(Location::of(service, description).at(&address), expected, "{description}");
        }
        let unix = Address::Memory("peer".into());
        assert_eq!(Location::of(Service::Web, "tls:certificate=a.pem:unix:/a").at(&unix), unix.to_string());
    }
}
