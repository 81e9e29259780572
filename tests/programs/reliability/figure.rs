//! What a measurement gives, and its rows in the page.

use std::{fs, io};

use rig::page;

/// A measured value.
pub(crate) struct Figure {
    what: String,
    measured: f64,
    gate: Gate,
}

enum Gate {
    None,
    AtMost(f64),
    Exactly(f64),
}

impl Figure {
    /// A value that must not exceed the limit.
    pub(crate) fn at_most(gate: f64, what: impl Into<String>, measured: f64) -> Self {
        Self { what: what.into(), measured, gate: Gate::AtMost(gate) }
    }

    /// A count that must be exact.
    pub(crate) fn exactly(expected: u64, what: impl Into<String>, measured: u64) -> Self {
        Self { what: what.into(), measured: measured as f64, gate: Gate::Exactly(expected as f64) }
    }

    /// A value without a limit.
    pub(crate) fn told(what: impl Into<String>, measured: f64) -> Self {
        Self { what: what.into(), measured, gate: Gate::None }
    }

    pub(crate) fn is_over(&self) -> bool {
        // NaN means that it was not measured.
        match self.gate {
            Gate::None => false,
            Gate::AtMost(gate) => self.measured.is_nan() || self.measured > gate,
            Gate::Exactly(expected) => self.measured != expected,
        }
    }

    pub(crate) fn print(&self, name: &str) {
        let verdict = if self.is_over() { "over" } else { "ok" };
        let measured = page::number(self.measured);
        match self.gate() {
            gate if gate.is_empty() => println!("{name}: {}: {measured}", self.what),
            gate => println!("{name}: {}: {measured}, gate {gate}, {verdict}", self.what),
        }
    }

    fn gate(&self) -> String {
        match self.gate {
            Gate::None => String::new(),
            Gate::AtMost(gate) => page::number(gate),
            Gate::Exactly(expected) => format!("= {}", page::number(expected)),
        }
    }
}

/// The section of the page that `write` replaces rows of.
const COMMAND: &str = "target/release/reliability write";

/// The average number of processes that have wanted to run in the last minute.
pub(crate) fn load_of_the_machine() -> String {
    let average = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    average.split(' ').next().unwrap_or_default().to_owned()
}

/// Replaces the rows of a measurement, whatever its size was; those of one that has none are added.
pub(crate) fn write(name: &str, figures: &[Figure], load: &str) -> io::Result<()> {
    let mut rows = page::rows(&page::section(page::FIGURES, COMMAND)?);
    let title = |name: &str| name.trim_matches('`').split('=').next().unwrap_or_default().to_owned();
    let is_of = |row: &Vec<String>| title(&row[0]) == title(name);
    let place = rows.iter().position(is_of).unwrap_or(rows.len());
    rows.retain(|row| !is_of(row));
    let new = figures.iter().map(|figure| {
        vec![format!("`{name}`"), figure.what.clone(), figure.gate(), page::number(figure.measured), load.to_owned()]
    });
    rows.splice(place..place, new);
    page::replace_section(
        page::FIGURES,
        COMMAND,
        &page::table(&["name", "figure", "gate", "measured", "load"], 2, &rows),
    )
}
