//! Rules of the house that no compiler keeps.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// The floors of the reactor: a module uses those of its own floor and of the floors below.
const FLOORS: [&[&str]; 6] = [
    &[
        "address",
        "calls",
        "clock",
        "connection_budget",
        "contain",
        "datagram_address",
        "datagram_socket",
        "datagram_transport",
        "delayed_call",
        "descriptors",
        "draining",
        "hub",
        "interface",
        "log_limit",
        "output",
        "output_budget",
        "pacing",
        "peer_credentials",
        "pending",
        "port",
        "process_terminated",
        "process_transport",
        "reason",
        "refusals",
        "state",
        "timers",
        "transport",
        "unix_address",
        "wakers",
        "watchers",
    ],
    &[
        "accept_limits",
        "admission",
        "datagram",
        "datagram_options",
        "destination",
        "factory",
        "options",
        "process_protocol",
        "protocol",
        "target",
        "unix_options",
    ],
    &["connection", "nested", "policy", "process_adapter"],
    &[
        "activation",
        "async_stream",
        "child",
        "connect_error",
        "datagram_driver",
        "driver",
        "executor",
        "legacy",
        "linger",
        "memory",
        "numbered",
        "pipe",
        "pool",
        "race",
        "resolve",
        "simnet",
        "socket",
        "stream",
        "tcp",
        "udp",
        "unix",
        "unix_datagram",
        "unix_file",
        "unix_lock",
    ],
    &[
        "acceptor",
        "adopt",
        "adopt_stream",
        "backoff",
        "blocking_call",
        "budgets",
        "connect",
        "connector",
        "cooperate",
        "endpoint",
        "handover",
        "jobs",
        "listen",
        "looping_call",
        "process",
        "reactor",
        "remote",
        "retry",
        "run",
        "service",
        "stdio",
        "threads",
        "tokio_stream",
    ],
    &["lib", "testing"],
];

#[test]
fn a_module_of_the_reactor_uses_no_floor_above_its_own() {
    for file in sources("reactor/src") {
        let module = module_of(&file);
        let floor = floor_of(&module).unwrap_or_else(|| panic!("{module} has no floor: give it one"));
        for line in code_of(&file).lines() {
            let Some(path) = line.strip_prefix("use crate::") else { continue };
            let used = path.split([':', ';']).next().unwrap_or_default();
            let used_floor = floor_of(used).unwrap_or_else(|| panic!("{used} has no floor: give it one"));
            assert!(used_floor <= floor, "{module} (floor {floor}) uses {used} (floor {used_floor}): {line}");
        }
    }
}

#[test]
fn tokio_belongs_to_the_upper_floors() {
    for file in sources("reactor/src") {
        let floor = floor_of(&module_of(&file)).unwrap_or_default();
        let names_tokio =
            code_of(&file).lines().any(|line| !line.trim_start().starts_with("//") && line.contains("tokio::"));
        assert!(floor >= 3 || !names_tokio, "{} names tokio", file.display());
    }
}

#[test]
fn no_file_is_longer_than_five_hundred_lines_before_its_tests() {
    for file in ["reactor/src", "protocols/src", "apps"].into_iter().flat_map(sources) {
        let lines = code_of(&file).lines().count();
        assert!(lines <= 500, "{} has {lines} lines", file.display());
    }
}

#[test]
fn no_test_sleeps() {
    for file in all_sources() {
        let text = fs::read_to_string(&file).unwrap();
        let is_test = file.starts_with(root().join("tests")) || file.iter().any(|part| part == "tests");
        let tests = if is_test { &text[..] } else { &text[code_of(&file).len()..] };
        for call in [concat!("thread::", "sleep"), concat!("time::", "sleep(")] {
            assert!(!tests.contains(call), "{} calls {call}", file.display());
        }
    }
}

#[test]
fn what_is_said_twice_about_the_toolchain_agrees() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains(&format!("({version} or newer)")), "the README names another Rust than {version}");
}

#[test]
fn what_the_guide_for_porting_names_is_there() {
    let code: String = ["reactor/src", "protocols/src"]
        .into_iter()
        .flat_map(sources)
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let is_type =
        |name: &str| ["struct", "enum", "trait", "type"].iter().any(|kind| is_in(&code, &format!("pub {kind} {name}")));
    let is_member = |name: &str| is_in(&code, &format!("fn {name}")) || is_in(&code, &format!("\n    {name}"));
    let guide = fs::read_to_string(root().join("docs/porting.md")).unwrap();
    let mut names = 0;
    for row in guide.lines().filter(|line| line.starts_with("| ")) {
        let ours = row.split(" | ").nth(1).unwrap_or_default();
        for text in ours.split('`').skip(1).step_by(2) {
            let path = text.split('(').next().unwrap_or_default();
            let (owner, name) = path.rsplit_once("::").unwrap_or(("", path));
            let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
            // A type with a path may be another crate's; a word may be one of the language's.
            if is_name && (is_type(owner) || owner.is_empty() && name.contains('_') && name.to_lowercase() == name) {
                assert!(is_member(name), "there is no {path}, which docs/porting.md names: {row}");
                names += 1;
            }
        }
    }
    assert!(names > 150, "{names}");
}

/// Whether the code has these words, and nothing that makes the last of them longer.
fn is_in(code: &str, words: &str) -> bool {
    code.match_indices(words)
        .any(|(at, _)| !code[at + words.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

pub(crate) fn all_sources() -> Vec<PathBuf> {
    ["reactor", "protocols", "apps", "tests"].into_iter().flat_map(sources).collect()
}

/// The Rust files below a folder of the project.
fn sources(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    assert!(!files.is_empty());
    files
}

/// What stands before the unit tests.
fn code_of(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned()
}

/// The module directly below the crate that a file belongs to.
fn module_of(file: &Path) -> String {
    let inside = file.strip_prefix(root().join("reactor/src")).unwrap();
    let first = inside.components().next().unwrap();
    Path::new(first.as_os_str()).file_stem().unwrap().to_str().unwrap().to_owned()
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}
