//! The messages between a SOCKS client and the server before the target is connected, as bytes: versions 4, 4a and 5.
//!
//! SOCKS4 and 4a follow the two memos of these names, SOCKS5 follows RFC 1928, its passwords RFC 1929.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The next message expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The first message, which contains the version.
    Greeting,
    /// A user and password: RFC 1929.
    Password,
    /// A request of version 5.
    Request,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// The authentication methods that a version 5 client offers.
    Methods {
        none: bool,
        password: bool,
    },
    Password {
        user: String,
        password: String,
    },
    Request(Request),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) version: Version,
    pub(crate) command: u8,
    /// An address, or a name in printable ASCII.
    pub(crate) host: String,
    pub(crate) port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V4,
    V5,
}

/// An invalid message. Answer with these bytes, if any, and close the connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) Vec<u8>);

/// The first message of `input` and its length in bytes; `None` if it is incomplete, which no input of 520 bytes or
/// more is.
pub(crate) fn parse(stage: Stage, input: &[u8]) -> Result<Option<(Message, usize)>, Malformed> {
    let mut reader = Reader { input, used: 0 };
    let message = match stage {
        Stage::Greeting => greeting(&mut reader),
        Stage::Password => password(&mut reader),
        Stage::Request => request(&mut reader),
    };
    match message {
        Ok(message) => Ok(Some((message, reader.used))),
        Err(Stop::Incomplete) => Ok(None),
        Err(Stop::Malformed(answer)) => Err(Malformed(answer)),
    }
}

fn greeting(reader: &mut Reader<'_>) -> Result<Message, Stop> {
    match reader.byte()? {
        4 => request_4(reader),
        5 => {
            let count = reader.byte()?;
            let methods = reader.take(count.into())?;
            Ok(Message::Methods { none: methods.contains(&NO_PASSWORD), password: methods.contains(&PASSWORD) })
        }
        // Not a version of SOCKS: the peer would not understand an answer.
        _ => Err(Stop::Malformed(Vec::new())),
    }
}

fn request_4(reader: &mut Reader<'_>) -> Result<Message, Stop> {
    let command = reader.byte()?;
    let port = reader.port()?;
    let [a, b, c, d] = reader.array()?;
    reader.until_zero()?;
    let host = if [a, b, c] == [0; 3] && d != 0 {
        let name = reader.until_zero()?;
        host_name(name).ok_or_else(malformed_4)?
    } else {
        Ipv4Addr::new(a, b, c, d).to_string()
    };
    Ok(Message::Request(Request { version: Version::V4, command, host, port }))
}

fn malformed_4() -> Stop {
    Stop::Malformed(reply(Version::V4, Reply::Failed, None))
}

fn password(reader: &mut Reader<'_>) -> Result<Message, Stop> {
    let malformed = || Stop::Malformed(PASSWORD_REFUSED.to_vec());
    if reader.byte()? != PASSWORD_VERSION {
        return Err(malformed());
    }
    let mut text = || {
        let length = reader.byte()?;
        let text = reader.take(length.into())?;
        Ok(str::from_utf8(text).map_err(|_| malformed())?.to_owned())
    };
    Ok(Message::Password { user: text()?, password: text()? })
}

fn request(reader: &mut Reader<'_>) -> Result<Message, Stop> {
    let malformed = |why| Stop::Malformed(reply(Version::V5, why, None));
    if reader.byte()? != 5 {
        return Err(malformed(Reply::Failed));
    }
    let command = reader.byte()?;
    if reader.byte()? != 0 {
        return Err(malformed(Reply::Failed));
    }
    let host = match reader.byte()? {
        IPV4 => Ipv4Addr::from(reader.array::<4>()?).to_string(),
        NAME => {
            let length = reader.byte()?;
            host_name(reader.take(length.into())?).ok_or_else(|| malformed(Reply::Failed))?
        }
        IPV6 => Ipv6Addr::from(reader.array::<16>()?).to_string(),
        _ => return Err(malformed(Reply::AddressNotSupported)),
    };
    Ok(Message::Request(Request { version: Version::V5, command, host, port: reader.port()? }))
}

/// A name that is safe to look up and to log.
fn host_name(bytes: &[u8]) -> Option<String> {
    let good = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_graphic);
    good.then(|| bytes.iter().copied().map(char::from).collect())
}

enum Stop {
    Incomplete,
    Malformed(Vec<u8>),
}

struct Reader<'a> {
    input: &'a [u8],
    used: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Stop> {
        let taken = self.input.get(self.used..self.used + length).ok_or(Stop::Incomplete)?;
        self.used += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn byte(&mut self) -> Result<u8, Stop> {
        Ok(self.array::<1>()?[0])
    }

    fn port(&mut self) -> Result<u16, Stop> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    /// The text before the next zero, which is also consumed; only version 4 has such texts.
    fn until_zero(&mut self) -> Result<&'a [u8], Stop> {
        let rest = &self.input[self.used..];
        match rest.iter().take(LONGEST_TEXT + 1).position(|byte| *byte == 0) {
            Some(length) => {
                self.used += length + 1;
                Ok(&rest[..length])
            }
            None if rest.len() > LONGEST_TEXT => Err(malformed_4()),
            None => Err(Stop::Incomplete),
        }
    }
}

/// The result of a request; the numbers are those of version 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Granted = 0,
    Failed = 1,
    NotAllowed = 2,
    NetworkUnreachable = 3,
    HostUnreachable = 4,
    Refused = 5,
    /// The RFC calls it "TTL expired" and has nothing closer.
    TimedOut = 6,
    CommandNotSupported = 7,
    AddressNotSupported = 8,
}

/// The answer to a request, with the local address of the connection to the target. Version 4 has a single refusal, and
/// no IPv6.
pub(crate) fn reply(version: Version, reply: Reply, bound: Option<SocketAddr>) -> Vec<u8> {
    let bound = bound.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
    let port = bound.port().to_be_bytes();
    match (version, bound.ip()) {
        (Version::V4, ip) => {
            let code = if reply == Reply::Granted { 90 } else { 91 };
            let ip = if let IpAddr::V4(ip) = ip { ip } else { Ipv4Addr::UNSPECIFIED };
            [&[0, code], &port[..], &ip.octets()].concat()
        }
        (Version::V5, IpAddr::V4(ip)) => [&[5, reply as u8, 0, IPV4], &ip.octets()[..], &port].concat(),
        (Version::V5, IpAddr::V6(ip)) => [&[5, reply as u8, 0, IPV6], &ip.octets()[..], &port].concat(),
    }
}

/// The only supported command.
pub(crate) const CONNECT: u8 = 1;

/// Authentication methods.
pub(crate) const NO_PASSWORD: u8 = 0;
pub(crate) const PASSWORD: u8 = 2;
/// None of the client's methods is acceptable.
pub(crate) const NO_METHOD: u8 = 0xff;

pub(crate) const PASSWORD_ACCEPTED: [u8; 2] = [PASSWORD_VERSION, 0];
pub(crate) const PASSWORD_REFUSED: [u8; 2] = [PASSWORD_VERSION, 1];

const PASSWORD_VERSION: u8 = 1;

/// Address types.
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// The maximum length of user ids and host names in version 4, which has no length fields.
const LONGEST_TEXT: usize = 255;

/// The maximum length of all messages, in bytes: a version 4a request with both texts.
#[cfg(test)]
const LONGEST: usize = 8 + 2 * (LONGEST_TEXT + 1);

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{Just, any, prop_oneof};
    use proptest::proptest;

    use super::*;

    /// What comes of a stream that is cut into these pieces: the message, how long it is, and what is behind it.
    fn play(stage: Stage, pieces: &[&[u8]]) -> Result<Option<(Message, usize)>, Malformed> {
        let mut input = Vec::new();
        for piece in pieces {
            input.extend_from_slice(piece);
            match parse(stage, &input) {
                Ok(None) => assert!(input.len() < LONGEST),
                found => return found,
            }
        }
        Ok(None)
    }

    #[track_caller]
    fn parsed(stage: Stage, input: &[u8]) -> Message {
        let whole = [input, b"and more"].concat();
        let found = reactor::testing::every_cut(whole, |pieces| play(stage, pieces));
        let (message, length) = found.expect("it is well-formed").expect("it is complete");
        assert_eq!(length, input.len());
        message
    }

    #[track_caller]
    fn refused(stage: Stage, input: &[u8]) -> Vec<u8> {
        reactor::testing::every_cut(input, |pieces| play(stage, pieces)).expect_err("it is malformed").0
    }

    fn to(version: Version, host: &str, port: u16) -> Message {
        Message::Request(Request { version, command: CONNECT, host: host.to_owned(), port })
    }

    #[test]
    fn a_request_of_version_4_has_an_address_and_one_of_4a_a_name() {
        assert_eq!(parsed(Stage::Greeting, b"\x04\x01\x00\x50\x0a\x00\x00\x01me\0"), to(Version::V4, "10.0.0.1", 80));
        assert_eq!(parsed(Stage::Greeting, b"\x04\x01\x01\xbb\0\0\0\x01\0host\0"), to(Version::V4, "host", 443));
        assert_eq!(parsed(Stage::Greeting, b"\x04\x01\x00\x50\0\0\0\0\0"), to(Version::V4, "0.0.0.0", 80));
    }

    #[test]
    fn a_request_of_version_5_has_an_address_of_either_family_or_a_name() {
        assert_eq!(parsed(Stage::Request, b"\x05\x01\0\x01\x0a\0\0\x01\0\x50"), to(Version::V5, "10.0.0.1", 80));
        assert_eq!(parsed(Stage::Request, b"\x05\x01\0\x03\x04host\0\x50"), to(Version::V5, "host", 80));
        let v6 = [&b"\x05\x01\0\x04"[..], &[0; 15], b"\x01\0\x50"].concat();
        assert_eq!(parsed(Stage::Request, &v6), to(Version::V5, "::1", 80));
    }

    #[test]
    fn methods_and_passwords_are_taken_as_their_lengths_say() {
        let methods = |none, password| Message::Methods { none, password };
        assert_eq!(parsed(Stage::Greeting, b"\x05\x01\x00"), methods(true, false));
        assert_eq!(parsed(Stage::Greeting, b"\x05\x03\x01\x02\x00"), methods(true, true));
        assert_eq!(parsed(Stage::Greeting, b"\x05\x00"), methods(false, false));
        let password = Message::Password { user: "me".to_owned(), password: "secret".to_owned() };
        assert_eq!(parsed(Stage::Password, b"\x01\x02me\x06secret"), password);
    }

    #[test]
    fn what_is_malformed_is_answered_in_its_version() {
        let version_4 = reply(Version::V4, Reply::Failed, None);
        let long_user = [&b"\x04\x01\x00\x50\x0a\x00\x00\x01"[..], &[b'x'; 256]].concat();
        let long_name = [&b"\x04\x01\x00\x50\x00\x00\x00\x01\0"[..], &[b'x'; 256]].concat();
        assert_eq!(refused(Stage::Greeting, &long_user), version_4);
        assert_eq!(refused(Stage::Greeting, &long_name), version_4);
        assert_eq!(refused(Stage::Greeting, b"\x04\x01\x00\x50\0\0\0\x01\0\0"), version_4, "no name");
        assert_eq!(refused(Stage::Greeting, b"GET / HTTP/1.1\r\n"), b"");
        assert_eq!(refused(Stage::Password, b"\x05\x02me\x06secret"), PASSWORD_REFUSED);
        assert_eq!(refused(Stage::Password, b"\x01\x02\xff\xff\x00"), PASSWORD_REFUSED);
        let failed = reply(Version::V5, Reply::Failed, None);
        assert_eq!(refused(Stage::Request, b"\x04\x01\0\x01"), failed);
        assert_eq!(refused(Stage::Request, b"\x05\x01\x01\x01"), failed);
        assert_eq!(refused(Stage::Request, b"\x05\x01\0\x03\x00\0\x50"), failed, "no name");
        assert_eq!(refused(Stage::Request, b"\x05\x01\0\x03\x03a b\0\x50"), failed);
        assert_eq!(refused(Stage::Request, b"\x05\x01\0\x02"), reply(Version::V5, Reply::AddressNotSupported, None));
    }

    #[test]
    fn the_longest_texts_that_are_allowed_are_taken() {
        let text = "x".repeat(LONGEST_TEXT);
        let request = [&b"\x04\x01\x00\x50\0\0\0\x01"[..], text.as_bytes(), b"\0", text.as_bytes(), b"\0"].concat();
        assert_eq!(request.len(), LONGEST);
        assert_eq!(parsed(Stage::Greeting, &request), to(Version::V4, &text, 80));
    }

    #[test]
    fn a_reply_tells_the_address_where_its_version_can() {
        let v4 = Some("10.0.0.1:80".parse().unwrap());
        let v6 = Some("[::1]:80".parse().unwrap());
        assert_eq!(reply(Version::V4, Reply::Granted, v4), b"\x00\x5a\x00\x50\x0a\x00\x00\x01");
        assert_eq!(reply(Version::V4, Reply::Granted, v6), b"\x00\x5a\x00\x50\x00\x00\x00\x00");
        assert_eq!(reply(Version::V4, Reply::Refused, None), b"\x00\x5b\x00\x00\x00\x00\x00\x00");
        assert_eq!(reply(Version::V5, Reply::Granted, v4), b"\x05\x00\x00\x01\x0a\x00\x00\x01\x00\x50");
        let expected = [&b"\x05\x00\x00\x04"[..], &[0; 15], b"\x01\x00\x50"].concat();
        assert_eq!(reply(Version::V5, Reply::Granted, v6), expected);
        assert_eq!(reply(Version::V5, Reply::Refused, None), b"\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00");
    }

    proptest! {
        #[test]
        fn what_a_client_says_is_understood(
            command: u8,
            port: u16,
            user in "[!-~]{0,255}",
            name in "[a-z][!-~]{0,254}",
            ip: Ipv4Addr,
            more: Vec<u8>,
        ) {
            let port_bytes = port.to_be_bytes();
            let request = |version, host| Message::Request(Request { version, command, host, port });
            let length = [name.len() as u8];
            let v5 = [&[5, command, 0, NAME], &length[..], name.as_bytes(), &port_bytes].concat();
            let v4a = [&[4, command], &port_bytes[..], &[0, 0, 0, 7], user.as_bytes(), &[0], name.as_bytes(), &[0]];
            let v4 = [&[4, command], &port_bytes[..], &ip.octets(), user.as_bytes(), &[0]].concat();
            let mut cases = vec![
                (Stage::Request, v5, request(Version::V5, name.clone())),
                (Stage::Greeting, v4a.concat(), request(Version::V4, name.clone())),
            ];
            if u32::from(ip) > 255 {
                cases.push((Stage::Greeting, v4, request(Version::V4, ip.to_string())));
            }
            for (stage, bytes, message) in cases {
                let length = bytes.len();
                assert_eq!(parse(stage, &bytes[..length - 1]), Ok(None));
                assert_eq!(parse(stage, &[bytes, more.clone()].concat()), Ok(Some((message, length))));
            }
        }

        #[test]
        fn anything_is_understood_or_refused_and_more_bytes_change_nothing(
            stage in prop_oneof![Just(Stage::Greeting), Just(Stage::Password), Just(Stage::Request)],
            version in 0_u8..7,
            rest in vec(any::<u8>(), 0..600),
        ) {
            let input = [&[version], &rest[..]].concat();
            let whole = parse(stage, &input);
            assert!(whole != Ok(None) || input.len() < LONGEST);
            assert_eq!(play(stage, &input.chunks(1).collect::<Vec<_>>()), whole);
        }
    }
}
