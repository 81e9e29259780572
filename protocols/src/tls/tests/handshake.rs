use std::time::Duration;

use reactor::Transport;
use reactor::testing::{Pair, StringTransport};

use super::{Pem, Wire, client, server};
use crate::remote_end::RemoteEnd;
use crate::tls::{Server, TlsInfo};

#[test]
fn s194_protocols_are_built_after_the_handshake_and_find_what_was_negotiated() {
    let (at_client, at_server) = (RemoteEnd::default(), RemoteEnd::default());
    let client = client().alpn(&["other", "chat"]).around("server.example", at_client.factory());
    let mut pair = Pair::connect(client, server().alpn(&["chat", "other"]).around(at_server.factory()));
    assert!(!at_client.is_connected() && !at_server.is_connected());
    pair.run_until_quiet();
    let [client, server] = [&at_client, &at_server].map(|end| TlsInfo::of(&end.transport()).unwrap());
    assert_eq!((client.version(), client.cipher_suite()), ("TLS 1.3", "TLS13_AES_256_GCM_SHA384"));
    assert_eq!((client.alpn_protocol(), server.alpn_protocol()), (Some(&b"chat"[..]), Some(&b"chat"[..])));
    assert_eq!((client.server_name(), server.server_name()), (None, Some("server.example")));
    assert_eq!((client.peer_certificates().len(), server.peer_certificates().len()), (1, 0));
    assert!(!client.is_resumed() && !server.is_resumed());
}

#[test]
fn a_second_connection_of_a_client_is_resumed() {
    let (client, server) = (client(), server());
    let first = Wire::between(&client, &server);
    assert!(!TlsInfo::of(&first.server.transport()).unwrap().is_resumed());
    let second = Wire::between(&client, &server);
    assert!(TlsInfo::of(&second.server.transport()).unwrap().is_resumed());
    assert!(TlsInfo::of(&second.client.transport()).unwrap().is_resumed());
}

#[test]
fn s206_a_client_that_offers_other_application_protocols_only_is_refused() {
    let server = server().alpn(&["chat"]);
    let mut wire = Wire::between(&client().alpn(&["mail"]), &server);
    assert_eq!(
        wire.reasons(),
        [
            "server.example ended the connection: it speaks none of the application protocols that this side offers (ALPN)",
            "the peer offers only application protocols that this side does not speak (ALPN)"
        ]
    );
    assert_eq!(server.failed_handshakes(), 1);
    assert!(!wire.client.is_connected() && !wire.server.is_connected());
}

#[test]
fn what_does_not_speak_tls_is_told_apart_and_shown() {
    for (sent, shown) in
        [("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"), ("\x1b[2J", "\\x1b[2J")]
    {
        let server = server();
        let mut wire = StringTransport::connect(server.around(RemoteEnd::default().factory()));
        wire.receive(sent);
        let reason = wire.close_reason().unwrap().to_string();
        assert_eq!(reason, format!("the peer does not speak TLS: it sent \"{shown}\""));
        assert_eq!((wire.written(), server.failed_handshakes()), (&b""[..], 1));
    }
    let mut wire = StringTransport::connect(client().around("mail.example", RemoteEnd::default().factory()));
    wire.receive("220 mail.example ESMTP\r\n");
    assert_eq!(
        wire.close_reason().unwrap().to_string(),
        "mail.example does not speak TLS: it sent \"220 mail.example ESMTP\\r\\n\""
    );
}

#[test]
fn a_handshake_that_is_not_over_in_time_ends_the_connection() {
    let server = server().handshake_timeout(Duration::from_secs(3));
    let mut wire = StringTransport::connect(server.around(RemoteEnd::default().factory()));
    wire.receive([22, 3, 1]);
    wire.advance(Duration::from_millis(2_999));
    assert!(wire.close_reason().is_none());
    wire.advance(Duration::from_millis(1));
    assert_eq!(wire.close_reason().unwrap().to_string(), "connection timed out");
    assert_eq!(server.failed_handshakes(), 1);
    // One that was over stays.
    let mut wire = Wire::open();
    wire.pair.advance(Duration::from_secs(60));
    assert_eq!(wire.reasons(), ["none", "none"]);
}

#[test]
fn a_peer_that_ends_its_stream_in_the_handshake_has_failed() {
    let mut wire = StringTransport::connect(client().around("server.example", RemoteEnd::default().factory()));
    wire.receive_eof();
    assert_eq!(wire.close_reason().unwrap().to_string(), "server.example ended the connection in the TLS handshake");
}

#[test]
fn a_name_that_cannot_be_one_fails_the_connection_with_a_sentence() {
    let wire = StringTransport::connect(client().around("no name", RemoteEnd::default().factory()));
    assert_eq!(wire.close_reason().unwrap().to_string(), "no name is neither a host's name nor an IP address");
}

#[test]
fn the_factory_inside_may_refuse_by_what_was_negotiated() {
    let refuses = |transport: Transport| -> Option<Box<dyn reactor::Protocol>> {
        assert!(TlsInfo::of(&transport).is_some());
        None
    };
    let at_client = RemoteEnd::default();
    let mut pair = Pair::connect(client().around("server.example", at_client.factory()), server().around(refuses));
    pair.run_until_quiet();
    pair.advance(Duration::from_secs(1));
    assert!(pair.server.close_reason().is_some_and(|reason| reason.is_clean()));
    assert!(at_client.lost().is_some());
}

#[test]
fn a_reload_counts_for_new_connections_also_of_clones_made_before() {
    let server = server();
    let (clone, client) = (server.clone().alpn(&["chat"]), client());
    let before = Wire::between(&client, &clone);
    let renewed = Pem::of(&["server.example"]).certificates();
    let expected = renewed.fingerprints().next();
    server.reload(renewed);
    let after = Wire::between(&client.clone().alpn(&[]), &clone);
    let seen = |wire: &Wire| TlsInfo::of(&wire.client.transport()).unwrap().peer_fingerprint();
    assert_eq!(seen(&after), expected);
    assert!(seen(&before).is_some() && seen(&before) != expected);
}

#[test]
fn nothing_that_is_displayed_has_a_part_of_a_key() {
    let pem = Pem::of(&["server.example"]);
    let certificates = pem.certificates();
    let displayed = format!(
        "{certificates:?} {:?} {:?}",
        Server::new(certificates.clone()),
        client().certificates(certificates.clone())
    );
    let secret = pem.key.lines().nth(1).unwrap();
    assert!(
        !displayed.contains(secret) && displayed.contains(&certificates.fingerprints().next().unwrap().to_string())
    );
}
