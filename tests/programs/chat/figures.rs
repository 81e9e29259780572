//! The figures of one server, and the table of all.

use rig::page;

/// What was measured of a server in all rounds, in the order in which it was measured.
#[derive(Debug, Default)]
pub(crate) struct Figures(Vec<Figure>);

#[derive(Debug)]
struct Figure {
    what: String,
    unit: &'static str,
    /// One of each round; none if the server cannot do it.
    values: Vec<f64>,
}

impl Figures {
    /// Adds a value to what was measured before under the same name; `None` says that the server cannot do it.
    pub(crate) fn add(&mut self, what: impl Into<String>, unit: &'static str, value: Option<f64>) {
        let what = what.into();
        let known = self.0.iter_mut().find(|figure| figure.what == what);
        match known {
            Some(figure) => figure.values.extend(value),
            None => self.0.push(Figure { what, unit, values: value.into_iter().collect() }),
        }
    }
}

/// The table of these servers: a row a figure, with the medians of the rounds.
pub(crate) fn table(servers: &[&str], all: &[Figures]) -> String {
    let mut head = vec!["what", "unit"];
    head.extend(servers);
    let first = all.first().map_or(&[][..], |figures| &figures.0);
    let rows = first.iter().enumerate().map(|(row, figure)| {
        let cells = all.iter().map(|figures| figures.0.get(row).map_or_else(String::new, cell));
        [figure.what.clone(), figure.unit.to_owned()].into_iter().chain(cells).collect()
    });
    page::table(&head, 2, &rows.collect())
}

fn cell(figure: &Figure) -> String {
    median(&figure.values).map_or_else(|| "—".to_owned(), page::number)
}

/// The value in the middle.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
