use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use protocols::tls::Fingerprint;
use tempfile::tempdir;

use super::accounts::account;
use super::{Opened, answer_to, line, name, open};
use crate::server::{ServerBan, Timestamp};
use crate::settings::HistorySettings;
use crate::store::tests::history::latest;
use crate::store::{Account, Progress, Store};

#[test]
fn what_was_kept_is_there_after_a_restart() {
    let opened = Opened::new();
    let ban = ServerBan {
        mask: name("*@192.0.2.*"),
        reason: name("spam"),
        by: name("oper"),
        at: Timestamp(1),
        until: Some(Timestamp(100)),
    };
    opened.ask(opened.store.add_ban(ban.clone()));
    let progress = Progress { stream: "lines", sequence: 7 };
    opened.ask(opened.store.append(vec![line("#a", 1, "one")], Some(progress)));
    assert_eq!(opened.ask(opened.store.kept_value("key", || vec![1])), [1]);
    let Opened { reactor, store, path, _folder } = opened;
    drop((store, reactor));

    let (_reactor, store) = open(&path, HistorySettings::default());
    assert_eq!(answer_to(store.bans(Timestamp(99))), [ban]);
    assert_eq!(answer_to(store.bans(Timestamp(100))), []);
    assert_eq!(answer_to(store.progress("lines")), 7);
    assert_eq!(answer_to(store.progress("others")), 0);
    assert_eq!(answer_to(store.kept_value("key", || vec![2])), [1]);
    let lines = answer_to(store.history(latest("#a", 10))).unwrap();
    assert_eq!(lines, [line("#a", 1, "one")]);
}

#[test]
fn a_ban_is_replaced_and_removed_by_its_mask() {
    let opened = Opened::new();
    let ban =
        |reason| ServerBan { mask: name("*@a"), reason: name(reason), by: name("o"), at: Timestamp(1), until: None };
    opened.ask(opened.store.add_ban(ban("one")));
    opened.ask(opened.store.add_ban(ban("two")));
    assert_eq!(opened.ask(opened.store.bans(Timestamp(u64::MAX >> 1))), [ban("two")]);
    assert!(opened.ask(opened.store.remove_ban(b"*@a")));
    assert!(!opened.ask(opened.store.remove_ban(b"*@a")));
}

#[test]
fn a_file_of_the_first_version_is_brought_up_to_date_with_all_that_it_has() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("irc.db");
    let before = account("Ann", 7);
    let certificate = Fingerprint::of(b"certificate");
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute_batch(include_str!("../version_1.sql")).unwrap();
    file.pragma_update(None, "user_version", 1).unwrap();
    let row = (&b"ann"[..], &*before.name, before.password.to_text(), 7, 8);
    file.execute("INSERT INTO accounts VALUES (?, ?, ?, ?, ?)", row).unwrap();
    file.execute("INSERT INTO fingerprints VALUES (?, ?)", (certificate.to_string(), &b"ann"[..])).unwrap();
    drop(file);
    let (_reactor, store) = open(&path, HistorySettings::default());
    let after = Account { certificates: vec![certificate], ..before };
    assert_eq!(answer_to(store.account_of(certificate)), Some(after));
}

#[test]
fn nobody_else_can_read_the_file() {
    let opened = Opened::new();
    opened.ask(opened.store.append(vec![line("#a", 1, "one")], None));
    for entry in fs::read_dir(opened.path.parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{}", entry.path().display());
    }
}

#[test]
fn a_file_that_is_no_database_or_of_a_later_version_is_refused_with_its_name() {
    let opened = Opened::new();
    let newer = rusqlite::Connection::open(&opened.path).unwrap();
    newer.pragma_update(None, "user_version", 1000).unwrap();
    let error = Store::open(&opened.reactor, Some(&opened.path), HistorySettings::default()).unwrap_err().to_string();
    assert!(error.contains("irc.db: a later version of this program has made it"), "{error}");
    let path = opened.path.with_file_name("text");
    fs::write(&path, "not a database, but a text that is long enough to be taken for one".repeat(20)).unwrap();
    let error = Store::open(&opened.reactor, Some(&path), HistorySettings::default()).unwrap_err().to_string();
    assert!(error.contains("text: ") && error.contains("not a database"), "{error}");
    let path = opened.path.with_file_name("none").join("irc.db");
    let error = Store::open(&opened.reactor, Some(&path), HistorySettings::default()).unwrap_err().to_string();
    assert!(error.contains("none/irc.db: No such file"), "{error}");
}
