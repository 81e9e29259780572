//! Rules of the project that the compiler does not check.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The folders of the reactor: each uses those before it.
const FOLDERS: [&str; 24] = [
    "util",
    "time",
    "address",
    "hub",
    "transport",
    "connection",
    "layer",
    "port",
    "driver",
    "net",
    "datagram",
    "unix",
    "simnet",
    "reactor",
    "task",
    "threads",
    "listen",
    "connect",
    "inspect",
    "io",
    "process",
    "endpoint",
    "service",
    "testing",
];

/// The folders of `protocols`, likewise.
const FOLDERS_OF_PROTOCOLS: [&str; 26] = [
    "util",
    "policies",
    "tls",
    "database",
    "auth",
    "receiver",
    "line",
    "string",
    "stateful",
    "segment",
    "codec",
    "telnet",
    "irc",
    "amp",
    "http1",
    "web_page",
    "proxy_header",
    "web_socket",
    "forward",
    "socks",
    "memcache",
    "finger",
    "ident",
    "wire",
    "console",
    "metrics",
];

/// The first folder that may name Tokio: what stands before it knows no runtime.
const FIRST_OF_TOKIO: &str = "driver";

#[test]
fn a_folder_uses_those_before_it() {
    let mut upwards = BTreeSet::new();
    for (krate, folders) in [("reactor", &FOLDERS[..]), ("protocols", &FOLDERS_OF_PROTOCOLS)] {
        for file in sources(&format!("{krate}/src")).into_iter().filter(|file| !is_of_tests(file)) {
            let Some(user) = folder_of(&file, krate) else { continue };
            for used in paths_in(&code_of(&file), &module_of(&file, krate)) {
                let used = used.split("::").next().unwrap_or_default();
                let is_folder = used.starts_with(char::is_lowercase) && !is_file(krate, used);
                if is_folder && place_of(used, folders) > place_of(&user, folders) {
                    upwards.insert(format!("{krate}: {user} uses {used}"));
                }
            }
        }
    }
    assert!(upwards.is_empty(), "{upwards:#?}");
}

#[test]
fn the_page_about_the_architecture_has_every_folder_in_this_order() {
    let page = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    for (krate, folders) in [("reactor", &FOLDERS[..]), ("protocols", &FOLDERS_OF_PROTOCOLS)] {
        let (_, section) = page.split_once(&format!("## The folders of `{krate}`")).unwrap();
        let section = section.split("\n## ").next().unwrap_or_default();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
        let names = rows.flat_map(|names| names.split(['`', ',', ' '])).filter(|name| !name.is_empty());
        let drawn: Vec<_> = names.filter(|name| !name.ends_with(".rs")).collect();
        assert_eq!(drawn, folders, "{krate}");
        for folder in fs::read_dir(root().join(krate).join("src")).unwrap().map(|entry| entry.unwrap().path()) {
            let name = folder.file_name().unwrap().to_str().unwrap();
            assert!(!folder.is_dir() || folders.contains(&name), "{krate}: {name} has no place: give it one");
        }
    }
}

#[test]
fn files_of_a_folder_do_not_use_each_other_in_circles() {
    let mut in_circles = BTreeSet::new();
    for krate in ["reactor", "protocols"] {
        let uses: HashMap<String, BTreeSet<String>> = sources(&format!("{krate}/src"))
            .into_iter()
            .filter(|file| !is_of_tests(file))
            .map(|file| (module_of(&file, krate), modules_used_by(&file, krate)))
            .collect();
        for module in uses.keys() {
            if is_reached(module, module, folder_in(module), &uses, &mut HashSet::new()) {
                in_circles.insert(format!("{krate}: {module}"));
            }
        }
    }
    assert!(in_circles.is_empty(), "{in_circles:#?}");
}

#[test]
fn the_folders_below_the_drivers_do_not_name_tokio() {
    for file in sources("reactor/src") {
        let Some(folder) = folder_of(&file, "reactor") else { continue };
        let names_tokio =
            code_of(&file).lines().any(|line| !line.trim_start().starts_with("//") && line.contains("tokio::"));
        assert!(
            place_of(&folder, &FOLDERS) >= place_of(FIRST_OF_TOKIO, &FOLDERS) || !names_tokio,
            "{} names tokio",
            file.display()
        );
    }
}

#[test]
fn imports_are_gathered_by_module() {
    for file in all_sources() {
        let text = fs::read_to_string(&file).unwrap();
        let mut above = HashSet::new();
        for line in text.lines() {
            let Some((visibility, path)) = line.split_once("use ").filter(|(before, _)| {
                let before = before.trim();
                (before.is_empty() || before.starts_with("pub")) && line.ends_with([';', '{'])
            }) else {
                above.clear();
                continue;
            };
            let path = path.split('{').next().unwrap_or_default().trim_end_matches(';').trim_end_matches("::");
            let module =
                if line.contains('{') { path } else { path.rsplit_once("::").map_or("", |(module, _)| module) };
            let first = module.is_empty() || above.insert(format!("{visibility}{module}"));
            assert!(first, "{} imports twice from {module}: {line}", file.display());
        }
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
fn no_folder_has_more_than_fourteen_files() {
    let mut files = HashMap::<PathBuf, usize>::new();
    for file in ["reactor/src", "protocols/src", "apps"].into_iter().flat_map(sources) {
        if !is_of_tests(&file) {
            *files.entry(file.parent().unwrap().to_owned()).or_default() += 1;
        }
    }
    for (folder, count) in files {
        assert!(count <= 14, "{} has {count} files: give some a folder of their own", folder.display());
    }
}

#[test]
fn unit_tests_longer_than_their_code_have_a_file_of_their_own() {
    for file in ["reactor/src", "protocols/src", "apps"].into_iter().flat_map(sources) {
        let (code, all) = (code_of(&file).lines().count(), fs::read_to_string(&file).unwrap().lines().count());
        let tests = all - code;
        assert!(code == 0 || tests <= code.max(100), "{} has {tests} lines of tests for {code}", file.display());
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

#[test]
fn figures_stand_in_the_page_of_figures_and_come_from_programs() {
    let page = fs::read_to_string(root().join("docs/figures.md")).unwrap();
    let begun = page.matches("\n<!-- written by: ").count();
    assert!(begun > 5 && begun == page.matches("\n<!-- end -->").count(), "a section has no end, or no beginning");
    let checks = fs::read_to_string(root().join("tests/programs/reliability/checks.rs")).unwrap();
    let names = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    for name in names {
        let name = name.split('=').next().unwrap_or_default();
        assert!(checks.contains(&format!("name: \"{name}\"")), "docs/figures.md has {name}, which nothing measures");
    }
    // Of other pages, those that say how fast or large something is.
    let pages = ["docs", "docs/guide", "reactor", "protocols", "apps/time-server", "apps/time-client", "."];
    let files = pages.into_iter().flat_map(|folder| fs::read_dir(root().join(folder)).unwrap());
    for file in files.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "md"))
    {
        let text = fs::read_to_string(&file).unwrap();
        let is_written = text == page || file.ends_with("CHANGELOG.md");
        for line in text.lines().filter(|_| !is_written) {
            for unit in [" instructions", " µs", " ns ", " callbacks a second", " messages a second"] {
                let is_figure =
                    line.match_indices(unit).any(|(at, _)| line[..at].ends_with(|c: char| c.is_ascii_digit()));
                assert!(!is_figure, "{} has a figure, which belongs into docs/figures.md: {line}", file.display());
            }
        }
    }
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

/// What stands before the unit tests; nothing, in a file of tests.
fn code_of(file: &Path) -> String {
    if is_of_tests(file) {
        return String::new();
    }
    let text = fs::read_to_string(file).unwrap();
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned()
}

/// Whether a file has the unit tests of another, or is one of several that have.
fn is_of_tests(file: &Path) -> bool {
    file.iter().skip_while(|part| *part != "src").any(|part| part == "tests" || part == "tests.rs")
}

/// Whether a module directly below the crate is a file, which is in no folder.
fn is_file(krate: &str, module: &str) -> bool {
    root().join(krate).join("src").join(module).with_extension("rs").exists()
}

/// The folder directly below the crate that a file is in; none for the front page.
fn folder_of(file: &Path, krate: &str) -> Option<String> {
    let inside = file.strip_prefix(root().join(krate).join("src")).unwrap();
    let folder = inside.parent().unwrap().components().next()?;
    Some(folder.as_os_str().to_str().unwrap().to_owned())
}

fn place_of(folder: &str, folders: &[&str]) -> usize {
    folders.iter().position(|other| *other == folder).unwrap_or_else(|| panic!("{folder} has no place: give it one"))
}

/// The path of a file's module below its crate, as in `net::tcp`.
fn module_of(file: &Path, krate: &str) -> String {
    let inside = file.strip_prefix(root().join(krate).join("src")).unwrap().with_extension("");
    let parts: Vec<_> = inside.iter().map(|part| part.to_str().unwrap()).collect();
    parts.join("::").trim_end_matches("::mod").to_owned()
}

fn folder_in(module: &str) -> &str {
    module.split("::").next().unwrap_or_default()
}

/// The modules that a file's code names, those that it is a part of included. What it only declares and exports are its
/// own parts and no uses.
fn modules_used_by(file: &Path, krate: &str) -> BTreeSet<String> {
    let code: Vec<_> = code_of(file).lines().filter(|line| !line.starts_with("pub use ")).map(str::to_owned).collect();
    let source = root().join(krate).join("src");
    let is_module = |path: &str| {
        let path = source.join(path.replace("::", "/"));
        path.with_extension("rs").exists() || path.join("mod.rs").exists()
    };
    let me = module_of(file, krate);
    let mut used = BTreeSet::new();
    for path in paths_in(&code.join("\n"), &me) {
        // Of `a::b::Item` the longest beginning that is a module.
        let mut path = path.trim_end_matches("::");
        while !is_module(path) {
            let Some((shorter, _)) = path.rsplit_once("::") else { break };
            path = shorter;
        }
        if is_module(path) && path != me {
            used.insert(path.to_owned());
        }
    }
    used
}

/// Whether `goal` is used, directly or by way of others of its folder.
fn is_reached(
    from: &str,
    goal: &str,
    folder: &str,
    uses: &HashMap<String, BTreeSet<String>>,
    seen: &mut HashSet<String>,
) -> bool {
    let mut used = uses.get(from).into_iter().flatten().filter(|used| folder_in(used) == folder);
    used.any(|used| used == goal || (seen.insert(used.clone()) && is_reached(used, goal, folder, uses, seen)))
}

/// The paths below the crate that a module's code names, documentation apart: by `crate::`, `self::` or `super::`, or
/// by a module that it declares.
fn paths_in(code: &str, module: &str) -> Vec<String> {
    let code: String =
        code.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect();
    let declared: HashSet<_> = code.lines().filter_map(|line| line.split_once("mod ")?.1.strip_suffix(';')).collect();
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let grouped = code.match_indices("::{").flat_map(|(at, _)| {
        let module = code[..at].rsplit(|c| !is_path(c)).next().unwrap_or_default();
        let names = code[at + 3..].split('}').next().unwrap_or_default();
        names.split(',').map(move |name| format!("{module}::{}", name.trim()))
    });
    code.split(|c| !is_path(c))
        .map(str::to_owned)
        .chain(grouped)
        .filter_map(|path| {
            let (first, mut rest) = path.split_once("::")?;
            let below = |module: &str, rest: &str| format!("{module}::{rest}").trim_start_matches("::").to_owned();
            match first {
                "crate" => Some(rest.to_owned()),
                "self" => Some(below(module, rest)),
                "super" => {
                    let mut above = parent_of(module);
                    while let Some(higher) = rest.strip_prefix("super::") {
                        (above, rest) = (parent_of(above), higher);
                    }
                    Some(below(above, rest))
                }
                _ if declared.contains(first) => Some(below(module, &path)),
                _ => None,
            }
        })
        .collect()
}

fn parent_of(module: &str) -> &str {
    module.rsplit_once("::").map_or("", |(parent, _)| parent)
}
