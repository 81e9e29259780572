//! The counts that are known, as a table in a page.

use std::fmt::{Display, Formatter};
use std::{env, fmt, io};

use rig::page;

use super::Counts;

/// How much larger a count may be than the known one, as a share of it. What repeats itself differs by a thousandth.
const TOLERANCE: f64 = 0.03;

/// What is too little to be a difference: one allocation in five hundred messages, for example.
const NOTHING: f64 = 0.002;

/// Rows in order.
#[derive(Default)]
pub(super) struct Table(Vec<(String, Counts)>);

impl Table {
    /// The table of builds by this program's profile.
    pub(super) fn read() -> io::Result<Self> {
        let rows = page::rows(&page::section(page::FIGURES, &command()?)?);
        let read = |row: Vec<String>| {
            let cell = |column: usize| row.get(column)?.replace(',', "").parse().ok();
            let [instructions, allocations, system_calls, bytes] = [1, 2, 3, 4].map(cell);
            (row[0].clone(), Counts { instructions, allocations, system_calls, bytes })
        };
        Ok(Self(rows.into_iter().map(read).collect()))
    }

    pub(super) fn write(&self) -> io::Result<()> {
        let rows = self.0.iter().map(|(name, counts)| {
            let cells = counts.columns().map(|(_, count)| count.map(page::number).unwrap_or_default());
            [name.clone()].into_iter().chain(cells).collect()
        });
        let columns = Counts::default().columns().map(|(column, _)| column);
        let head: Vec<_> = [""].into_iter().chain(columns).collect();
        page::replace_section(page::FIGURES, &command()?, &page::table(&head, 1, &rows.collect()))
    }

    pub(super) fn add(&mut self, name: &str, counts: Counts) {
        self.0.push((name.to_owned(), counts));
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    pub(super) fn counts(&self, name: &str) -> Counts {
        self.0.iter().find(|(other, _)| other == name).map(|(_, counts)| *counts).unwrap_or_default()
    }
}

/// The command that writes the table of builds by this program's profile, which is known by the folder that Cargo has put
/// the program into.
pub(super) fn command() -> io::Result<String> {
    let program = env::current_exe()?;
    let folder = program.parent().and_then(|folder| folder.file_name()).unwrap_or_default();
    Ok(format!("target/{}/reliability counts", folder.display()))
}

impl Counts {
    fn columns(self) -> [(&'static str, Option<f64>); 4] {
        [
            ("instructions", self.instructions),
            ("allocations", self.allocations),
            ("system calls", self.system_calls),
            ("bytes on the heap", self.bytes),
        ]
    }
}

/// What a count is beside the known one.
pub(super) enum Verdict {
    Same(String),
    Better(String),
    Worse(String),
    Unknown(String),
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same(what) => write!(f, "{what}, ok"),
            Self::Better(what) => write!(f, "{what}, better: write it down, so that it stays so"),
            Self::Worse(what) => write!(f, "{what}, worse"),
            Self::Unknown(what) => write!(f, "{what}, not in {}", page::FIGURES),
        }
    }
}

pub(super) fn compare(name: &str, known: Counts, counted: Counts) -> Vec<Verdict> {
    let columns = known.columns().into_iter().zip(counted.columns());
    let compared = columns.filter_map(|((column, known), (_, counted))| match (known, counted) {
        (None, None) => None,
        (None, Some(counted)) => Some(Verdict::Unknown(format!("{name}: {} {column}", page::number(counted)))),
        (Some(known), counted) => {
            // What was counted before, and is not now, is no improvement.
            let counted = counted.unwrap_or(f64::NAN);
            let what = format!("{name}: {} {column}, known {}", page::number(counted), page::number(known));
            let margin = (known * TOLERANCE).max(NOTHING);
            Some(match counted {
                counted if (counted - known).abs() <= margin => Verdict::Same(what),
                counted if counted < known => Verdict::Better(what),
                _ => Verdict::Worse(what),
            })
        }
    });
    compared.collect()
}
