//! Compares the page about Twisted's statements with the tests that it names, so that neither can drift.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::house::{all_sources, root};

const STATEMENTS: u16 = 287;

/// A line of the page.
struct Row {
    statement: u16,
    verdict: Verdict,
    tests: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Kept,
    Changed,
    NotApplicable,
    NotYet,
}

fn rows() -> Vec<Row> {
    let page = fs::read_to_string(root().join("docs/twisted-conformance.md")).unwrap();
    page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| S |")).map(row).collect()
}

fn row(line: &str) -> Row {
    let [_, statement, twisted, here, shown, _] = line.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
        panic!("not four columns: {line}")
    };
    assert!(!twisted.is_empty(), "nothing is said of Twisted: {line}");
    let verdicts = [
        ("kept", Verdict::Kept),
        ("changed: ", Verdict::Changed),
        ("n/a: ", Verdict::NotApplicable),
        ("not yet", Verdict::NotYet),
    ];
    let verdict = verdicts.into_iter().find(|(word, _)| here.starts_with(word));
    let (_, verdict) = verdict.unwrap_or_else(|| panic!("no verdict, or no reason for it: {line}"));
    let tests =
        shown.split(", ").filter(|test| !test.is_empty()).map(|test| test.trim_matches('`').to_owned()).collect();
    Row { statement: statement.parse().expect(line), verdict, tests }
}

/// The names of all tests that are named after a statement.
fn named_tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in all_sources() {
        for line in fs::read_to_string(file).unwrap().lines() {
            let Some((name, _)) = line.trim_start().strip_prefix("fn ").and_then(|rest| rest.split_once('(')) else {
                continue;
            };
            if statement_of(name).is_some() {
                assert!(names.insert(name.to_owned()), "two tests are named {name}");
            }
        }
    }
    names
}

/// The statement that a test is named after.
fn statement_of(test: &str) -> Option<u16> {
    let (number, _) = test.strip_prefix('s')?.split_once('_')?;
    (number.len() == 3).then(|| number.parse().ok()).flatten()
}

#[test]
fn the_page_has_every_statement_once_and_in_order() {
    let statements: Vec<_> = rows().iter().map(|row| row.statement).collect();
    assert_eq!(statements, (1..=STATEMENTS).collect::<Vec<_>>());
}

#[test]
fn what_is_kept_or_changed_is_shown_by_a_test_named_after_it() {
    for row in rows() {
        let named_after_it = row.tests.iter().filter(|test| statement_of(test) == Some(row.statement)).count();
        match row.verdict {
            Verdict::Kept | Verdict::Changed => assert!(named_after_it > 0, "S{} is not shown", row.statement),
            Verdict::NotApplicable | Verdict::NotYet => {
                assert!(row.tests.is_empty(), "S{} names a test", row.statement);
            }
        }
    }
}

#[test]
fn the_page_names_the_tests_there_are() {
    let tests = named_tests();
    let mut on_page = BTreeMap::new();
    for row in rows() {
        for test in row.tests {
            assert!(tests.contains(&test), "S{} is shown by {test}, which does not exist", row.statement);
            on_page.insert(test, row.statement);
        }
    }
    for test in tests {
        assert!(on_page.contains_key(&test), "{test} is not on the page");
    }
}
