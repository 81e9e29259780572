//! Input that is cut, changed or made up.

use std::io;
use std::time::Duration;

use reactor::CloseReason;
use reactor::testing::StringTransport;

use super::{client, server};
use crate::remote_end::RemoteEnd;
use crate::tls::{Client, Server};

/// A client and a server between which the test carries the bytes.
struct Hands {
    client: StringTransport,
    server: StringTransport,
    at_client: RemoteEnd,
    at_server: RemoteEnd,
}

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum From {
    Client,
    Server,
}

impl Hands {
    fn new(client: &Client, server: &Server) -> Self {
        let (at_client, at_server) = (RemoteEnd::default(), RemoteEnd::default());
        Self {
            client: StringTransport::connect(client.around("server.example", at_client.factory())),
            server: StringTransport::connect(server.around(at_server.factory())),
            at_client,
            at_server,
        }
    }

    fn ends(&mut self, from: From) -> (&mut StringTransport, &mut StringTransport) {
        match from {
            From::Client => (&mut self.client, &mut self.server),
            From::Server => (&mut self.server, &mut self.client),
        }
    }

    /// Moves all that is there, piece by piece, until neither has anything to say.
    fn pump(&mut self, mut change: impl FnMut(From, Vec<u8>) -> Vec<u8>) {
        loop {
            let mut is_quiet = true;
            for from in [From::Client, From::Server] {
                let (near, far) = self.ends(from);
                let written = near.take_written();
                is_quiet &= written.is_empty();
                far.receive(change(from, written));
            }
            if is_quiet {
                return;
            }
        }
    }

    /// Moves only the first `n` bytes of what one side sends.
    fn pump_up_to(&mut self, n: usize, from: From) {
        let mut left = n;
        self.pump(|sender, mut data| {
            if sender == from {
                data.truncate(left);
                left -= data.len();
            }
            data
        });
    }

    fn is_open(&self) -> bool {
        self.at_client.is_connected() && self.at_server.is_connected()
    }

    fn reasons(&self) -> [String; 2] {
        [&self.client, &self.server].map(|end| end.close_reason().map_or_else(String::new, |why| why.to_string()))
    }

    /// Each has heard what the other says, or there is a reason why not.
    fn check(&mut self, context: &str) {
        let ends = [self.at_client.clone(), self.at_server.clone()];
        for end in ends.iter().filter(|end| end.is_connected() && end.lost().is_none()) {
            end.transport().write("hello");
        }
        self.client.settle();
        self.server.settle();
        self.pump(|_, data| data);
        for end in &ends {
            assert!(b"hello".starts_with(&end.received()[..]), "{context}: {:?}", end.received());
        }
        let talked = ends.iter().all(|end| end.is_connected() && end.received() == b"hello");
        let waits = Duration::from_secs(11);
        self.client.advance(waits);
        self.server.advance(waits);
        assert!(talked || !self.reasons().concat().is_empty(), "{context}: nobody knows why");
    }
}

/// How many bytes each side sends in a handshake, with what follows it.
fn lengths() -> [(From, usize); 2] {
    let mut hands = Hands::new(&client(), &server());
    let (mut of_client, mut of_server) = (0, 0);
    hands.pump(|from, data| {
        *(if from == From::Client { &mut of_client } else { &mut of_server }) += data.len();
        data
    });
    assert!(hands.is_open());
    [(From::Client, of_client), (From::Server, of_server)]
}

#[test]
fn a_handshake_may_come_byte_by_byte() {
    let mut hands = Hands::new(&client(), &server());
    loop {
        let mut is_quiet = true;
        for from in [From::Client, From::Server] {
            let (near, far) = hands.ends(from);
            let written = near.take_written();
            is_quiet &= written.is_empty();
            written.chunks(1).for_each(|byte| far.receive(byte));
        }
        if is_quiet {
            break;
        }
    }
    assert!(hands.is_open());
    hands.check("byte by byte");
}

#[test]
fn a_handshake_that_is_cut_at_any_byte_has_failed_and_says_so() {
    for (from, length) in lengths() {
        let (client, server) = (client(), server());
        for n in 0..length {
            let mut hands = Hands::new(&client, &server);
            hands.pump_up_to(n, from);
            let (_, receiver) = hands.ends(from);
            let is_over = receiver.close_reason().is_some();
            // In turn the ways in which a peer may be gone: its stream ends, it is reset, it is silent.
            match n % 3 {
                0 => receiver.receive_eof(),
                1 => receiver.break_connection(io::ErrorKind::ConnectionReset.into()),
                _ => receiver.advance(Duration::from_secs(10)),
            }
            let end = if from == From::Client { &hands.at_server } else { &hands.at_client };
            if end.is_connected() {
                // Only what follows the handshake was cut: tickets.
                assert!(!is_over, "{from:?}, {n}");
                continue;
            }
            let reason = hands.ends(from).1.close_reason().unwrap();
            let expected = match n % 3 {
                0 => reason.to_string().ends_with("ended the connection in the TLS handshake"),
                1 => matches!(reason, CloseReason::Lost(_)),
                _ => matches!(reason, CloseReason::TimedOut),
            };
            assert!(expected, "{from:?}, {n}: {reason}");
        }
    }
}

#[test]
fn a_handshake_that_is_changed_at_any_byte_is_not_taken_for_another() {
    for (from, length) in lengths() {
        let (client, server) = (client(), server());
        for at in 0..length {
            let mut hands = Hands::new(&client, &server);
            let mut passed = 0;
            hands.pump(|sender, mut data| {
                if sender == from {
                    if (passed..passed + data.len()).contains(&at) {
                        data[at - passed] ^= 1 << (at % 8);
                    }
                    passed += data.len();
                }
                data
            });
            hands.check(&format!("{from:?}, byte {at}"));
        }
    }
}

/// Records of every type that stand between others at some stage.
fn intruders() -> Vec<(String, Vec<u8>)> {
    let mut records = vec![
        ("an oversized record".to_owned(), [&[23, 3, 3, 0x48, 0x01][..], &[0; 0x4801]].concat()),
        ("the header of an oversized record".to_owned(), vec![23, 3, 3, 0xff, 0xff]),
        // A message of 16 MiB is announced, and never comes.
        ("an oversized message".to_owned(), vec![22, 3, 3, 0, 4, 11, 0xff, 0xff, 0xff]),
        ("no record".to_owned(), b"GET / HTTP/1.1\r\n\r\n".to_vec()),
    ];
    for kind in [20, 21, 22, 23, 24, 25, 0, 255] {
        for content in [&b""[..], &[0; 1], &[1; 1], &[0xff; 40], &[1, 0, 0, 0], &[0, 0, 0, 0]] {
            let header = [kind, 3, 3, 0, u8::try_from(content.len()).unwrap()];
            records.push((format!("type {kind} with {content:?}"), [&header, content].concat()));
        }
    }
    for level in [1, 2, 3] {
        for alert in
            [0, 10, 20, 21, 22, 30, 40, 41, 42, 46, 47, 48, 50, 60, 70, 71, 80, 86, 90, 100, 109, 112, 116, 120, 255]
        {
            records.push((format!("alert {alert}, level {level}"), vec![21, 3, 3, 0, 2, level, alert]));
        }
    }
    records
}

#[test]
fn what_comes_between_at_any_stage_ends_the_connection_or_is_nothing() {
    let (client, server) = (client(), server());
    for (name, record) in intruders() {
        for from in [From::Client, From::Server] {
            // Before what a side sends first, second, and when the connection is open.
            for stage in 0..3 {
                let mut hands = Hands::new(&client, &server);
                let mut flights = 0;
                hands.pump(|sender, data| {
                    if sender != from || data.is_empty() {
                        return data;
                    }
                    flights += 1;
                    if flights == stage + 1 { [&record, &data[..]].concat() } else { data }
                });
                if flights <= stage {
                    hands.ends(from).1.receive(&record);
                }
                hands.check(&format!("{name}, {from:?}, stage {stage}"));
            }
        }
    }
}

#[test]
fn an_oversized_record_or_message_is_refused_before_it_has_come() {
    for (record, expected) in [
        (&[22, 3, 3, 0xff, 0xff][..], "the peer sent a record or a message that is longer than TLS allows"),
        (&[22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff], "the peer sent a record or a message that is longer than TLS allows"),
    ] {
        let mut wire = StringTransport::connect(server().around(RemoteEnd::default().factory()));
        wire.receive(record);
        assert_eq!(wire.close_reason().unwrap().to_string(), expected, "{record:?}");
    }
}

#[test]
fn s197_a_stream_that_is_cut_at_any_byte_of_its_end_is_not_taken_for_whole() {
    let (client, server) = (client(), server());
    let mut n = 0;
    loop {
        let mut hands = Hands::new(&client, &server);
        hands.pump(|_, data| data);
        hands.at_client.transport().write("hello");
        hands.client.settle();
        let record = hands.client.written().len();
        hands.at_client.transport().lose_connection();
        hands.client.settle();
        let sent = hands.client.take_written();
        if n > sent.len() {
            assert!(n > record, "there is an end");
            return;
        }
        hands.server.receive(&sent[..n]);
        hands.server.receive_eof();
        assert_eq!(hands.at_server.received(), if n >= record { &b"hello"[..] } else { b"" });
        let is_whole = n == sent.len();
        assert_eq!(hands.at_server.has_eof(), is_whole, "{n} of {}", sent.len());
        let truncated = matches!(hands.at_server.lost(), Some(CloseReason::Truncated));
        assert_eq!(truncated, !is_whole, "{n} of {}", sent.len());
        n += 1;
    }
}
