use std::rc::Rc;

use reactor::testing::{Pair, StringTransport};
use reactor::{CloseReason, Protocol, Transport};

use super::{client, server};
use crate::tls::{self, TlsInfo};
use crate::{LineHandler, LineReceiver, Lines};

/// A server with the command STARTTLS.
struct Mail {
    lines: Lines,
    log: Vec<String>,
}

impl LineHandler for Mail {
    fn line_received(&mut self, line: &[u8]) {
        self.log.push(String::from_utf8_lossy(line).into_owned());
        match line {
            b"STARTTLS" => {
                self.lines.send_line("go ahead");
                let told = self.lines.start_tls(|this: &mut Self, info| this.log.push(info.version().to_owned()));
                told.unwrap();
                self.lines.send_line("secret greeting");
            }
            line => self.lines.send_line(line),
        }
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.log.push(reason.to_string());
    }
}

/// A client that starts TLS once the server has agreed.
struct User {
    transport: Transport,
    received: Vec<u8>,
    info: Option<Rc<TlsInfo>>,
    lost: Option<CloseReason>,
}

impl User {
    fn new(transport: Transport) -> Self {
        Self { transport, received: Vec::new(), info: None, lost: None }
    }
}

impl Protocol for User {
    fn connection_made(&mut self) {
        self.transport.write("hello\r\nSTARTTLS\r\n");
    }

    fn data_received(&mut self, data: &[u8]) {
        self.received.extend(data);
        if self.info.is_none()
            && let Some(at) = self.received.windows(10).position(|part| part == b"go ahead\r\n")
        {
            let unread = self.received.split_off(at + 10);
            let secured = |this: &mut Self, info| {
                this.info = Some(info);
                this.transport.write("secret\r\n");
            };
            tls::start(&self.transport, &unread, secured).unwrap();
        }
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.lost = Some(reason);
    }
}

fn mail(lines: Lines) -> Mail {
    Mail { lines, log: Vec::new() }
}

fn upgraded() -> Pair {
    let mut pair = Pair::connect(
        client().upgradable("server.example", User::new),
        server().upgradable(LineReceiver::factory(mail)),
    );
    pair.run_until_quiet();
    pair
}

#[test]
fn s202_the_same_protocols_go_on_and_hear_when_the_connection_is_secure() {
    let mut pair = upgraded();
    let user = pair.client.protocol::<User>();
    assert_eq!(user.received, b"hello\r\ngo ahead\r\nsecret greeting\r\nsecret\r\n");
    assert!(user.info.is_some() && user.lost.is_none());
    drop(user);
    assert_eq!(pair.server.protocol::<Mail>().log, ["hello", "STARTTLS", "TLS 1.3", "secret"]);
}

#[test]
fn s202_what_is_written_afterwards_is_not_sent_as_plain_text() {
    let mut wire = StringTransport::connect(server().upgradable(LineReceiver::factory(mail)));
    wire.receive("STARTTLS\r\n");
    assert_eq!(wire.written_text(), "go ahead\r\n");
}

#[test]
fn s203_plain_text_behind_the_request_is_never_taken_for_secured_input() {
    for injected in ["STARTTLS\r\nDELETE EVERYTHING\r\n", "STARTTLS\r\nDELETE"] {
        let mut wire = StringTransport::connect(server().upgradable(LineReceiver::factory(mail)));
        wire.receive(injected);
        let expected = "plain text follows the request to start TLS: somebody may have put it there";
        assert_eq!(wire.close_reason().unwrap().to_string(), expected);
    }
    let mut wire = StringTransport::connect(client().upgradable("server.example", User::new));
    wire.receive("go ahead\r\nsecret: injected");
    assert!(wire.close_reason().unwrap().to_string().starts_with("plain text follows"));
}

#[test]
fn a_failed_handshake_ends_the_protocol_that_asked_for_it() {
    let mut wire = StringTransport::connect(server().upgradable(LineReceiver::factory(mail)));
    wire.receive("STARTTLS\r\n");
    wire.receive("QUIT\r\n");
    assert_eq!(wire.close_reason().unwrap().to_string(), "the peer does not speak TLS: it sent \"QUIT\\r\\n\"");
}

#[test]
fn tls_cannot_be_started_twice_or_where_it_was_not_prepared() {
    let mut wire = StringTransport::connect(User::new);
    let started = tls::start(wire.transport(), b"", |_: &mut User, _| {});
    assert_eq!(
        started.unwrap_err().to_string(),
        "cannot start TLS: the connection's factory was not made by the method upgradable"
    );
    wire.receive("");
    let mut pair = upgraded();
    let again = {
        let user = pair.client.protocol::<User>();
        tls::start(&user.transport, b"", |_: &mut User, _| {})
    };
    assert_eq!(again.unwrap_err().to_string(), "cannot start TLS: it was already started");
}
