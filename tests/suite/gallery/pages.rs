//! The pages as such: links lead somewhere, and tables are complete.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::house::root;

#[test]
fn every_link_leads_to_a_file_and_to_a_heading_in_it() {
    let mut links = 0;
    for page in pages() {
        let text = prose(&page);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(file.exists(), "{} links {target}", page.display());
            assert!(heading.is_empty() || headings(&file).contains(heading), "{} links {target}", page.display());
            links += 1;
        }
    }
    assert!(links > 100, "{links}");
}

#[test]
fn every_table_has_a_head_and_rows_of_one_width() {
    let mut rows = 0;
    for page in pages() {
        let text = prose(&page);
        let mut above: Vec<&str> = Vec::new();
        for line in text.lines().chain([""]) {
            if !line.trim_start().starts_with('|') {
                above.clear();
                continue;
            }
            above.push(line);
            let is_rule = above.len() != 2 || line.chars().all(|c| "|-: ".contains(c));
            assert!(is_rule, "{} has a table without a head: {}", page.display(), above[0]);
            assert_eq!(cells(line), cells(above[0]), "{}: {line}", page.display());
            rows += 1;
        }
    }
    assert!(rows > 100, "{rows}");
}

#[test]
fn the_page_of_figures_names_what_the_program_measures_and_nothing_else() {
    let program = fs::read_to_string(root().join("tests/programs/reliability/checks.rs")).unwrap();
    let names = program.split("Check { name: \"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let measured: BTreeSet<_> = names.collect();
    let page = prose(&root().join("docs/figures.md"));
    let first_cells = page.lines().filter_map(|line| line.strip_prefix("| `")?.split(['`', '=']).next());
    let shown: BTreeSet<_> = first_cells.collect();
    assert!(measured.len() > 10);
    assert_eq!(shown, measured);
}

/// The pages of the repository.
fn pages() -> Vec<PathBuf> {
    let folders = ["", "docs", "docs/guide", "reactor", "protocols"].map(|folder| root().join(folder));
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "md")).collect()
}

/// A page without its blocks of code.
fn prose(page: &Path) -> String {
    let text = fs::read_to_string(page).unwrap();
    let mut is_code = false;
    let lines = text.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The headings of a page, as links name them.
fn headings(page: &Path) -> HashSet<String> {
    let text = prose(page);
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        words.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>().replace(' ', "-")
    });
    headings.collect()
}

fn cells(row: &str) -> usize {
    row.replace("\\|", "").matches('|').count()
}
