//! The opening handshake.

use super::*;

/// What a request is answered with, and the status of the answer.
fn ask(socket: WebSocket, request: &str) -> (String, String) {
    let mut wire = StringTransport::connect(socket);
    wire.receive(request);
    let answer = String::from_utf8(wire.take_written()).unwrap();
    let status = answer.split(' ').nth(1).unwrap_or_default().to_owned();
    assert_eq!(status != "101", wire.eof_written(), "{answer}");
    (status, answer)
}

/// A request with one thing changed.
fn with(from: &str, to: &str) -> String {
    let changed = format!("{REQUEST}\r\n").replacen(from, to, 1);
    assert!(!changed.starts_with(REQUEST) || changed.len() > REQUEST.len() + 2, "{from:?} changes nothing");
    changed
}

fn with_field(field: &str) -> String {
    format!("{REQUEST}{field}\r\n\r\n")
}

#[test]
fn a_request_that_is_as_it_should_be_is_accepted_in_all_its_spellings() {
    let long_name = format!("Host: {}.example", "a".repeat(60));
    for request in [
        format!("{REQUEST}\r\n"),
        format!("\r\n{REQUEST}\r\n"),
        with("Upgrade: websocket", "UPGRADE:WebSocket"),
        with("Upgrade: websocket", "Upgrade: h2c, websocket"),
        with("keep-alive, Upgrade", " keep-alive ,, upgrade , x"),
        with("Connection: keep-alive, Upgrade", "Connection: keep-alive\r\nConnection: upgrade"),
        with("Version: 13", "Version:   13  "),
        with("GET /socket", "GET http://example.org/socket"),
        with("Host: example.org:80", "Host: [::1]:8080"),
        with("Host: example.org:80", &long_name),
        with_field("Content-Length: 0"),
        with_field("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"),
        with_field("Cookie: \u{e9}=\u{fc}"),
    ] {
        let (status, answer) = ask(echo(&Log::default()).path("/socket"), &request);
        assert_eq!(status, "101", "{request}\n{answer}");
        assert!(!answer.contains("Extensions") && !answer.contains("Protocol:"), "{answer}");
    }
}

#[test]
fn a_request_with_one_thing_wrong_is_refused_with_what_it_is() {
    let too_long = format!("{REQUEST}X: {}\r\n", "x".repeat(8192));
    let too_many = format!("{REQUEST}{}\r\n", "X: x\r\n".repeat(60));
    for (status, why, request) in [
        ("404", "there is no web socket at this path", with("/socket", "/other")),
        ("400", "a web socket must be requested by GET, not by POST", with("GET", "POST")),
        ("400", "this is not an HTTP request", "nonsense\r\n\r\n".to_owned()),
        ("400", "this is not an HTTP request", with("HTTP/1.1", "HTTP/2.0")),
        ("400", "this is not an HTTP request", with("GET ", "GET  ")),
        ("400", "this is not an HTTP request", with("Upgrade: websocket", "Upgrade : websocket")),
        ("400", "this is not an HTTP request", with("Upgrade: websocket", "Upgrade: websocket\r X: x")),
        ("400", "this is not an HTTP request", with("keep-alive, Upgrade", "keep-alive,\r\n Upgrade")),
        ("400", "this is not an HTTP request", with("Upgrade: websocket", "Upgrade: websocket\0")),
        ("400", "this is not an HTTP request", with("Upgrade: websocket", "Up grade: websocket")),
        ("400", "this is not an HTTP request", with("Upgrade: websocket", ": websocket")),
        ("400", "the target of the request is neither a path nor a URL", with("/socket?x=1", "*")),
        ("400", "the target of the request is neither a path nor a URL", with("/socket?x=1", "example.org:80")),
        ("400", "the target of the request is neither a path nor a URL", with("/socket?x=1", "ftp://x/socket")),
        ("400", "a web socket must be requested by HTTP 1.1, not 1.0", with("HTTP/1.1", "HTTP/1.0")),
        ("400", "the request has no field Host", with("Host: example.org:80\r\n", "")),
        ("400", "the request has the field Host more than once", with_field("Host: example.org:80")),
        ("400", "the field Host does not name a host", with("example.org:80", "")),
        ("400", "the field Host does not name a host", with("example.org:80", "user@example.org")),
        ("400", "the field Host does not name a host", with("example.org:80", "example.org, other.org")),
        ("400", "the field Host does not name a host", with("example.org:80", "example.org/path")),
        ("400", "a request for a web socket must not have a body", with_field("Content-Length: 5")),
        (
            "400",
            "a request for a web socket must not have a body",
            with_field("Content-Length: 0\r\nContent-Length: 0"),
        ),
        ("400", "a request for a web socket must not have a body", with_field("Content-Length: x")),
        ("400", "a request for a web socket must not have a body", with_field("Transfer-Encoding: chunked")),
        ("426", "the request has no Upgrade: websocket", with("Upgrade: websocket\r\n", "")),
        ("426", "the request has no Upgrade: websocket", with("Upgrade: websocket", "Upgrade: h2c")),
        ("426", "the request has no Upgrade: websocket", with("Upgrade: websocket", "Upgrade: websockets")),
        ("400", "the request has no Connection: Upgrade", with("Connection: keep-alive, Upgrade\r\n", "")),
        ("400", "the request has no Connection: Upgrade", with("keep-alive, Upgrade", "keep-alive")),
        ("426", "the request is for a version of web sockets other than 13", with("Version: 13", "Version: 8")),
        ("426", "the request is for a version of web sockets other than 13", with("Version: 13", "Version: 013")),
        ("400", "the request has no field Sec-WebSocket-Version", with("Sec-WebSocket-Version: 13\r\n", "")),
        (
            "400",
            "the request has the field Sec-WebSocket-Version more than once",
            with_field("Sec-WebSocket-Version: 13"),
        ),
        ("400", "the request has no field Sec-WebSocket-Key", with("Sec-WebSocket-Key", "Sec-WebSocket-Keys")),
        (
            "400",
            "the request has the field Sec-WebSocket-Key more than once",
            with_field("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
        ),
        ("400", "the Sec-WebSocket-Key of the request is not 16 bytes in Base64", with("ZQ==", "!!!!")),
        ("400", "the Sec-WebSocket-Key of the request is not 16 bytes in Base64", with("b25jZQ==", "b25j")),
        ("400", "the Sec-WebSocket-Key of the request is not 16 bytes in Base64", with("ZQ==", "ZR==")),
        ("400", "the request has the field Origin more than once", with_field("Origin: null\r\nOrigin: null")),
        ("400", "\"a b\" is not a valid subprotocol name", with_field("Sec-WebSocket-Protocol: a b, c")),
        ("431", "the head of the request is too long", too_long.clone()),
        ("431", "the head of the request is too long", format!("{too_long}\r\n")),
        ("431", "the request has too many fields", too_many),
    ] {
        let (found, answer) = ask(echo(&Log::default()).path("/socket"), &request);
        assert_eq!(found, status, "{request}\n{answer}");
        assert!(answer.split("\r\n\r\n").last().unwrap().starts_with(why), "{request}\n{answer}");
        assert_eq!(status == "426", answer.contains("Sec-WebSocket-Version: 13\r\n"), "{answer}");
    }
}

#[test]
fn requests_for_hosts_that_are_not_this_server_are_refused_when_it_has_names() {
    let socket = || echo(&Log::default()).host("example.org").host("localhost:8080");
    for (status, host) in [
        ("101", "example.org"),
        ("101", "EXAMPLE.org:81"),
        ("101", "localhost:8080"),
        ("421", "localhost"),
        ("421", "localhost:80"),
        ("421", "evil.example"),
        ("421", "example.org.evil.example"),
        ("421", "127.0.0.1:8080"),
    ] {
        let request = with("example.org:80", host);
        assert_eq!(ask(socket(), &request).0, status, "{host}");
    }
    let target = with("GET /socket", "GET http://evil.example/socket");
    let (status, answer) = ask(socket(), &target);
    assert_eq!(status, "421");
    assert!(answer.ends_with("evil.example is not a name of this server\n"), "{answer}");
}

/// What a client ends with that is answered this by the server, with the key that it has chosen, and whether anything
/// was built inside.
fn answered(answer: impl FnOnce(&str) -> String) -> (Option<String>, bool) {
    let log = Log::default();
    let kept = Rc::clone(&log);
    let client = WebSocket::client("ws://here/", move |transport| Echo {
        transport,
        log: Rc::clone(&kept),
        on_eof: OnEof::Close,
    });
    let mut wire = StringTransport::connect(client.subprotocol("a").subprotocol("b"));
    let asked = String::from_utf8(wire.take_written()).unwrap();
    assert!(asked.starts_with("GET / HTTP/1.1\r\nHost: here\r\n") && asked.ends_with("\r\n\r\n"), "{asked}");
    assert!(asked.contains("Sec-WebSocket-Protocol: a, b\r\n"), "{asked}");
    let chosen = asked.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    wire.receive(answer(&key::accept(chosen)));
    let reason = wire.close_reason().map(|reason| reason.to_string());
    (reason, log.borrow().iter().any(|line| line == "made"))
}

pub(super) fn accepting(accept: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

#[test]
fn an_answer_that_is_as_it_should_be_is_accepted_in_all_its_spellings() {
    for (from, to) in [
        ("", ""),
        ("HTTP/1.1 101", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 x\r\n\r\nHTTP/1.1 101"),
        ("101 Switching Protocols", "101"),
        ("Upgrade: websocket", "upgrade:  WebSocket "),
        ("Connection: Upgrade", "Connection: keep-alive, upgrade"),
        ("Connection: Upgrade", "Connection: Upgrade\r\nSec-WebSocket-Protocol: b"),
    ] {
        let outcome = answered(|accept| accepting(accept).replacen(from, to, 1));
        assert_eq!(outcome, (None, true), "{to}");
    }
}

#[test]
fn an_answer_with_one_thing_wrong_ends_the_connection_with_what_it_is() {
    for (why, from, to) in [
        ("the server's answer is not HTTP", "HTTP/1.1 101", "SSH-2.0"),
        ("the server's answer is not HTTP", "Upgrade: websocket", "Upgrade : websocket"),
        ("the server's answer is not HTTP", "Upgrade: websocket", "Upgrade:\r\n websocket"),
        ("the server's answer is not HTTP", "Upgrade: websocket", "Upgrade: websocket\r X: x"),
        ("the server refuses the web socket: 404 Not Found", "101 Switching Protocols", "404 Not Found"),
        ("the server refuses the web socket: 200 OK", "101 Switching Protocols", "200 OK"),
        (
            "the server refuses the web socket: 426 Upgrade Required (it knows version 7, 8)",
            "101 Switching Protocols",
            "426 x\r\nSec-WebSocket-Version: 7, 8",
        ),
        ("the server answered with HTTP 1.0, which cannot upgrade a connection", "HTTP/1.1", "HTTP/1.0"),
        ("the server's answer has no field Upgrade", "Upgrade: websocket\r\n", ""),
        ("the server upgraded to something other than a web socket", "Upgrade: websocket", "Upgrade: h2c"),
        ("the server upgraded to something other than a web socket", "Upgrade: websocket", "Upgrade: websocket, h2c"),
        ("the server's answer has the field Upgrade more than once", "Upgrade: w", "Upgrade: websocket\r\nUpgrade: w"),
        ("the server's answer has no Connection: Upgrade", "Connection: Upgrade\r\n", ""),
        ("the server's answer has no Connection: Upgrade", "Connection: Upgrade", "Connection: close"),
        ("the server's answer has no field Sec-WebSocket-Accept", "Sec-WebSocket-Accept", "Accept"),
        ("the server's answer does not match the request", "Accept: ", "Accept: x"),
        (
            "the server chose an extension that was not offered: \"permessage-deflate\"",
            "Connection",
            "Sec-WebSocket-Extensions: permessage-deflate\r\nConnection",
        ),
        (
            "the server chose a subprotocol that was not offered: \"c\"",
            "Connection",
            "Sec-WebSocket-Protocol: c\r\nConnection",
        ),
        (
            "the server chose a subprotocol that was not offered: \"a, b\"",
            "Connection",
            "Sec-WebSocket-Protocol: a, b\r\nConnection",
        ),
        (
            "the server's answer has the field Sec-WebSocket-Protocol more than once",
            "Connection",
            "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\nConnection",
        ),
    ] {
        let (reason, built) = answered(|accept| accepting(accept).replacen(from, to, 1));
        let reason = reason.unwrap_or_else(|| panic!("accepted: {to}"));
        assert!(reason.starts_with(why), "{reason} for {to}");
        assert!(!built);
    }
}

#[test]
fn a_client_ends_when_no_answer_comes() {
    let client = || StringTransport::connect(WebSocket::client("ws://here/", |_: Transport| None::<Echo>));
    let mut wire = client();
    wire.receive("x".repeat(8193));
    assert_eq!(wire.close_reason().unwrap().to_string(), "the head of the server's answer is too long");
    let mut wire = client();
    wire.receive("HTTP/1.1 101");
    wire.receive_eof();
    assert_eq!(wire.close_reason().unwrap().to_string(), "the server closed the connection without an answer");
    let mut wire = client();
    wire.advance(Duration::from_secs(10));
    assert!(matches!(wire.close_reason(), Some(CloseReason::TimedOut)));
    let mut wire = client();
    // As many as are read at once, and no stack for them.
    wire.receive("HTTP/1.1 100 x\r\n\r\n".repeat(3600));
    assert!(wire.close_reason().is_none());
}

#[test]
fn a_client_does_not_ask_what_cannot_be_asked() {
    let client = |url: &str| WebSocket::client(url, |_: Transport| None::<Echo>);
    for (why, client) in [
        ("no url is not the URL of a web socket: ", client("no url")),
        ("/path is not the URL of a web socket: it begins neither with ws://", client("/path")),
        ("http://x/ is not the URL of a web socket: it begins neither", client("http://x/")),
        ("ws://a:b@x/ is not the URL of a web socket: a user and a password go", client("ws://a:b@x/")),
        ("\"a,b\" is not a valid subprotocol name", client("ws://x/").subprotocol("a,b")),
        ("\"a b\" is not a valid field name", client("ws://x/").field("a b", "c")),
        ("the value \"a\\r\\nb\" of the field x cannot be sent", client("ws://x/").field("X", "a\r\nb")),
        ("the value of the field authorization cannot", client("ws://x/").field("Authorization", "a\r\nb")),
        ("the field host is set by the web socket itself", client("ws://x/").field("Host", "y")),
    ] {
        let wire = StringTransport::connect(client);
        let reason = wire.close_reason().unwrap().to_string();
        assert!(reason.starts_with(why), "{reason}");
        assert_eq!(wire.written(), b"");
    }
    let mut wire = StringTransport::connect(client("wss://x:8443?q").field("Cookie", "a=b"));
    let asked = String::from_utf8(wire.take_written()).unwrap();
    assert!(asked.starts_with("GET /?q HTTP/1.1\r\nHost: x:8443\r\n") && asked.contains("Cookie: a=b\r\n"), "{asked}");
}

#[test]
fn pages_of_other_origins_are_refused_unless_they_are_allowed() {
    let log = Log::default();
    let from = |origin: &str| format!("{REQUEST}Origin: {origin}\r\n\r\n");
    for (status, origin) in [
        ("101", "http://example.org:80"),
        ("101", "https://EXAMPLE.org:80"),
        ("403", "http://example.org"),
        ("403", "https://evil.example"),
        ("403", "null"),
        ("403", "example.org:80"),
        ("101", "https://friend.example"),
    ] {
        assert_eq!(ask(echo(&log).origin("https://friend.example"), &from(origin)).0, status, "{origin}");
    }
    assert_eq!(ask(echo(&log).any_origin(), &from("null")).0, "101");
}

#[test]
fn the_first_subprotocol_that_both_know_is_chosen() {
    let log = Log::default();
    let socket = || echo(&log).subprotocol("b").subprotocol("a");
    let offering = |names: &str| format!("{REQUEST}Sec-WebSocket-Protocol: {names}\r\n\r\n");
    for (names, chosen) in [("a, b", Some("b")), ("c,a", Some("a")), ("c", None), ("bb", None)] {
        let (_, answer) = ask(socket(), &offering(names));
        let found = answer.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Protocol: "));
        assert_eq!(found, chosen, "{answer}");
    }
}

#[test]
fn a_refusal_inside_is_an_answer_too() {
    let refusing = WebSocket::around(|_: Transport| None::<Echo>);
    assert_eq!(ask(refusing, &format!("{REQUEST}\r\n")).0, "503");
}

#[test]
fn a_request_has_to_be_complete_after_ten_seconds() {
    let mut wire = StringTransport::connect(echo(&Log::default()));
    wire.receive("GET ");
    wire.advance(Duration::from_secs(10));
    assert!(matches!(wire.close_reason(), Some(CloseReason::TimedOut)));
}

#[test]
fn what_is_no_request_for_a_web_socket_goes_elsewhere_from_the_first_byte_on() {
    let web = Log::default();
    let long = format!("X: {}", "x".repeat(10_000));
    for request in ["GET / HTTP/1.1\r\nHost: x\r\n\r\nmore", "POST /socket HTTP/1.1\r\n\r\nbody", "HELO", &long] {
        let log = Log::default();
        let socket = echo(&log).path("/socket").otherwise({
            let web = Rc::clone(&web);
            move |transport| Echo { transport, log: Rc::clone(&web), on_eof: OnEof::Close }
        });
        let mut wire = StringTransport::connect(socket);
        wire.receive(request);
        wire.advance(Duration::from_secs(9));
        wire.receive_eof();
        wire.advance(Duration::from_secs(9));
        assert_eq!(String::from_utf8_lossy(wire.written()), format!("{request}bye"));
        assert!(wire.close_reason().unwrap().is_clean());
        assert_eq!(log.take(), [""; 0]);
        assert_eq!(web.take().last().unwrap(), "lost: connection closed cleanly");
    }
}

#[test]
fn a_protocol_that_gets_another_request_may_pause_before_the_bytes_behind_it() {
    struct Slow(Transport, Log);

    impl Protocol for Slow {
        fn data_received(&mut self, data: &[u8]) {
            assert!(data.len() <= 65_536);
            self.1.borrow_mut().push(data.len().to_string());
            self.0.pause_reading();
        }
    }

    for (request, expected) in [
        ([b"GET / HTTP/1.1\r\n\r\n", &[b'x'; 60_000][..]].concat(), ["18", "60000"]),
        (vec![b'x'; 65_537], ["65536", "1"]),
    ] {
        let log = Log::default();
        let kept = Rc::clone(&log);
        let slow = move |transport| Slow(transport, Rc::clone(&kept));
        let mut wire = StringTransport::connect(echo(&Log::default()).path("/socket").otherwise(slow));
        wire.receive(request);
        wire.receive_eof();
        assert_eq!(log.take(), [expected[0]]);
        assert!(wire.close_reason().is_none());
        wire.protocol::<Slow>().0.resume_reading();
        wire.settle();
        assert_eq!(log.take(), [expected[1]]);
        assert!(wire.close_reason().unwrap().is_clean());
    }
}
