use reactor::testing::StringTransport;

use super::*;
use crate::auth::{PasswordTable, SaslClient, ScramVerifier, Secret, Token};

#[test]
fn debug_shows_no_secrets() {
    let (hash, verifier) = (cheap("tops3cret"), ScramVerifier::with_iterations("tops3cret", 4096));
    let table = PasswordTable::new();
    table.insert("ann", hash.clone());
    let portal = Portal::new(Members::default());
    portal.register_checker::<Password>(table.clone());
    let password = Password::new("ann", "tops3cret");
    let shown = format!(
        "{password:?} {:?} {:?} {hash:?} {verifier:?} {table:?} {portal:?} {:?} {:?}",
        Token::new("tops3cret"),
        Secret::new("tops3cret"),
        SaslClient::plain(password.clone()),
        SaslClient::scram(&password),
    );
    let kept = [hash.to_text(), verifier.to_text()].join("$");
    let parts = kept.split(['$', ':']).filter(|part| part.len() > 20);
    for secret in parts.chain(["tops3cret"]) {
        assert!(!shown.contains(secret), "{secret} is in {shown}");
    }
    assert!(shown.contains("ann") && shown.contains("m=8,t=1,p=1") && shown.contains("4096 iterations"), "{shown}");
}

#[test]
fn errors_show_no_secrets() {
    let table = PasswordTable::new();
    table.insert("ann", cheap("tops3cret"));
    let portal = Portal::new(Members::default());
    portal.register_checker::<Password>(table);
    portal.allow_plain_text();
    let mut wire = StringTransport::connect(serve(&portal));
    let plain = BASE64.encode(b"\0ann\0tops3cret\0");
    wire.receive(format!("LOGIN bob tops3cret\r\nAUTH PLAIN {plain}\r\n"));
    assert!(wire.written_text().starts_with("NO ") && !wire.written_text().contains("tops3cret"));
}

#[test]
fn a_capture_of_a_login_by_scram_shows_neither_the_password_nor_what_is_kept_of_it() {
    use reactor::testing::Pair;

    let verifier = ScramVerifier::with_iterations("tops3cret", 4096);
    let accounts = PasswordTable::new();
    accounts.insert("ann", verifier.clone());
    let portal = Portal::new(Members::default());
    portal.register_checker::<crate::auth::ScramExchange>(accounts);
    let seen = crate::remote_end::RemoteEnd::default();
    let mut pair = Pair::connect(seen.factory(), serve(&portal));
    let sasl = SaslClient::scram(&Password::new("ann", "tops3cret"));
    let mut sent = vec![format!("AUTH SCRAM-SHA-256 {}", BASE64.encode(&sasl.first_message()))];
    seen.transport().write(format!("{}\r\n", sent[0]));
    pair.run_until_quiet();
    let challenge = BASE64.decode(String::from_utf8(seen.received()).unwrap()[2..].trim_end().as_bytes()).unwrap();
    sent.push(String::from_utf8(challenge).unwrap());
    let kept = verifier.to_text();
    let keys = kept.rsplit('$').next().unwrap().split(':');
    for secret in keys.chain(["tops3cret"]) {
        assert!(sent.iter().all(|message| !message.contains(secret)));
    }
}
