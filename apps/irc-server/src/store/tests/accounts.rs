use protocols::auth::{PasswordHash, ScramVerifier};
use protocols::tls::Fingerprint;

use super::history::latest;
use super::{Opened, line, name, text};
use crate::server::Timestamp;
use crate::store::{Account, Outcome};

fn hash(password: &str) -> PasswordHash {
    ScramVerifier::with_iterations(password, 1).into()
}

pub(super) fn account(shown: &str, created: u64) -> Account {
    Account { name: name(shown), password: hash("sesame-open"), created: Timestamp(created), certificates: Vec::new() }
}

impl Opened {
    /// Has an account that there was not.
    pub(super) fn register(&self, account: &Account) -> bool {
        self.ask(self.store.replace_account(None, Some(account.clone()))) == Outcome::Made
    }

    /// Changes an account as it is.
    fn change(&self, name: &[u8], change: impl FnOnce(&mut Account)) -> bool {
        let known = self.ask(self.store.account(name)).unwrap();
        let mut new = known.clone();
        change(&mut new);
        self.ask(self.store.replace_account(Some(known), Some(new))) == Outcome::Made
    }

    fn remove(&self, name: &[u8]) -> bool {
        let known = self.ask(self.store.account(name));
        known.is_some() && self.ask(self.store.replace_account(known, None)) == Outcome::Made
    }
}

fn seen(opened: &Opened) -> u64 {
    let file = rusqlite::Connection::open(&opened.path).unwrap();
    file.query_row("SELECT seen FROM accounts", [], |row| row.get(0)).unwrap()
}

#[test]
fn an_account_is_found_in_whatever_case_and_shown_as_it_was_registered() {
    let opened = Opened::new();
    let store = &opened.store;
    let ann = account("Ann", 1);
    assert!(opened.register(&ann));
    assert!(!opened.register(&account("aNN", 2)));
    assert_eq!(opened.ask(store.account(b"ANN")).as_ref(), Some(&ann));
    assert_eq!(opened.ask(store.accounts()), [ann]);
    assert!(opened.ask(store.account(b"bob")).is_none());
    assert_eq!(opened.ask(store.account_names()).len(), 1);
}

#[test]
fn a_login_counts_if_the_account_is_still_the_same() {
    let opened = Opened::new();
    let store = &opened.store;
    let ann = account("Ann", 1);
    opened.register(&ann);
    assert!(opened.ask(store.saw_account(&ann, Timestamp(3))));
    assert_eq!(seen(&opened), 3);
    opened.change(b"ann", |account| account.password = hash("another"));
    assert!(!opened.ask(store.saw_account(&ann, Timestamp(4))));
    let later = Account { created: Timestamp(2), ..opened.ask(store.account(b"ann")).unwrap() };
    assert!(!opened.ask(store.saw_account(&later, Timestamp(4))));
    assert_eq!(seen(&opened), 3);
}

#[test]
fn a_password_can_be_changed_and_an_account_removed() {
    let opened = Opened::new();
    let store = &opened.store;
    let ann = account("ann", 1);
    opened.register(&ann);
    let other = hash("two");
    assert!(opened.change(b"ANN", |account| account.password = other.clone()));
    let outcome = opened.ask(store.replace_account(Some(ann.clone()), None));
    assert_eq!(outcome, Outcome::Changed, "it is no longer what it was");
    let outcome = opened.ask(store.replace_account(Some(account("bob", 1)), None));
    assert_eq!(outcome, Outcome::Changed, "there is none");
    assert_eq!(opened.ask(store.account(b"ann")).unwrap().password.to_text(), other.to_text());
    assert!(opened.remove(b"ANN"));
    assert!(!opened.remove(b"ANN"));
}

#[test]
fn a_certificate_belongs_to_one_account_and_goes_with_it() {
    let opened = Opened::new();
    let store = &opened.store;
    let certificate = Fingerprint::of(b"certificate");
    let owner = || opened.ask(store.account_of(certificate)).map(|account| text(&account.name).to_owned());
    for name in ["ann", "bob"] {
        opened.register(&account(name, 1));
    }
    assert_eq!(owner(), None);
    assert!(opened.change(b"Ann", |account| account.certificates.push(certificate)));
    assert!(!opened.change(b"bob", |account| account.certificates.push(certificate)));
    assert_eq!(owner().as_deref(), Some("ann"));
    assert!(opened.remove(b"ann"));
    assert_eq!(owner(), None);
    assert!(opened.change(b"bob", |account| account.certificates.push(certificate)));
    assert!(opened.change(b"bob", |account| account.certificates.clear()));
    assert_eq!(owner(), None);
}

#[test]
fn what_was_said_before_an_account_was_registered_is_another_owners() {
    let opened = Opened::new();
    let store = &opened.store;
    for (name, created) in [("ann", 10), ("bob", 5)] {
        opened.register(&account(name, created));
    }
    // As they come from the log of a cluster: after their time.
    let lines = [(9, "before"), (10, "since"), (4, "long before")].map(|(at, text)| line("ann,bob", at, text));
    opened.ask(store.append(lines.into(), None));
    opened.ask(store.append(vec![line("bob,eve", 4, "to bob")], None));
    let said = opened.ask(store.history(latest("ann,bob", 10))).unwrap();
    assert_eq!(said.iter().map(|line| text(&line.speech.text)).collect::<Vec<_>>(), ["since"]);
    let targets = |of| opened.ask(store.targets(name(of), Vec::new(), Timestamp(0), Timestamp(100), 10));
    let names = |of| targets(of).iter().map(|(name, _)| text(name).to_owned()).collect::<Vec<_>>();
    assert_eq!(names("bob"), ["ann"]);
    assert!(names("eve").is_empty());
}
