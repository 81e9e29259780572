use protocols::auth::{PasswordHash, ScramVerifier};
use protocols::tls::Fingerprint;

use super::{Opened, text};
use crate::server::Timestamp;
use crate::store::Store;

fn hash(password: &str) -> PasswordHash {
    ScramVerifier::with_iterations(password, 1).into()
}

#[test]
fn an_account_is_found_in_whatever_case_and_shown_as_it_was_registered() {
    let opened = Opened::new();
    let store = &opened.store;
    assert!(opened.ask(store.add_account(b"Ann", &hash("one"), Timestamp(1))));
    assert!(!opened.ask(store.add_account(b"aNN", &hash("two"), Timestamp(2))));
    let account = opened.ask(store.account(b"ANN")).unwrap();
    assert_eq!((text(&account.name), account.created, account.seen), ("Ann", Timestamp(1), Timestamp(1)));
    assert_eq!(account.password.to_text(), opened.ask(store.account(b"ann")).unwrap().password.to_text());
    opened.ask(store.saw_account(b"ann", Timestamp(3)));
    assert_eq!(opened.ask(store.account(b"ann")).unwrap().seen, Timestamp(3));
    assert!(opened.ask(store.account(b"bob")).is_none());
    assert_eq!(opened.ask(store.account_names()).len(), 1);
}

#[test]
fn a_password_can_be_changed_and_an_account_removed() {
    let opened = Opened::new();
    let store = &opened.store;
    opened.ask(store.add_account(b"ann", &hash("one"), Timestamp(1)));
    let other = hash("two");
    assert!(opened.ask(store.set_password(b"ANN", &other)));
    assert!(!opened.ask(store.set_password(b"bob", &other)));
    assert_eq!(opened.ask(store.account(b"ann")).unwrap().password.to_text(), other.to_text());
    assert!(opened.ask(store.remove_account(b"ANN")));
    assert!(!opened.ask(store.remove_account(b"ANN")));
}

#[test]
fn a_certificate_belongs_to_one_account_and_goes_with_it() {
    let opened = Opened::new();
    let store = &opened.store;
    let certificate = Fingerprint::of(b"certificate");
    assert!(!opened.ask(store.add_fingerprint(b"ann", certificate)), "there is no such account");
    for account in [b"ann", b"bob"] {
        opened.ask(store.add_account(account, &hash("one"), Timestamp(1)));
    }
    assert!(opened.ask(store.add_fingerprint(b"Ann", certificate)));
    assert!(!opened.ask(store.add_fingerprint(b"bob", certificate)));
    assert_eq!(opened.ask(store.account_of(certificate)).as_deref().map(text), Some("ann"));
    assert!(!opened.ask(store.remove_fingerprint(b"bob", certificate)));
    assert_eq!(opened.ask(store.fingerprints(b"ann")), [certificate]);
    opened.ask(store.remove_account(b"ann"));
    assert_eq!(opened.ask(store.account_of(certificate)), None);
}

#[test]
fn an_account_has_a_limited_number_of_certificates() {
    let opened = Opened::new();
    opened.ask(opened.store.add_account(b"ann", &hash("one"), Timestamp(1)));
    let add = |number: usize| {
        opened.ask(opened.store.add_fingerprint(b"ann", Fingerprint::of(number.to_string().as_bytes())))
    };
    let most = Store::MOST_FINGERPRINTS;
    assert_eq!((0..most + 2).filter(|number| add(*number)).count(), most);
}
