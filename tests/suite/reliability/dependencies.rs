//! R35: the sources and licences of our dependencies.
//!
//! Known vulnerabilities of crates are not checked: that needs a database from the network.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

#[test]
fn every_dependency_comes_from_the_registry_with_a_checksum() {
    let ours = [
        "fast",
        "fuzz",
        "install",
        "irc-server",
        "protocols",
        "reactor",
        "reactor-bridge",
        "reactor-top",
        "tests",
        "time-client",
        "time-server",
        "time-window",
    ];
    for lock in ["Cargo.lock", "apps/python-bridge/Cargo.lock", "apps/time-window/Cargo.lock", "tests/fuzz/Cargo.lock"]
    {
        let text = fs::read_to_string(root().join(lock)).unwrap();
        let packages: Vec<_> = text.split("[[package]]").skip(1).collect();
        assert!(packages.len() > 10);
        for package in packages {
            let field = |name: &str| package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
            let name = field("name").unwrap().trim_matches('"');
            match field("source") {
                None => assert!(ours.contains(&name), "{name} comes from a folder, in {lock}"),
                Some(source) => {
                    assert_eq!(source, "\"registry+https://github.com/rust-lang/crates.io-index\"", "{name} in {lock}");
                    assert!(field("checksum").is_some(), "{name} has no checksum in {lock}");
                }
            }
        }
    }
}

#[test]
fn every_dependency_may_be_used_on_our_own_terms() {
    let mut checked = 0;
    for package in metadata()["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let licence = package["license"].as_str().unwrap_or_else(|| panic!("{name} names no licence"));
        assert!(allowed(licence), "{name}: {licence}");
        checked += 1;
    }
    assert!(checked > 10);
}

#[test]
fn a_licence_expression_is_allowed_if_one_choice_of_every_part_is() {
    for expression in ["MIT", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "(MIT OR Apache-2.0) AND Unicode-3.0"] {
        assert!(allowed(expression), "{expression}");
    }
    for expression in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND MPL-2.0", ""] {
        assert!(!allowed(expression), "{expression}");
    }
}

/// Our published crates do not each bring a version of the same thing.
#[test]
fn no_dependency_of_the_reactor_is_there_twice() {
    let tree =
        cargo(&["tree", "-p", "reactor", "-p", "protocols", "-e", "normal", "--prefix", "none", "--format", "{p}"]);
    let mut crates: Vec<_> =
        tree.lines().map(|line| line.trim_end_matches(" (*)").trim_end_matches(" (proc-macro)")).collect();
    crates.sort_unstable();
    crates.dedup();
    let name = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    for pair in crates.windows(2) {
        assert_ne!(name(pair[0]), name(pair[1]), "{pair:?}");
    }
}

/// Every part joined by AND, with a choice joined by OR in parentheses or alone, offers one that is on the list.
fn allowed(expression: &str) -> bool {
    let licences = licences();
    expression.split(" AND ").all(|part| {
        let part = part.trim_matches(['(', ')']).replace('/', " OR ");
        part.split(" OR ").any(|choice| licences.iter().any(|licence| licence == choice.trim()))
    })
}

/// Those that allow what ours, `MIT OR Apache-2.0`, allows: the list that `cargo deny` reads.
fn licences() -> Vec<String> {
    let configuration = fs::read_to_string(root().join("deny.toml")).unwrap();
    let (_, list) = configuration.split_once("\nallow = [").unwrap();
    let (list, _) = list.split_once(']').unwrap();
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// What cargo knows about the dependencies that are used on this machine. Nothing is fetched.
fn metadata() -> Value {
    let version = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    serde_json::from_str(&cargo(&["metadata", "--format-version=1", "--filter-platform", host])).unwrap()
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--offline", "--locked"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
