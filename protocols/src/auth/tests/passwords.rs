use reactor::Reactor;
use reactor::testing::StringTransport;

use super::*;
use crate::auth::{AttemptLimit, PasswordTable, ScramVerifier};

/// Whether a password matches a hash, on a reactor without sockets.
fn matches(password: &str, hash: Option<&PasswordHash>) -> bool {
    let wire = StringTransport::connect(|_| Idle);
    let password = Password::new("ann", password);
    let future = password.matches(wire.reactor(), hash);
    futures_util::FutureExt::now_or_never(future).unwrap().unwrap()
}

struct Idle;

impl reactor::Protocol for Idle {
    fn data_received(&mut self, _data: &[u8]) {}
}

#[test]
fn a_hash_matches_its_password_alone_and_keeps_its_text() {
    for hash in [cheap("right"), ScramVerifier::with_iterations("right", 1).into()] {
        let again: PasswordHash = hash.to_text().parse().unwrap();
        assert_eq!(again.to_text(), hash.to_text());
        for hash in [&hash, &again] {
            assert!(matches("right", Some(hash)));
            assert!(!matches("wrong", Some(hash)) && !matches("", Some(hash)) && !matches("right ", Some(hash)));
        }
    }
}

/// Made by the program `argon2` with `-v 13` and `-v 10`; of the last, the version is left out, as it was before there were two.
#[test]
fn hashes_of_both_versions_are_read() {
    let hashes = [
        "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQxMg$FGcBELUhOL9F2DLwjUdRfF4HipeCFxg1LZnptKDyEGs",
        "$argon2id$m=64,t=1,p=1$c29tZXNhbHQxMg$1ggd8/JnEGtEnS67NHiDC5FXzqoF2abCEakPUB7bLSs",
    ];
    for hash in hashes {
        let hash = hash.parse().unwrap();
        assert!(matches("hunter2", Some(&hash)) && !matches("hunter3", Some(&hash)), "{hash:?}");
    }
}

#[test]
fn what_is_no_hash_is_refused_without_being_shown() {
    let wrong = [
        ("", "neither"),
        ("welcome", "neither"),
        ("$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC", "neither"),
        ("$argon2id$", "malformed"),
        ("$argon2id$v=19$m=19456,t=2,p=1", "without its salt"),
        ("$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA", "without its salt, or"),
        (
            "$argon2id$v=19$m=4194304,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "more than 256 MiB",
        ),
        (
            "$argon2id$v=19$m=8,t=4000000000,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "100 passes",
        ),
        ("$argon2id$v=19$m=1,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "parameters"),
        (
            "$argon2xy$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "unknown kind",
        ),
        ("SCRAM-SHA-1$4096:AAAA$AAAA:AAAA", "not a hash of SCRAM"),
        ("SCRAM-SHA-256$0:AAAA$AAAA:AAAA", "not a hash of SCRAM"),
        ("SCRAM-SHA-256$4096:AAAA$AAAA:AAAA", "not a hash of SCRAM"),
    ];
    for (text, why) in wrong {
        let error = text.parse::<PasswordHash>().unwrap_err().to_string();
        assert!(error.contains(why), "{text:?}: {error}");
        assert!(text.len() < 12 || !error.contains(&text[11..]), "{error}");
    }
}

#[test]
fn an_account_that_is_not_there_is_refused_like_a_wrong_password_after_the_same_work() {
    let hashed = Rc::new(Cell::new(0));
    let portal = Portal::new(Members::default());
    portal.set_attempt_limit(AttemptLimit::none());
    let accounts = PasswordTable::new();
    accounts.insert("ann", cheap("right"));
    let (counted, table) = (Rc::clone(&hashed), accounts.clone());
    portal.register_checker(async move |password: Password, reactor: Reactor| {
        counted.set(counted.get() + 1);
        crate::auth::Checker::<Password>::check(&table, password, &reactor).await
    });
    let mut wire = StringTransport::connect(serve(&portal));
    for line in ["LOGIN ann wrong", "LOGIN nobody right", "LOGIN nobody wrong"] {
        wire.receive(format!("{line}\r\n"));
        assert_eq!(wire.take_written_text(), "NO wrong name or password\r\n", "{line}");
    }
    wire.receive("LOGIN ann right\r\n");
    assert_eq!(wire.take_written_text(), "OK ann\r\n");
    assert!(accounts.remove("ann") && !accounts.remove("ann"));
    wire.receive("LOGIN ann right\r\n");
    assert_eq!(wire.take_written_text(), "NO wrong name or password\r\n");
    assert_eq!(hashed.get(), 5);
}

/// On real threads: more logins than may be hashed or wait.
#[test]
fn a_flood_of_logins_is_bounded() {
    let reactor = Reactor::new().unwrap();
    let hash: PasswordHash = cheap("right");
    let reactor_in_call = reactor.clone();
    let outcomes = reactor.run_until(async move {
        let all = (0..3000).map(|_| {
            let (reactor, hash) = (reactor_in_call.clone(), hash.clone());
            async move { Password::new("ann", "right").matches(&reactor, Some(&hash)).await }
        });
        futures_util::future::join_all(all).await
    });
    let outcomes = outcomes.unwrap();
    let matched = outcomes.iter().filter(|outcome| matches!(outcome, Ok(true))).count();
    let busy = outcomes.iter().filter(|outcome| matches!(outcome, Err(LoginError::Busy))).count();
    assert_eq!(matched + busy, 3000);
    assert!(matched > 0 && busy > 0, "{matched} matched, {busy} were turned away");
}
