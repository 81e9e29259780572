//! The tutorial shows the code of the examples: each block of Rust in `docs/tutorial.md` names a file and is an excerpt
//! of it. Its fence has the words `rust` and the name; a line `// …` marks an omission.

use std::fs;

use crate::house::root;

/// A block of code on the page.
struct Block {
    /// What follows the three backquotes.
    fence: String,
    code: String,
}

#[test]
fn the_tutorial_shows_the_examples_as_they_are() {
    let blocks = blocks(&page());
    let shown: Vec<_> = blocks.iter().filter(|block| block.fence.starts_with("rust")).collect();
    assert!(shown.len() >= 12, "the page shows {} excerpts", shown.len());
    for Block { fence, code } in shown {
        let file = fence.strip_prefix("rust ").unwrap_or_else(|| panic!("a block names no file:\n{code}"));
        let text = fs::read_to_string(root().join("protocols/examples").join(file))
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(is_excerpt(code, &text), "{file} has no longer:\n{code}");
    }
}

#[test]
fn the_tutorial_has_every_stage_and_runs_no_program_that_there_is_not() {
    let page = page();
    let examples = root().join("protocols/examples");
    let mut stages = 0;
    for entry in fs::read_dir(&examples).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.strip_prefix("finger").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
            assert!(page.contains(&format!("](../protocols/examples/{name})")), "no link to {name}");
            stages += 1;
        }
    }
    assert_eq!(stages, 12);
    for (_, rest) in page.match_indices("--example ").map(|(at, word)| page.split_at(at + word.len())) {
        let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
        assert!(examples.join(name).with_extension("rs").exists(), "there is no example {name}");
    }
}

#[test]
fn an_excerpt_is_whole_lines_in_their_order() {
    let text = "fn one() {\n    a();\n    b();\n}\n\nfn two() {\n    c();\n}\n";
    for excerpt in [text, "a();\nb();\n", "fn one() {\n    a();\n", "fn one() {\n    // …\n    b();\n}\n// …\nc();\n"]
    {
        assert!(is_excerpt(excerpt, text), "{excerpt}");
    }
    for other in ["a()\n", "a();\nc();\n", "fn one() {\na();\n", "c();\n// …\na();\n", "", "// …\n", "d();\n"] {
        assert!(!is_excerpt(other, text), "{other}");
    }
}

fn page() -> String {
    fs::read_to_string(root().join("docs/tutorial.md")).unwrap()
}

fn blocks(page: &str) -> Vec<Block> {
    let parts: Vec<_> = page.split("```").collect();
    assert!(parts.len() % 2 == 1, "a block has no end");
    let blocks = parts.iter().skip(1).step_by(2).map(|block| {
        let (fence, code) = block.split_once('\n').unwrap();
        Block { fence: fence.to_owned(), code: code.to_owned() }
    });
    blocks.collect()
}

/// Whether the pieces between the marks are whole lines of the text, one after the other, however deep they are indented.
fn is_excerpt(excerpt: &str, text: &str) -> bool {
    let (excerpt, text): (Vec<_>, Vec<_>) = (excerpt.lines().collect(), text.lines().collect());
    let mut rest = &text[..];
    excerpt.split(|line| line.trim() == "// …").all(|piece| {
        let piece = outdented(piece);
        let found = rest.windows(piece.len().max(1)).position(|lines| !piece.is_empty() && outdented(lines) == piece);
        rest = &rest[found.map_or(0, |at| at + piece.len())..];
        found.is_some()
    })
}

/// The lines without the spaces that all of them begin with.
fn outdented<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let spaces = |line: &&str| line.len() - line.trim_start().len();
    let common = lines.iter().filter(|line| !line.is_empty()).map(spaces).min().unwrap_or(0);
    lines.iter().map(|line| line.get(common..).unwrap_or_default()).collect()
}
