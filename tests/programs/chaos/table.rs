//! The table, and whether everything in it is as promised.

use std::io;

use rig::page;

use crate::attacks::ATTACKS;
use crate::honest::Tally;
use crate::round::{Cell, Report, Whole};

/// Writes the attacks into the page.
pub(crate) fn write(report: &Report) -> io::Result<()> {
    let rows = ATTACKS.iter().zip(&report.cells).map(|(attack, cells)| {
        let mut tally = Tally::default();
        cells.iter().flatten().for_each(|cell| tally.add(&cell.tally));
        let largest =
            cells.iter().zip(&report.servers).filter_map(|(cell, server)| Some((cell.as_ref()?.grown, server)));
        let (grown, server) =
            largest.max_by_key(|(grown, _)| *grown).map_or((0, ""), |(grown, server)| (grown, &server.name));
        let left: usize = cells.iter().flatten().map(|cell| cell.left).sum();
        vec![
            attack.name.to_owned(),
            page::number(tally.asked as f64),
            page::number(tally.lost as f64),
            page::number(tally.p99().into()),
            format!("{:.0} ({server})", mebibytes(grown)),
            page::number(left as f64),
        ]
    });
    let head = ["attack", "honest requests", "lost", "ms, p99", "MiB more, at the most", "descriptors left"];
    let circumstances = format!("{} minutes, {} servers.", report.rounds, report.servers.len());
    let table = page::table(&head, 1, &rows.collect());
    page::replace_section(page::FIGURES, "target/release/chaos MINUTES write", &format!("{circumstances}\n\n{table}"))
}

/// Prints the table and what is wrong with it; returns whether nothing is.
pub(crate) fn print(report: &Report) -> bool {
    let names: Vec<_> = report.servers.iter().map(|server| server.name.clone()).collect();
    println!(
        "{:<25} {:>8} {:>6} {:>8} {:>6} {:>8} {:>24} {:>12}",
        "", "asked", "lost", "near", "lost", "ms, p99", "MiB more, at most", "descriptors"
    );
    for (attack, cells) in ATTACKS.iter().zip(&report.cells) {
        row(attack.name, &names, cells.iter().map(Option::as_ref));
    }
    println!();
    for (number, server) in report.servers.iter().enumerate() {
        row(&server.name, &names, report.cells.iter().map(|cells| cells[number].as_ref()));
    }
    let wrong = wrong(report);
    println!();
    for what in &wrong {
        println!("{what}");
    }
    println!(
        "{} rounds, {} kinds of attack, {} servers: {}",
        report.rounds,
        ATTACKS.len(),
        names.len(),
        match wrong.len() {
            0 => "as promised".to_owned(),
            count => format!("{count} things are not as promised"),
        }
    );
    wrong.is_empty()
}

fn row<'a>(title: &str, names: &[String], cells: impl Iterator<Item = Option<&'a Cell>>) {
    let mut tally = Tally::default();
    let (mut grown, mut left, mut largest) = (0, 0, None);
    for (number, cell) in cells.enumerate() {
        let Some(cell) = cell else { continue };
        tally.add(&cell.tally);
        left += cell.left;
        if cell.grown >= grown {
            (grown, largest) = (cell.grown, Some(number));
        }
    }
    // Of an attack, the server that grew most.
    let which =
        largest.and_then(|number| names.get(number)).filter(|_| ATTACKS.iter().any(|attack| attack.name == title));
    let which = which.map(|name| format!(" {name}")).unwrap_or_default();
    let p99 = tally.p99();
    println!(
        "{title:<25} {:>8} {:>6} {:>8} {:>6} {p99:>8.1} {:>24} {left:>12}",
        tally.asked,
        tally.lost,
        tally.near_asked,
        tally.near_lost,
        format!("{:.1}{which}", mebibytes(grown)),
    );
}

/// What is worse than the documentation promises.
fn wrong(report: &Report) -> Vec<String> {
    let mut wrong = Vec::new();
    for (attack, cells) in ATTACKS.iter().zip(&report.cells) {
        for (cell, server) in cells.iter().zip(&report.servers) {
            let Some(cell) = cell else { continue };
            let at = format!("{}, {}", server.name, attack.name);
            let Tally { asked, lost, .. } = cell.tally;
            if asked == 0 {
                wrong.push(format!("{at}: nobody could ask"));
            }
            if lost > 0 {
                let reason = cell.tally.reason.as_deref().unwrap_or_default();
                wrong.push(format!("{at}: {lost} of {asked} honest requests were lost; the first: {reason}"));
            }
            if cell.grown > MOST_MEMORY {
                wrong.push(format!("{at}: memory grew by {:.0} MiB", mebibytes(cell.grown)));
            }
            if cell.left > 0 {
                wrong.push(format!("{at}: {} descriptors are not given back", cell.left));
            }
        }
    }
    for server in &report.servers {
        wrong.extend(wrong_with(server, report.rounds).into_iter().map(|what| format!("{}: {what}", server.name)));
    }
    wrong
}

fn wrong_with(server: &Whole, rounds: usize) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Some(how) = &server.died {
        wrong.push(format!("it did not end in order: {how}"));
    }
    if server.busy > MOST_BUSY {
        wrong.push(format!("it used {:.0} % of a processor at rest", server.busy * 100.0));
    }
    if server.logged > MOST_LOGGED * rounds {
        wrong.push(format!("it logged {} lines", server.logged));
    }
    // Memory that the first round has made it keep is kept for the next.
    if let [_, first, .., last] = server.at_rest[..]
        && last > first + MOST_KEPT
    {
        wrong.push(format!("memory at rest has grown by {:.0} MiB", mebibytes(last - first)));
    }
    wrong
}

fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// The budget that comes of 300 MiB is 75 MiB; buffers take up to twice what is in them.
const MOST_MEMORY: usize = 160 << 20;

/// Between the second round and the last.
const MOST_KEPT: usize = 16 << 20;

/// The part of a processor that an unasked server may use.
const MOST_BUSY: f64 = 0.05;

/// Log lines in a minute; those that tell of panics are the program's own business.
const MOST_LOGGED: usize = 200;
