use std::net::SocketAddr;

use protocols::amp::AmpBox;

use crate::ready_made::client::hello;
use crate::ready_made::dialogue::{Answer, Dialogue};

/// What the clients of every server say; those that forward reach the address `echo`.
///
/// # Panics
///
/// If `echo` is not an IPv4 address.
pub fn dialogues(echo: SocketAddr) -> Vec<Dialogue> {
    let mut all = Vec::from(services());
    all.extend(receivers());
    all.extend(layers());
    all.push(Dialogue::echo("forward", "hello"));
    all.push(socks(echo));
    all
}

/// Begins the message that makes the handlers of these servers panic.
pub(crate) const PANIC: &[u8] = b"panic";

/// Of the services that send a text.
pub(crate) const QUOTE: &str = "There is no silver bullet.\r\n";

/// Of the finger server.
pub(crate) const REPLY: &str = "Happy and well";

fn services() -> [Dialogue; 11] {
    [
        Dialogue::echo("echo", "hello").panic(PANIC),
        Dialogue::new("discard", "hello", Answer::Last(<[u8]>::is_empty)),
        Dialogue::new("chargen", "", Answer::Last(|text| text.starts_with(b" !\"#$%&'()*+,-./0123456789"))),
        Dialogue::new("qotd", "", Answer::Last(|text| text == QUOTE.as_bytes())),
        Dialogue::new("who", "", Answer::Last(|text| text == QUOTE.as_bytes())),
        Dialogue::new("daytime", "", Answer::Last(|text| text.len() == 26 && text.ends_with(b"\r\n"))),
        Dialogue::new("time", "", Answer::Last(|number| number.len() == 4)),
        Dialogue::new("finger", "moshez\r\n", Answer::Last(|text| text == b"Happy and well\r\n"))
            .unfinished([filled(b"", 500)])
            .forbidden([filled(b"", 2_000), b"a@b@c\r\n".to_vec(), b"\xff\0\x1b[2J\r\n".to_vec()]),
        Dialogue::new("ident", "23, 6191\r\n", Answer::Exactly(b"23, 6191 : USERID : UNIX : root\r\n".to_vec()))
            .unfinished([filled(b"", 900)])
            .forbidden([filled(b"", 2_000), b"0, 70000\r\n".to_vec(), b"23 : 24\r\n".to_vec()]),
        Dialogue::new(
            "metrics",
            "GET /metrics HTTP/1.1\r\n\r\n",
            Answer::Last(|page| page.starts_with(b"HTTP/1.1 200 OK\r\n")),
        )
        .unfinished([filled(b"GET /metrics HTTP/1.1\r\nX: ", 7_000)])
        .forbidden([filled(b"GET /metrics HTTP/1.1\r\nX: ", 10_000), b"POST \xff\0\r\n\r\n".to_vec()]),
        Dialogue::new(
            "console",
            "json jobs\n",
            Answer::Last(|text| text.ends_with(b"{\"type\":\"end\",\"command\":\"jobs\"}\n")),
        )
        .opening("", |greeting| greeting.ends_with(b"\n"))
        .unfinished([filled(b"ps peer=", 1_000), b"trace 1".to_vec()])
        .forbidden([filled(b"", 100_000), b"close \xff\x1b[2J\n".to_vec(), b"ps\n".repeat(10_000)]),
    ]
}

fn receivers() -> [Dialogue; 8] {
    let length = |length: u32| length.to_be_bytes();
    let claimed = || [u32::MAX, 1 << 31, 100_000_000].map(|claimed| filled(&length(claimed), 10)).to_vec();
    let string = |text: &[u8]| [&length(text.len() as u32)[..], text].concat();
    [
        Dialogue::echo("lines", "hello\n")
            .unfinished([filled(b"", 16_000)])
            .forbidden([filled(b"", 100_000)])
            .panic("panic\n"),
        Dialogue::echo("strings", string(b"hello"))
            .unfinished([filled(&length(99_999), 90_000)])
            .forbidden(claimed())
            .panic(string(PANIC)),
        Dialogue::echo("netstrings", "5:hello,")
            .unfinished([filled(b"99999:", 90_000), b"0".to_vec()])
            .forbidden(["99999999999999999999:", "-1:", "01:x,", "5:hello;", ":,"].map(|text| text.into()))
            .panic("5:panic,"),
        Dialogue::new("parts", string(b"hello"), Answer::Exactly(b"hello".to_vec()))
            .unfinished([filled(&length(99_999), 90_000)])
            .forbidden(claimed())
            .panic(string(PANIC)),
        Dialogue::new("segments", "hello\r\n\r\n", Answer::Exactly(b"hello.".to_vec()))
            .unfinished([b"\r\n\r".to_vec()])
            .panic(PANIC),
        Dialogue::echo("codec", string(b"hello"))
            .unfinished([filled(&length(900_000), 90_000)])
            .forbidden(claimed())
            .panic(string(PANIC)),
        Dialogue::new("amp", amp("_command", "Echo", "_ask"), Answer::Exactly(amp("", "", "_answer")))
            .unfinished([filled(b"\0\x01a\xff\xff", 65_000), many_keys()])
            .forbidden([b"\x01\0x".to_vec(), b"\0\x01a\0\0\0\x01a\0\0\0\0".to_vec(), b"\0\0".to_vec()])
            .panic(amp("_command", "panic", "_ask")),
        Dialogue::echo("telnet", "hello\r\n")
            .unfinished([filled(b"", 16_000), filled(b"\xff\xfa\x1f", 4_000)])
            // Offers and requests of everything, again and again, and what is too long.
            .forbidden([
                b"\xff\xfb\x01\xff\xfd\x03\xff\xfc\x1f\xff\xfe\x18".repeat(1_000),
                filled(b"\xff\xfa\x1f", 10_000),
                filled(b"", 100_000),
            ])
            .panic("panic\r\n"),
    ]
}

/// A box with a text, which has the number 1 by the key `number`.
fn amp(key: &str, value: &str, number: &str) -> Vec<u8> {
    let with_key = if key.is_empty() { AmpBox::new() } else { AmpBox::new().with(key, value) };
    with_key.with(number, "1").with("text", "hello").encode().expect("it is short")
}

/// A box that goes on and on, by values of a few bytes.
fn many_keys() -> Vec<u8> {
    let pairs = (0..30_000_u32).map(|number| [&b"\0\x04"[..], &number.to_be_bytes(), b"\0\x01x"].concat());
    pairs.flatten().collect()
}

fn layers() -> [Dialogue; 4] {
    let message = b"\x82\x85\0\0\0\0hello";
    let answer = || Answer::Exactly(b"\x82\x05hello".to_vec());
    let web = |name| {
        Dialogue::new(name, message, answer())
            .opening(UPGRADE, |head| head.ends_with(b"\r\n\r\n"))
            .unfinished([
                filled(&[UPGRADE, b"\x82\xfe\xfd\xe8\0\0\0\0"].concat(), 64_000),
                filled(b"GET / HTTP/1.1\r\nX: ", 7_000),
                filled(&[UPGRADE, &b"\x02\x81\0\0\0\0x"[..], &b"\x00\x81\0\0\0\0x".repeat(8_000)].concat(), 0),
            ])
            .forbidden([
                // An oversized control frame, one in parts, a reserved bit, a text that is not UTF-8, no mask, and
                // claimed lengths.
                filled(b"\x89\xfe\0\x80\0\0\0\0", 128),
                b"\x09\x81\0\0\0\0x".to_vec(),
                b"\xc2\x81\0\0\0\0x".to_vec(),
                b"\x81\x82\0\0\0\0\xff\xff".to_vec(),
                b"\x82\x05hello".to_vec(),
                b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0x".to_vec(),
                b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0x".to_vec(),
                b"\x82\xff\0\0\0\0\x80\0\0\0\0\0\0\0x".to_vec(),
                b"\x88\x82\0\0\0\0\x03\xed".to_vec(),
                // Many pings at once.
                b"\x89\x84\0\0\0\0ping".repeat(10_000),
            ])
            .panic(b"\x82\x85\0\0\0\0panic")
    };
    let long = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff";
    [
        web("web-socket"),
        web("web-messages"),
        tls(),
        Dialogue::echo("proxied", "hello")
            .opening("PROXY UNKNOWN\r\n", |_| true)
            .unfinished([filled(long, 65_000), filled(b"PROXY TCP4 ", 80)])
            .panic(PANIC),
    ]
}

fn tls() -> Dialogue {
    let hello = hello();
    let half = hello[..hello.len() / 2].to_vec();
    Dialogue::echo("tls", "hello")
        .secure()
        .unfinished([
            hello.clone(),
            half,
            // The longest record, and a message of 16 MiB in more than one.
            filled(b"\x16\x03\x01\x40\0\x01\0\x3f\xfc\x03\x03", 16_300),
            [filled(b"\x16\x03\x01\x40\0\x01\xff\xff\xff", 16_380), filled(b"\x16\x03\x01\x40\0", 16_000)].concat(),
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        ])
        .forbidden([
            // Not encrypted, an alert, another handshake, a length that is not allowed, and messages without a meaning.
            filled(b"\x17\x03\x03\0\x40", 64),
            b"\x15\x03\x03\0\x02\x02\x28".to_vec(),
            hello,
            filled(b"\x17\x03\x03\xff\xff", 65_000),
            b"\x14\x03\x03\0\x01\x01".repeat(10_000),
            b"hello".to_vec(),
        ])
        .panic(PANIC)
}

/// The request for a web socket.
const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

fn socks(echo: SocketAddr) -> Dialogue {
    let SocketAddr::V4(echo) = echo else { panic!("{echo} is not an IPv4 address") };
    let target = [&[5, 1, 0, 1][..], &echo.ip().octets(), &echo.port().to_be_bytes()].concat();
    Dialogue::echo("socks", "hello")
        .opening([&[5, 1, 0][..], &target].concat(), |answer| answer.len() == 12 && answer.starts_with(&[5, 0, 5, 0]))
        .unfinished([
            vec![5, 255],
            filled(b"\x04\x01\0\x50\x7f\0\0\x01", 250),
            b"\x05\x01\0\x05\x01\0\x03\xff".to_vec(),
        ])
        .forbidden([
            b"\x05\x01\0\x05\x02\0\x01\x7f\0\0\x01\0\x50".to_vec(),
            b"\x05\x01\0\x05\x01\0\x01\x7f\0\0\x01\0\x01".to_vec(),
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        ])
}

/// A beginning, and this many bytes.
fn filled(beginning: &[u8], length: usize) -> Vec<u8> {
    [beginning, &vec![b'x'; length]].concat()
}
