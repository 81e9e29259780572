//! Tables in the project's pages that programs write, so that nobody types a figure.
//!
//! Such a table stands between `<!-- written by: COMMAND -->` and `<!-- end -->`. The command is what a reader runs to
//! write it anew, and names the table.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// The page of figures, by its path in the project.
pub const FIGURES: &str = "docs/figures.md";

/// The cells of the rows of a Markdown table, without its head.
pub type Rows = Vec<Vec<String>>;

/// The project's own folder.
pub fn project() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let project = package.ancestors().find(|folder| folder.join(FIGURES).exists());
    project.unwrap_or(package).to_owned()
}

/// What stands between the marks of this command in a page of the project, such as [`FIGURES`].
///
/// # Errors
///
/// If the page cannot be read, or has no such marks.
pub fn section(page: &str, command: &str) -> io::Result<String> {
    let text = fs::read_to_string(project().join(page))?;
    let (from, to) = place(&text, page, command)?;
    Ok(text[from..to].trim().to_owned())
}

/// Puts this text between the marks.
///
/// # Errors
///
/// The same, and if the page cannot be written.
pub fn replace_section(page: &str, command: &str, section: &str) -> io::Result<()> {
    let path = project().join(page);
    let mut text = fs::read_to_string(&path)?;
    let (from, to) = place(&text, page, command)?;
    text.replace_range(from..to, &format!("\n{}\n", section.trim()));
    fs::write(path, text)
}

fn place(text: &str, page: &str, command: &str) -> io::Result<(usize, usize)> {
    let begin = format!("<!-- written by: {command} -->");
    let marks = text.find(&begin).and_then(|at| {
        let from = at + begin.len();
        Some((from, from + text[from..].find("\n<!-- end -->")? + 1))
    });
    marks.ok_or_else(|| io::Error::other(format!("{page} has no section {begin} that ends with <!-- end -->")))
}

/// The rows of the first table in a text. A cell that is empty in the first column means the one above it.
pub fn rows(text: &str) -> Rows {
    let mut rows: Rows = Vec::new();
    for line in text.lines().skip_while(|line| !line.starts_with("|---")).skip(1) {
        let Some(cells) = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')) else { break };
        let mut cells: Vec<_> = cells.split('|').map(|cell| cell.trim().to_owned()).collect();
        if cells[0].is_empty() {
            cells[0] = rows.last().map(|row| row[0].clone()).unwrap_or_default();
        }
        rows.push(cells);
    }
    rows
}

/// A Markdown table. Columns but those in `left` are aligned to the right; a first cell like the one above it is left
/// empty.
pub fn table(head: &[&str], left: usize, rows: &Rows) -> String {
    let line = |cells: &mut dyn Iterator<Item = String>| {
        cells.fold("|".to_owned(), |line, cell| if cell.is_empty() { line + " |" } else { format!("{line} {cell} |") })
    };
    let mut lines = vec![line(&mut head.iter().map(|&name| name.to_owned()))];
    let aligned = (0..head.len()).map(|column| if column < left { "---|" } else { "---:|" });
    lines.push(format!("|{}", aligned.collect::<String>()));
    for (number, row) in rows.iter().enumerate() {
        let repeats = number > 0 && rows[number - 1][0] == row[0];
        let cells = row.iter().enumerate();
        lines.push(line(
            &mut cells.map(|(column, cell)| if column == 0 && repeats { String::new() } else { cell.clone() }),
        ));
    }
    lines.join("\n")
}

/// A figure with commas between thousands, and three digits that matter, or all of a larger one.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    let decimals = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    let text = if text.contains(|c: char| c.is_ascii_digit() && c != '0') { text } else { "0".to_owned() };
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && digit.is_ascii_digit() && (whole.len() - place).is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { grouped } else { format!("{grouped}.{fraction}") }
}
