use std::error::Error;
use std::fmt;

use reactor::{CloseReason, ConnectError};

use crate::ident::query::{SPACE, port_pair};

/// The owner of a connection, as an ident server reports it (RFC 1413). It is the server's claim and proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentReply {
    /// The operating system, which says how to interpret the user: `UNIX`, or `OTHER` if the user is not a login name.
    /// A character set may follow: `UNIX , US-ASCII`.
    pub system: String,
    /// The user, up to 512 bytes.
    pub user: String,
}

impl IdentReply {
    /// A user, by login name.
    pub fn unix(user: impl Into<String>) -> Self {
        Self { system: "UNIX".to_owned(), user: user.into() }
    }

    /// Whether it fits into one line and can be parsed back unchanged.
    fn is_valid(&self) -> bool {
        let is_system = |char: char| char != ':' && !char.is_control();
        let is_user = |char| !matches!(char, '\0' | '\r' | '\n');
        let (system, user) = (&self.system, &self.user);
        let system_is_valid =
            !system.is_empty() && system.trim_matches(SPACE) == system && system.chars().all(is_system);
        let user_is_valid =
            (1..=LONGEST_USER).contains(&user.len()) && !user.starts_with(SPACE) && user.chars().all(is_user);
        system_is_valid && user_is_valid
    }
}

/// Why the owner of a connection is not reported. Twisted's `IdentError` and its subclasses.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum IdentError {
    /// `INVALID-PORT`: one of the ports is invalid.
    InvalidPort,
    /// `NO-USER`: the connection does not exist, or has no owner.
    NoUser,
    /// `HIDDEN-USER`: the user does not want to be named.
    HiddenUser,
    /// `UNKNOWN-ERROR`: an unspecified error, or one that the RFC does not name.
    Unknown,
    /// Client only: the server's reply is invalid or does not match the question. If a server returns this or one of
    /// those below, it sends `UNKNOWN-ERROR`.
    Malformed,
    /// Client only: the connection to the server could not be made.
    Connect(ConnectError),
    /// Client only: the connection ended before the reply.
    Lost(CloseReason),
}

impl IdentError {
    fn token(&self) -> &'static str {
        match self {
            Self::InvalidPort => "INVALID-PORT",
            Self::NoUser => "NO-USER",
            Self::HiddenUser => "HIDDEN-USER",
            _ => "UNKNOWN-ERROR",
        }
    }

    fn of_token(token: &str) -> Self {
        let known = [Self::InvalidPort, Self::NoUser, Self::HiddenUser];
        known.into_iter().find(|error| error.token() == token).unwrap_or(Self::Unknown)
    }
}

impl fmt::Display for IdentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidPort => f.write_str("the ident server was asked about an invalid port"),
            Self::NoUser => f.write_str("the connection is unknown or has no owner"),
            Self::HiddenUser => f.write_str("the owner of the connection does not want to be named"),
            Self::Unknown => f.write_str("the ident server reported an unknown error"),
            Self::Malformed => f.write_str("the ident server's reply does not match the question"),
            Self::Connect(error) => error.fmt(f),
            Self::Lost(reason) => write!(f, "no reply from the ident server: {reason}"),
        }
    }
}

impl Error for IdentError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Connect(error) => error.source(),
            Self::Lost(reason) => reason.source(),
            _ => None,
        }
    }
}

/// The line with the result for two ports. A reply that does not fit into a line becomes an unknown error.
pub(crate) fn line_of((server_port, client_port): (u32, u32), found: &Result<IdentReply, IdentError>) -> String {
    let (kind, system, colon, rest) = match found {
        Ok(reply) if reply.is_valid() => ("USERID", &*reply.system, " : ", &*reply.user),
        Ok(_) => ("ERROR", "", "", IdentError::Unknown.token()),
        Err(error) => ("ERROR", "", "", error.token()),
    };
    format!("{server_port}, {client_port} : {kind} : {system}{colon}{rest}")
}

/// Parses such a line; `None` if it is invalid.
pub(crate) fn parse_line(line: &[u8]) -> Option<((u32, u32), Result<IdentReply, IdentError>)> {
    let text = str::from_utf8(line).ok()?;
    let (ports, rest) = text.split_once(':')?;
    let (kind, rest) = rest.split_once(':')?;
    let found = match kind.trim_matches(SPACE) {
        "USERID" => {
            let (system, user) = rest.split_once(':')?;
            let [system, user] = [system.trim_matches(SPACE), user.trim_start_matches(SPACE)].map(str::to_owned);
            Ok(Some(IdentReply { system, user }).filter(IdentReply::is_valid)?)
        }
        "ERROR" => Err(IdentError::of_token(rest.trim_matches(SPACE))),
        _ => return None,
    };
    Some((port_pair(ports)?, found))
}

/// The limit of RFC 1413, in bytes.
const LONGEST_USER: usize = 512;

#[cfg(test)]
mod tests {
    use proptest::prelude::any;
    use proptest::{prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn the_replies_of_rfc_1413_are_understood() {
        let parsed = |line: &str| parse_line(line.as_bytes()).unwrap();
        let (ports, reply) = parsed("6193, 23 : USERID : UNIX : stjohns");
        assert_eq!((ports, reply.unwrap()), ((6193, 23), IdentReply::unix("stjohns")));
        let (_, reply) = parsed("6193,23:USERID:OTHER , US-ASCII:a user : with colons ");
        let reply = reply.unwrap();
        assert_eq!((&*reply.system, &*reply.user), ("OTHER , US-ASCII", "a user : with colons "));
        for (token, kind) in [
            ("INVALID-PORT", "InvalidPort"),
            ("NO-USER", "NoUser"),
            ("HIDDEN-USER", "HiddenUser"),
            ("UNKNOWN-ERROR", "Unknown"),
            ("X-ON-HOLIDAY", "Unknown"),
        ] {
            let (ports, error) = parsed(&format!("6195, 23 : ERROR : {token}"));
            assert_eq!((ports, format!("{:?}", error.unwrap_err())), ((6195, 23), kind.to_owned()));
        }
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for line in [
            "",
            "6193, 23",
            "6193, 23 : USERID : UNIX",
            "6193, 23 : USERID : UNIX : ",
            "6193, 23 : USERID : : stjohns",
            "6193, 23 : userid : UNIX : stjohns",
            "6193 23 : USERID : UNIX : stjohns",
            "6193, 23 : USERID : UNIX : st\0johns",
        ] {
            assert!(parse_line(line.as_bytes()).is_none(), "{line:?}");
        }
        assert!(parse_line(b"6193, 23 : USERID : UNIX : \xff").is_none());
        assert!(parse_line(format!("1, 2 : USERID : UNIX : {}", "x".repeat(513)).as_bytes()).is_none());
    }

    #[test]
    fn a_reply_that_would_be_more_than_a_line_is_not_sent() {
        for user in ["", "a\r\n1, 2 : USERID : UNIX : root", "a\0", " a", &"x".repeat(513)] {
            assert_eq!(line_of((1, 2), &Ok(IdentReply::unix(user))), "1, 2 : ERROR : UNKNOWN-ERROR", "{user:?}");
        }
        let reply = IdentReply { system: "A:B".to_owned(), user: "root".to_owned() };
        assert_eq!(line_of((1, 2), &Ok(reply)), "1, 2 : ERROR : UNKNOWN-ERROR");
        assert_eq!(line_of((1, 2), &Err(IdentError::Malformed)), "1, 2 : ERROR : UNKNOWN-ERROR");
    }

    proptest! {
        #[test]
        fn a_reply_comes_back_from_its_line(ports in (0_u32..100_000, 0_u32..100_000), system: String, user: String) {
            let reply = IdentReply { system, user };
            let (found, came) = parse_line(line_of(ports, &Ok(reply.clone())).as_bytes()).unwrap();
            prop_assert_eq!(found, ports);
            prop_assert_eq!(came.ok(), Some(reply).filter(IdentReply::is_valid));
        }

        #[test]
        fn any_line_is_refused_or_means_what_it_shows(
            start in "([0-9]{1,6}, ?[0-9]{1,6} ?: ?(USERID|ERROR) ?: ?)?",
            rest in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            if let Some((ports, found)) = parse_line(&[start.as_bytes(), &rest].concat()) {
                let (again, came) = parse_line(line_of(ports, &found).as_bytes()).unwrap();
                prop_assert_eq!((again, format!("{came:?}")), (ports, format!("{found:?}")));
            }
        }
    }
}
