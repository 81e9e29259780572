use std::collections::HashSet;

use protocols::tls::Fingerprint;

use super::accounts::account;
use super::history::latest;
use super::{Opened, line, name};
use crate::server::{ServerBan, Timestamp};
use crate::store::{Account, Fact, UntoldBan};

fn ban(mask: &str, at: u64) -> ServerBan {
    ServerBan { mask: name(mask), reason: name("spam"), by: name("oper"), at: Timestamp(at), until: None }
}

impl Opened {
    fn learn(&self, fact: Fact) -> Vec<Fact> {
        self.ask(self.store.learn(fact))
    }

    fn masks(&self) -> HashSet<String> {
        let bans = self.ask(self.store.bans(Timestamp(0)));
        bans.iter().map(|ban| super::text(&ban.mask).to_owned()).collect()
    }
}

#[test]
fn what_the_network_has_is_taken_over_exactly() {
    let opened = Opened::new();
    let store = &opened.store;
    let [ann, bob, eve] = ["ann", "bob", "eve"].map(|name| account(name, 1));
    for account in [&ann, &bob] {
        opened.register(account);
    }
    opened.ask(store.add_ban(ban("*@gone", 1)));
    let facts = vec![Fact::Account(bob.clone()), Fact::Account(eve.clone()), Fact::Ban(ban("*@new", 1))];
    let learned = opened.ask(store.take_over(b"one".to_vec(), facts.clone(), HashSet::new()));
    assert_eq!(learned[..2], [Fact::NoAccount(ann.key()), Fact::NoBan(name("*@gone"))]);
    assert_eq!(learned[2..], facts);
    assert_eq!(opened.ask(store.accounts()), [bob, eve]);
    assert_eq!(opened.masks(), HashSet::from(["*@new".to_owned()]));
    assert_eq!(opened.ask(store.known_network()), Some(b"one".to_vec()));
}

#[test]
fn an_account_that_is_not_understood_stays() {
    let opened = Opened::new();
    let ann = account("Ann", 1);
    opened.register(&ann);
    let unread = HashSet::from([ann.key()]);
    assert_eq!(opened.ask(opened.store.take_over(Vec::new(), Vec::new(), unread)), []);
    assert_eq!(opened.ask(opened.store.accounts()), [ann]);
}

#[test]
fn who_registers_a_name_again_gets_nothing_of_the_owner_before() {
    let opened = Opened::new();
    let store = &opened.store;
    let certificate = Fingerprint::of(b"certificate");
    opened.register(&Account { certificates: vec![certificate], ..account("ann", 1) });
    opened.ask(store.append(vec![line("ann,bob", 20, "a secret")], None));
    let again = account("Ann", 10);
    assert_eq!(
        opened.learn(Fact::Account(again.clone())),
        [Fact::NoAccount(again.key()), Fact::Account(again.clone())]
    );
    assert!(opened.ask(store.account_of(certificate)).is_none());
    assert_eq!(opened.ask(store.history(latest("ann,bob", 10))), Some(Vec::new()));
    // A change of the same account costs nothing.
    opened.ask(store.append(vec![line("ann,bob", 21, "another")], None));
    let changed = Account { certificates: vec![certificate], ..again };
    assert_eq!(opened.learn(Fact::Account(changed.clone())), [Fact::Account(changed.clone())]);
    assert_eq!(opened.ask(store.account_of(certificate)), Some(changed));
    assert_eq!(opened.ask(store.history(latest("ann,bob", 10))).unwrap().len(), 1);
}

#[test]
fn a_certificate_that_two_accounts_claim_logs_in_to_neither() {
    let opened = Opened::new();
    let store = &opened.store;
    let certificates = vec![Fingerprint::of(b"certificate")];
    let [ann, bob] = ["ann", "bob"].map(|name| Account { certificates: certificates.clone(), ..account(name, 1) });
    for account in [&ann, &bob] {
        opened.learn(Fact::Account(account.clone()));
    }
    assert_eq!(opened.ask(store.account_of(certificates[0])), None);
    opened.learn(Fact::NoAccount(ann.key()));
    assert_eq!(opened.ask(store.account_of(certificates[0])), Some(bob));
}

#[test]
fn a_ban_that_was_not_told_is_not_undone_by_what_others_know() {
    let opened = Opened::new();
    let store = &opened.store;
    let set = UntoldBan { mask: name("*@set"), changed: Timestamp(5), ban: Some(ban("*@set", 5)) };
    let lifted = UntoldBan { mask: name("*@lifted"), changed: Timestamp(6), ban: None };
    opened.ask(store.add_ban(ban("*@lifted", 1)));
    for changed in [&set, &lifted] {
        opened.ask(store.change_ban(changed.clone()));
    }
    assert_eq!(opened.learn(Fact::NoBan(name("*@set"))), []);
    let facts = vec![Fact::Ban(ban("*@lifted", 1))];
    assert_eq!(opened.ask(store.take_over(Vec::new(), facts, HashSet::new())), []);
    assert_eq!(opened.masks(), HashSet::from(["*@set".to_owned()]));

    let untold = opened.ask(store.untold_bans());
    assert!(untold.len() == 2 && untold.contains(&set) && untold.contains(&lifted), "{untold:?}");
    // It was set once more while it was told.
    let again = UntoldBan { changed: Timestamp(7), ban: Some(ban("*@set", 7)), ..set.clone() };
    opened.ask(store.change_ban(again.clone()));
    for told in [set, lifted] {
        opened.ask(store.ban_was_told(told));
    }
    assert_eq!(opened.ask(store.untold_bans()), std::slice::from_ref(&again));
    opened.ask(store.ban_was_told(again));
    assert_eq!(opened.learn(Fact::NoBan(name("*@set"))), [Fact::NoBan(name("*@set"))]);
    assert!(opened.masks().is_empty());
}

#[test]
fn all_bans_that_have_not_ended_are_told_to_a_new_network() {
    let opened = Opened::new();
    let store = &opened.store;
    opened.ask(store.add_ban(ban("*@a", 1)));
    opened.ask(store.add_ban(ServerBan { until: Some(Timestamp(10)), ..ban("*@b", 2) }));
    opened.ask(store.tell_all_bans(Timestamp(10)));
    let told = UntoldBan { mask: name("*@a"), changed: Timestamp(1), ban: Some(ban("*@a", 1)) };
    assert_eq!(opened.ask(store.untold_bans()), [told]);
}
