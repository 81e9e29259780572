//! The pages of the guide: each is in the index, short, begins with the lines for a `Cargo.toml`, and has its programs run.

use std::collections::BTreeSet;
use std::fs;

use crate::house::root;

/// About two screens.
const MOST_LINES: usize = 110;

#[test]
fn every_page_is_in_the_index_and_has_its_programs_compiled_and_run() {
    let folder = root().join("docs/guide");
    let index = fs::read_to_string(folder.join("README.md")).unwrap();
    let links = index.lines().filter_map(|line| line.split_once("](").filter(|_| line.starts_with(char::is_numeric)));
    let linked: BTreeSet<_> = links.map(|(_, rest)| rest.split(')').next().unwrap().to_owned()).collect();
    let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let pages: BTreeSet<_> = entries.filter(|name| name != "README.md").collect();
    assert_eq!(linked, pages);
    let tested = fs::read_to_string(root().join("tests/rig/lib.rs")).unwrap();
    for name in pages {
        assert!(tested.contains(&format!("include_str!(\"../../docs/guide/{name}\")")), "{name} is not tested");
        let page = fs::read_to_string(folder.join(&name)).unwrap();
        let lines = page.lines().count();
        assert!(lines <= MOST_LINES, "{name} has {lines} lines");
        let first = page.split("```").nth(1).unwrap();
        assert!(first.starts_with("toml\n[dependencies]\n"), "{name} does not begin with the lines for a Cargo.toml");
        assert!(page.contains("```rust\n"), "{name} has no program that is run");
        assert!(!page.contains("```rust,"), "{name} has a program that is not run");
    }
}
