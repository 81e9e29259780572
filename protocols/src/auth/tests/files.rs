use std::time::Duration;
use std::{env, fs, process};

use reactor::testing::{Simulation, StringTransport};

use super::*;
use crate::auth::{PasswordFile, ScramVerifier};

/// A file that is removed behind the test.
struct TestFile(std::path::PathBuf);

impl TestFile {
    fn new(name: &str, text: &str) -> Self {
        let file = Self(env::temp_dir().join(format!("accounts-{}-{name}", process::id())));
        file.write(text);
        file
    }

    fn write(&self, text: &str) {
        fs::write(&self.0, text).unwrap();
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn accounts_of_a_file_log_in() {
    let scram = ScramVerifier::with_iterations("zwei", 1).to_text();
    let file = TestFile::new("in", &format!("# accounts\n\nann:{}\r\n  bob:{scram}\n", cheap("eins").to_text()));
    let portal = Portal::new(Members::default());
    portal.register_checker::<Password>(PasswordFile::open(&file.0).unwrap());
    let mut wire = StringTransport::connect(serve(&portal));
    wire.receive("LOGIN ann eins\r\nLOGIN bob zwei\r\nLOGIN bob eins\r\nLOGIN #\u{20}accounts\r\n");
    assert_eq!(wire.written_text(), "OK ann\r\nOK bob\r\nNO wrong name or password\r\nNO wrong name or password\r\n");
}

#[test]
fn a_wrong_line_is_named_and_no_hash_is_shown() {
    let good = cheap("x").to_text();
    let cases = [
        (format!("ann:{good}\nbob\n"), 2, "there is no \":\" between a name and a hash"),
        (format!("\n:{good}\n"), 2, "the name is empty, or has control characters"),
        (format!("a\u{1b}nn:{good}"), 1, "the name is empty, or has control characters"),
        (format!("ann:{good}\n#\nann:{good}\n"), 3, "the name is also in line 1"),
        (
            "ann:secret".to_owned(),
            1,
            "this is neither a hash of Argon2 ($argon2id$…) nor one of SCRAM (SCRAM-SHA-256$…)",
        ),
    ];
    for (number, (text, line, why)) in cases.into_iter().enumerate() {
        let file = TestFile::new(&format!("wrong-{number}"), &text);
        let error = PasswordFile::open(&file.0).unwrap_err();
        assert_eq!(error.line(), Some(line));
        assert_eq!(error.to_string(), format!("{}:{line}: {why}", file.0.display()));
        assert!(!format!("{error:?}").contains("secret"));
    }
    let file = TestFile::new("binary", "");
    fs::write(&file.0, b"ann:\xff").unwrap();
    assert!(PasswordFile::open(&file.0).unwrap_err().to_string().ends_with(":1: this is no text in UTF-8"));
    let missing = PasswordFile::open("/nowhere/accounts").unwrap_err();
    assert_eq!(
        missing.to_string(),
        "cannot read the accounts in /nowhere/accounts: No such file or directory (os error 2)"
    );
    assert!(missing.line().is_none() && std::error::Error::source(&missing).is_some());
}

#[test]
fn a_file_that_has_changed_is_read_again_and_a_wrong_one_changes_nothing() {
    let file = TestFile::new("changing", &format!("ann:{}\n", cheap("old").to_text()));
    let accounts = PasswordFile::open(&file.0).unwrap();
    let portal = Portal::new(Members::default());
    portal.register_checker::<Password>(accounts.clone());
    let sim = Simulation::new(0);
    sim.host("server").listen_tcp(7, serve(&portal)).unwrap();
    let client = sim.open("client", "server:7");
    let ask = |line: &str| {
        client.send_line(line);
        sim.run_for(Duration::from_secs(2));
        client.take_received_text()
    };
    assert_eq!(ask("LOGIN ann old"), "OK ann\r\n");
    // Of another length: the time of its change may be the same.
    file.write(&format!("ann:{}\nbob:{0}\n", cheap("new").to_text()));
    assert_eq!(ask("LOGIN ann old"), "NO wrong name or password\r\n");
    assert_eq!((ask("LOGIN ann new"), ask("LOGIN bob new")), ("OK ann\r\n".to_owned(), "OK bob\r\n".to_owned()));
    file.write("ann\n");
    assert_eq!(ask("LOGIN ann new"), "OK ann\r\n");
    fs::remove_file(&file.0).unwrap();
    assert_eq!(ask("LOGIN ann new"), "OK ann\r\n");

    file.write(&format!("cid:{}\n", cheap("x").to_text()));
    let reloading = accounts.reload(&sim.host("server")).await_now();
    assert_eq!(reloading.unwrap(), 1);
    assert_eq!(format!("{accounts:?}"), format!("PasswordFile {{ path: {:?}, accounts: 1, .. }}", file.0));
    file.write("cid:\n");
    assert_eq!(accounts.reload(&sim.host("server")).await_now().unwrap_err().line(), Some(1));
    assert_eq!(ask("LOGIN cid x"), "OK cid\r\n");
}

trait AwaitNow: Future + Sized {
    /// The output of a future that does not wait in a simulation.
    fn await_now(self) -> Self::Output {
        futures_util::FutureExt::now_or_never(self).unwrap()
    }
}

impl<F: Future> AwaitNow for F {}
