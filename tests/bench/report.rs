//! The tables.

use shared::page;

use crate::modes::Mode;
use crate::peers::{BASELINE, OURS};
use crate::rounds::Measured;

/// What was measured of each server in each mode.
pub(crate) struct Report<'a>(pub(crate) Vec<Measured<'a>>);

impl Report<'_> {
    /// Figures, with their ratio to those of the baseline in the same rounds.
    pub(crate) fn figures(&self) -> String {
        let title = |mode: &Mode| format!("{}, {}", mode.name, mode.measure());
        self.table(title, |measured, name| {
            let figure = page::number(measured.each(name)?);
            Some(match measured.ratio(name) {
                Some(ratio) if !measured.mode.is_of_memory() => format!("{figure} ({ratio:.2})"),
                _ => figure,
            })
        })
    }

    /// The ratios; of memory, bytes.
    pub(crate) fn ratios(&self) -> String {
        let title = |mode: &Mode| if mode.is_of_memory() { mode.measure() } else { mode.name.to_owned() };
        self.table(title, |measured, name| {
            if measured.mode.is_of_memory() {
                return Some(page::number(measured.each(name)?.round()));
            }
            Some(format!("{:.2}", measured.ratio(name)?))
        })
    }

    fn table(&self, title: impl Fn(&Mode) -> String, cell: impl Fn(&Measured<'_>, &str) -> Option<String>) -> String {
        let titles: Vec<_> = self.0.iter().map(|measured| title(measured.mode)).collect();
        let head: Vec<_> = [""].into_iter().chain(titles.iter().map(String::as_str)).collect();
        let rows = self.names().into_iter().map(|name| {
            let shown = if name == OURS { format!("**{name}**") } else { name.to_owned() };
            [shown].into_iter().chain(self.0.iter().map(|measured| cell(measured, name).unwrap_or_default())).collect()
        });
        page::table(&head, 1, &rows.collect())
    }

    /// The servers in the order in which they are measured.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for measured in &self.0 {
            names.extend(measured.names().filter(|name| !names.contains(name)).collect::<Vec<_>>());
        }
        names.sort_by_key(|name| crate::peers::PEERS.iter().position(|peer| peer.name == *name));
        names
    }

    /// What is needed to repeat it.
    pub(crate) fn circumstances(&self, rounds: usize, seconds: f64) -> String {
        let modes: Vec<_> =
            self.0.iter().map(|measured| format!("*{}*: {}", measured.mode.name, measured.mode.what)).collect();
        format!(
            "{}. Medians of {rounds} rounds of {} s, in which the servers take turns; in parentheses the median of the ratios \
             to {BASELINE} in the same rounds. {}",
            modes.join("; "),
            page::number(seconds),
            machine(),
        )
    }
}

/// What it was measured on.
fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let processors = info.lines().filter(|line| line.starts_with("processor")).count();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    format!(
        "{processors} processors ({}), Linux {}, a load of {} at the end.",
        model.unwrap_or("unknown").trim(),
        kernel.split('-').next().unwrap_or_default().trim(),
        load.split(' ').next().unwrap_or_default(),
    )
}
