use std::collections::BTreeSet;
use std::time::Duration;

use super::{Opened, line, name, text};
use crate::server::request::{HistoryQuery, Place, Record, Which};
use crate::server::{Kind, Timestamp};
use crate::settings::HistorySettings;
use crate::store::Fact;

pub(super) fn latest(target: &str, limit: usize) -> HistoryQuery {
    query(target, Which::Latest(None), limit)
}

fn query(target: &str, which: Which, limit: usize) -> HistoryQuery {
    HistoryQuery { target: name(target), which, limit }
}

fn id(msgid: &str) -> Place {
    Place::Msgid(name(msgid))
}

fn at(time: u64) -> Place {
    Place::Time(Timestamp(time))
}

fn texts(lines: &[Record]) -> String {
    lines.iter().map(|line| text(&line.speech.text)).collect::<Vec<_>>().join(" ")
}

impl Opened {
    /// What was said, or `None` if there is no such place.
    fn said(&self, which: Which, limit: usize) -> Option<String> {
        self.ask(self.store.history(query("#a", which, limit))).map(|lines| texts(&lines))
    }

    fn append(&self, lines: Vec<Record>) {
        self.ask(self.store.append(lines, None));
    }
}

/// Lines `a` to `f`, of which `c` and `d` were said at one time, and others elsewhere.
fn conversation() -> Opened {
    let opened = Opened::new();
    // As they come in a cluster: not in the order of time.
    let lines = [(6, "f"), (1, "a"), (2, "b"), (3, "c"), (3, "d"), (5, "e")];
    opened.append(lines.iter().map(|(at, text)| line("#a", *at, text)).collect());
    opened.append(vec![line("#b", 3, "other")]);
    opened
}

#[test]
fn each_request_brings_the_lines_that_it_names_in_the_order_of_time() {
    let opened = conversation();
    for (which, limit, lines) in [
        (Which::Latest(None), 2, "e f"),
        (Which::Latest(None), 100, "a b c d e f"),
        (Which::Latest(Some(id("c"))), 100, "d e f"),
        (Which::Latest(Some(id("a"))), 2, "e f"),
        (Which::Latest(Some(at(3))), 100, "e f"),
        (Which::Before(id("d")), 2, "b c"),
        (Which::Before(at(3)), 100, "a b"),
        (Which::Before(at(4)), 2, "c d"),
        (Which::Before(id("a")), 2, ""),
        (Which::After(id("c")), 2, "d e"),
        (Which::After(at(3)), 1, "e"),
        (Which::After(at(2)), 100, "c d e f"),
        (Which::After(id("f")), 2, ""),
        (Which::Around(id("d")), 3, "c d e"),
        (Which::Around(id("d")), 4, "b c d e"),
        (Which::Around(id("a")), 4, "a b c d"),
        (Which::Around(at(4)), 2, "d e"),
        (Which::Around(id("d")), 1, "d"),
        (Which::Between(id("a"), id("e")), 100, "b c d"),
        (Which::Between(id("a"), id("e")), 2, "b c"),
        (Which::Between(id("e"), id("a")), 2, "c d"),
        (Which::Between(at(1), at(6)), 100, "b c d e"),
        (Which::Between(at(6), at(1)), 1, "e"),
        (Which::Between(at(3), at(3)), 100, ""),
        (Which::Between(id("c"), at(9)), 100, "d e f"),
        (Which::Between(at(u64::MAX), at(0)), 100, "a b c d e f"),
        (Which::Latest(None), 0, ""),
    ] {
        assert_eq!(opened.said(which.clone(), limit).as_deref(), Some(lines), "{which:?}, {limit}");
    }
}

#[test]
fn a_place_in_another_target_is_none_of_this_one() {
    let opened = conversation();
    assert_eq!(opened.said(Which::After(id("other")), 100), None);
    assert_eq!(opened.said(Which::Between(id("a"), id("nothing")), 100), None);
    assert_eq!(opened.ask(opened.store.history(latest("#nowhere", 10))), Some(Vec::new()));
}

#[test]
fn a_line_comes_back_with_all_that_it_had() {
    let opened = Opened::new();
    let mut line = line("#a", 7, "hello");
    line.speech.kind = Kind::Notice;
    line.speech.account = Some(name("Ann"));
    line.speech.bot = true;
    line.speech.tags = Some(name("+reply=x"));
    line.speech.text = name("'; DROP TABLE lines; --");
    line.target = name("'; DROP TABLE targets; --");
    opened.append(vec![line.clone()]);
    let query = HistoryQuery { target: line.target.clone(), which: Which::Latest(None), limit: 1 };
    assert_eq!(opened.ask(opened.store.history(query)), Some(vec![line]));
}

#[test]
fn a_line_that_comes_twice_is_kept_once() {
    let opened = Opened::new();
    for _ in 0..3 {
        opened.append(vec![line("#a", 1, "one"), line("#a", 1, "one"), line("#a", 2, "two")]);
    }
    assert_eq!(opened.said(Which::Latest(None), 100).as_deref(), Some("one two"));
}

#[test]
fn a_question_sees_all_that_was_appended_before_it_was_asked() {
    let opened = Opened::new();
    let mut committed = Vec::new();
    for number in 0..1000 {
        committed.push(opened.store.append(vec![line("#a", number, &number.to_string())], None));
    }
    let lines = opened.ask(opened.store.history(latest("#a", 2000))).unwrap();
    assert_eq!(lines.len(), 1000);
    for commit in committed {
        opened.ask(commit);
    }
}

#[test]
fn of_a_target_no_more_lines_are_kept_than_may_be_and_the_first_go_first() {
    let opened = Opened::with(HistorySettings { messages: 10, ..HistorySettings::default() });
    for number in 0..50 {
        opened.append(vec![line("#a", number, &number.to_string())]);
    }
    opened.append(vec![line("#b", 1, "other")]);
    assert_eq!(opened.said(Which::Latest(None), 100).as_deref(), Some("40 41 42 43 44 45 46 47 48 49"));
}

#[test]
fn lines_older_than_they_may_be_go_in_steps() {
    let opened = Opened::with(HistorySettings { age: Duration::from_secs(1), ..HistorySettings::default() });
    let lines = (0..1200).map(|number| line("#a", number, &number.to_string()));
    opened.append(lines.collect());
    opened.append(vec![line("#b", 5, "old")]);
    let now = Timestamp(2100);
    let mut steps = 1;
    while opened.ask(opened.store.forget_old(now)) {
        steps += 1;
    }
    assert!(steps > 1);
    let left = opened.ask(opened.store.history(latest("#a", 2000))).unwrap();
    assert_eq!((left.len(), left[0].speech.at), (100, Timestamp(1100)));
    assert_eq!(opened.ask(opened.store.history(latest("#b", 10))), Some(Vec::new()));
    opened.append(vec![line("#a", 1200, "1200")]);
    assert_eq!(opened.ask(opened.store.history(latest("#a", 2000))).unwrap().len(), 101);
}

#[test]
fn in_all_no_more_lines_are_kept_than_may_be() {
    let opened = Opened::with(HistorySettings { total: 1000, ..HistorySettings::default() });
    for target in ["#a", "#b", "#c"] {
        opened.append((0..700).map(|number| line(target, 1, &format!("{target}{number}"))).collect());
    }
    while opened.ask(opened.store.forget_old(Timestamp(2))) {}
    let kept = |target| opened.ask(opened.store.history(latest(target, 2000))).unwrap().len();
    assert_eq!(["#a", "#b", "#c"].map(kept), [0, 300, 700]);
}

#[test]
fn targets_are_channels_that_were_named_and_everybody_somebody_talked_with() {
    let opened = Opened::new();
    opened.append(vec![
        line("#a", 10, "1"),
        line("#secret", 20, "2"),
        line("ann,bob", 30, "3"),
        line("ann,zoe", 40, "4"),
        line("bob,zoe", 50, "5"),
        line("#a", 60, "6"),
    ]);
    let targets = |of: &str, after, before, limit| {
        let channels = vec![name("#a"), name("#nowhere")];
        let found = opened.store.targets(name(of), channels, Timestamp(after), Timestamp(before), limit);
        let found = opened.ask(found);
        found.iter().map(|(name, at)| format!("{} {}", text(name), at.0)).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(targets("ann", 0, 100, 10), "bob 30, zoe 40, #A 60");
    assert_eq!(targets("zoe", 0, 100, 10), "ann 40, bob 50, #A 60");
    assert_eq!(targets("zoe", 0, 100, 2), "ann 40, bob 50");
    assert_eq!(targets("zoe", 100, 0, 2), "bob 50, #A 60");
    assert_eq!(targets("zoe", 40, 60, 10), "bob 50");
    assert_eq!(targets("zoe", 50, u64::MAX, 10), "#A 60");
    assert_eq!(targets("nobody", 0, 60, 10), "");
}

#[test]
fn appending_from_many_sides_loses_nothing() {
    let opened = Opened::new();
    std::thread::scope(|scope| {
        for side in 0..4 {
            let store = opened.store.clone();
            scope.spawn(move || {
                for number in 0..250 {
                    drop(store.append(vec![line("#a", number, &format!("{side}-{number}"))], None));
                }
            });
        }
    });
    let lines = opened.ask(opened.store.history(latest("#a", 2000))).unwrap();
    let different: BTreeSet<_> = lines.iter().map(|line| line.speech.msgid.clone()).collect();
    assert_eq!((lines.len(), different.len()), (1000, 1000));
}

#[test]
fn the_conversations_of_an_account_go_with_it_and_those_of_others_stay() {
    let opened = Opened::new();
    opened.append(vec![line("ann,bob", 1, "private"), line("bob,eve", 2, "other"), line("#a", 3, "public")]);
    opened.ask(opened.store.learn(Fact::NoAccount(name("ann"))));
    let left = |target| opened.ask(opened.store.history(latest(target, 10))).map(|lines| texts(&lines));
    assert_eq!(left("ann,bob").unwrap(), "");
    assert_eq!(left("bob,eve").unwrap(), "other");
    assert_eq!(left("#a").unwrap(), "public");
}
