//! The lengths of the programs, compared with Twisted's. The figures are in `docs/gallery.md`; to print them:
//! `cargo test -p tests gallery::lengths -- --nocapture`.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use crate::house::root;

/// How much longer than Twisted's a program may be.
const MOST: f64 = 1.5;

/// A row of the page.
struct Row {
    twisteds: String,
    twisteds_lines: usize,
    name: String,
    lines: usize,
}

#[test]
fn every_program_is_about_as_short_as_twisteds() {
    let mut wrong = Vec::new();
    println!("{:60} {:>8}   {:22} {:>8} {:>6}", "Twisted's", "lines", "ours", "lines", "ratio");
    for Row { twisteds, twisteds_lines, name, lines } in rows() {
        let counted: usize = files(&name).iter().map(|path| code_lines(&fs::read_to_string(path).unwrap())).sum();
        let ratio = counted as f64 / twisteds_lines as f64;
        println!("{twisteds:60} {twisteds_lines:>8}   {name:22} {counted:>8} {ratio:>6.2}");
        if counted != lines {
            wrong.push(format!("{name} has {counted} lines, and docs/gallery.md says {lines}"));
        }
        if ratio > MOST {
            wrong.push(format!("{name} has {counted} lines, which is more than {MOST} times {twisteds_lines}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_example_is_on_the_page() {
    let page = page();
    let entries = fs::read_dir(root().join("protocols/examples")).unwrap();
    let names: Vec<_> = entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_owned()).collect();
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        assert!(page.contains(&format!("[`{0}`](../protocols/examples/{0}", name.display())), "{}", name.display());
    }
}

#[test]
fn lines_are_counted_as_the_page_says() {
    let program = "\
        //! Comments do not count.\n\
        \n\
        use std::env;\n\
        use std::io;\n\
        use std::net::SocketAddr;\n\
        \n\
        /// Nor do these.\n\
        fn main() {\n\
            // Nor these.\n\
            call(|x| {\n\
                x.text(\"one\n\
                two\");\n\
            });\n\
        }\n\
        \n\
        #[cfg(test)]\n\
        mod tests {\n\
            use super::*;\n\
        }\n";
    // Two imports, `fn main`, the call, and a text of two lines.
    assert_eq!(code_lines(program), 6);
}

fn page() -> String {
    fs::read_to_string(root().join("docs/gallery.md")).unwrap()
}

/// The file of a program, or the files of its folder but for its tests.
fn files(name: &str) -> Vec<PathBuf> {
    let examples = root().join("protocols/examples");
    let file = examples.join(format!("{name}.rs"));
    if file.exists() {
        return vec![file];
    }
    let entries = fs::read_dir(examples.join(name)).unwrap();
    entries.map(|entry| entry.unwrap().path()).filter(|path| !path.ends_with("tests.rs")).collect()
}

/// The rows of the tables that name a program of Twisted's.
fn rows() -> Vec<Row> {
    let rows: Vec<_> = page().lines().filter_map(row).collect();
    assert!(rows.len() > 30, "the page has {} rows", rows.len());
    rows
}

/// Number, Twisted's program, its lines, our program, its lines, and more.
fn row(line: &str) -> Option<Row> {
    let cells: Vec<_> = line.strip_prefix("| ")?.split(" | ").collect();
    cells[0].parse::<u32>().ok()?;
    let name = cells[3].strip_prefix("[`").unwrap().split('`').next().unwrap().to_owned();
    let number = |cell: &str| cell.parse().unwrap_or_else(|_| panic!("{cell} is no number of lines: {line}"));
    Some(Row { twisteds: cells[1].to_owned(), twisteds_lines: number(cells[2]), name, lines: number(cells[4]) })
}

/// The lines before the tests that hold code: neither empty nor a comment, nor brackets that end a block, for which
/// Python has no line; what is imported from one module counts once, as in Python one line imports it.
fn code_lines(text: &str) -> usize {
    let program = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut modules = HashSet::new();
    let mut in_import = false;
    program
        .lines()
        .map(str::trim)
        .filter(|line| {
            let continues = in_import;
            in_import = (in_import || line.starts_with("use ")) && !line.ends_with(';');
            !continues
        })
        .filter(|line| !line.starts_with("//") && line.contains(|char: char| !"})];,?".contains(char)))
        .filter(|line| {
            let module = line.strip_prefix("use ").and_then(|path| path.rsplit_once("::"));
            module.is_none_or(|(module, _)| modules.insert(module.to_owned()))
        })
        .count()
}
