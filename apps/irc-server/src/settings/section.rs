//! A table of a TOML file, of which each key is read by its name, and what was not read is a mistake.

use std::collections::HashSet;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::time::Duration;

use protocols::auth::PasswordHash;
use reactor::text::escaped;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::Mistake;

/// Reads the values of a table into settings, which keep their defaults where there are none, and collects the mistakes.
pub(super) struct Section<'a> {
    text: &'a str,
    /// As the header of the table has it; empty for the whole file.
    name: &'static str,
    table: Option<&'a DeTable<'a>>,
    known: HashSet<&'static str>,
    mistakes: Vec<Mistake>,
}

impl<'a> Section<'a> {
    pub(super) fn whole(text: &'a str, table: &'a DeTable<'a>) -> Self {
        Self::new(text, "", Some(table))
    }

    fn new(text: &'a str, name: &'static str, table: Option<&'a DeTable<'a>>) -> Self {
        Self { text, name, table, known: HashSet::new(), mistakes: Vec::new() }
    }

    /// Reads the table of this name.
    pub(super) fn section(&mut self, name: &'static str, read: impl FnOnce(&mut Self)) {
        let found = self.find(name);
        let table = found.and_then(|value| value.get_ref().as_table());
        if let (Some(value), None) = (found, table) {
            self.expected(name, value, format!("a table: write `[{name}]`"));
        }
        self.read(Section::new(self.text, name, table), read);
    }

    /// Reads each of the tables that are headed by `[[name]]`.
    pub(super) fn sections(&mut self, name: &'static str, mut read: impl FnMut(&mut Self)) {
        let Some(value) = self.find(name) else { return };
        for value in value.get_ref().as_array().into_iter().flatten() {
            if let Some(table) = value.get_ref().as_table() {
                self.read(Section::new(self.text, name, Some(table)), &mut read);
            }
        }
        if !value.get_ref().as_array().is_some_and(|all| all.iter().all(|one| one.get_ref().is_table())) {
            self.expected(name, value, format!("a list of tables: write `[[{name}]]`"));
        }
    }

    fn read(&mut self, mut section: Self, read: impl FnOnce(&mut Self)) {
        read(&mut section);
        self.mistakes.append(&mut section.finish());
    }

    /// The mistakes, those that nothing has asked for included.
    pub(super) fn finish(mut self) -> Vec<Mistake> {
        for key in self.table.into_iter().flat_map(|table| table.keys()) {
            if !self.known.contains(key.get_ref().as_ref()) {
                let sentence = self.unknown(key.get_ref());
                self.mistake(&key.span(), sentence);
            }
        }
        self.mistakes
    }

    fn unknown(&self, key: &str) -> String {
        let distance = |known: &&&str| strsim::damerau_levenshtein(known, key);
        let nearest = self.known.iter().min_by_key(|known| (distance(known), **known));
        let advice = match nearest.filter(|known| distance(known) <= 1 + key.len() / 3) {
            Some(nearest) => format!("; did you mean `{nearest}`?"),
            None => String::new(),
        };
        let place = if self.name.is_empty() { String::new() } else { format!(" in [{}]", self.name) };
        format!("there is no `{}`{place}{advice}", escaped(key))
    }

    /// A whole number.
    pub(super) fn number<T: TryFrom<u64>>(&mut self, key: &'static str, range: RangeInclusive<u64>, into: &mut T) {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.value(key, &expected, into, |value| {
            number(value).filter(|number| range.contains(number)).and_then(|number| T::try_from(number).ok())
        });
    }

    /// One of some whole numbers.
    pub(super) fn number_of<T: TryFrom<u64>>(&mut self, key: &'static str, all: &[u64], into: &mut T) {
        let names: Vec<_> = all.iter().map(u64::to_string).collect();
        let expected = match names.split_last() {
            Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
            _ => names.concat(),
        };
        self.value(key, &expected, into, |value| {
            number(value).filter(|number| all.contains(number)).and_then(|number| T::try_from(number).ok())
        });
    }

    pub(super) fn boolean(&mut self, key: &'static str, into: &mut bool) {
        self.value(key, "true or false", into, DeValue::as_bool);
    }

    /// A time with a unit.
    pub(super) fn duration(&mut self, key: &'static str, range: RangeInclusive<Duration>, into: &mut Duration) {
        let [least, most] = [range.start(), range.end()].map(|limit| duration_text(*limit));
        let expected = format!("a time with its unit (ms, s, min, h, d), from \"{least}\" to \"{most}\"");
        self.value(key, &expected, into, |value| parse_duration(value.as_str()?).filter(|time| range.contains(time)));
    }

    /// A text that `is_valid`, as `expected` says.
    pub(super) fn text(&mut self, key: &'static str, expected: &str, is_valid: fn(&str) -> bool, into: &mut String) {
        self.value(key, expected, into, |value| value.as_str().filter(|text| is_valid(text)).map(str::to_owned));
    }

    /// A text, or none if it is empty.
    pub(super) fn optional(&mut self, key: &'static str, into: &mut Option<String>) {
        self.value(key, "a text", into, |value| Some(Some(value.as_str()?.to_owned()).filter(|text| !text.is_empty())));
    }

    /// A text that `is_valid`, or none if it is empty. What stands in the file may have a password, and is not repeated in the
    /// mistake.
    pub(super) fn secret(
        &mut self,
        key: &'static str,
        expected: &str,
        is_valid: fn(&str) -> bool,
        into: &mut Option<String>,
    ) {
        let Some(value) = self.find(key) else { return };
        match value.get_ref().as_str() {
            Some("") => *into = None,
            Some(text) if is_valid(text) => *into = Some(text.to_owned()),
            _ => self.mistake(&value.span(), format!("`{key}` must be {expected}")),
        }
    }

    /// A path, or none if it is empty.
    pub(super) fn path(&mut self, key: &'static str, into: &mut Option<PathBuf>) {
        let mut path = into.take().map(|path| path.to_string_lossy().into_owned());
        self.optional(key, &mut path);
        *into = path.map(PathBuf::from);
    }

    /// Lines of text: one text, or a list of them.
    pub(super) fn lines(&mut self, key: &'static str, into: &mut Vec<String>) {
        self.value(key, "a text, or a list of texts without line ends", into, |value| match value {
            DeValue::String(text) => Some(text.lines().map(str::to_owned).collect()),
            value => texts(value).filter(|lines| !lines.iter().any(|line| line.contains(['\r', '\n', '\0']))),
        });
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, key: &'static str, into: &mut Vec<String>) {
        self.value(key, "a list of texts", into, texts);
    }

    /// A list of names, of which each is one of `all`.
    pub(super) fn choices<T: Copy>(
        &mut self,
        key: &'static str,
        all: &[T],
        name: impl Fn(T) -> &'static str,
        into: &mut Vec<T>,
    ) {
        let names: Vec<_> = all.iter().map(|one| format!("\"{}\"", name(*one))).collect();
        self.value(key, &format!("a list of these: {}", names.join(", ")), into, |value| {
            let chosen = texts(value)?;
            chosen.iter().map(|chosen| all.iter().copied().find(|one| name(*one) == chosen)).collect()
        });
    }

    /// The hash of a password, or none if it is empty. What stands in the file is not repeated in the mistake.
    pub(super) fn password(&mut self, key: &'static str, into: &mut Option<PasswordHash>) {
        let Some(value) = self.find(key) else { return };
        match value.get_ref().as_str() {
            Some("") => *into = None,
            Some(text) if text.parse::<PasswordHash>().is_ok() => *into = text.parse().ok(),
            _ => {
                let sentence =
                    format!("`{key}` must be the hash of a password, which `irc-server --hash-password` prints");
                self.mistake(&value.span(), sentence);
            }
        }
    }

    /// Says that a table lacks a key that it must have.
    pub(super) fn missing(&mut self, key: &str) {
        let first = self.table.and_then(|table| table.keys().map(Spanned::span).min_by_key(|span| span.start));
        let sentence = format!("[[{}]] needs `{key}`", self.name);
        self.mistake(&first.unwrap_or_default(), sentence);
    }

    fn value<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        into: &mut T,
        read: impl FnOnce(&DeValue<'a>) -> Option<T>,
    ) {
        let Some(value) = self.find(key) else { return };
        match read(value.get_ref()) {
            Some(value) => *into = value,
            None => self.expected(key, value, expected),
        }
    }

    fn find(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.insert(key);
        self.table?.get(key)
    }

    fn expected(&mut self, key: &str, value: &Spanned<DeValue<'a>>, expected: impl Display) {
        let written = self.text.get(value.span()).unwrap_or_default();
        let first = written.lines().next().unwrap_or_default();
        let shown: String = first.chars().take(MOST_SHOWN).collect();
        let more = if shown.len() < written.len() { "…" } else { "" };
        self.mistake(&value.span(), format!("`{key}` must be {expected}, not {}{more}", escaped(&shown)));
    }

    fn mistake(&mut self, span: &Range<usize>, sentence: String) {
        self.mistakes.push(Mistake { line: line_at(self.text, span.start), sentence });
    }
}

/// The number of the line that has this byte, from 1.
pub(super) fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

fn number(value: &DeValue<'_>) -> Option<u64> {
    let number = value.as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn texts(value: &DeValue<'_>) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|one| one.get_ref().as_str().map(str::to_owned)).collect()
}

/// A number and a unit, with or without a space: `30s`, `2 min`.
fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: u64 = number.parse().ok()?;
    let (_, milliseconds) = UNITS.iter().find(|(name, _)| *name == unit.trim_start())?;
    Some(Duration::from_millis(number.checked_mul(*milliseconds)?))
}

/// The same time in the largest unit of which it is a whole number.
fn duration_text(time: Duration) -> String {
    let milliseconds = time.as_millis();
    let fits = |unit: &&(&str, u64)| milliseconds > 0 && milliseconds.is_multiple_of(unit.1.into());
    let (name, unit) = UNITS.iter().rev().find(fits).unwrap_or(&UNITS[1]);
    format!("{}{name}", milliseconds / u128::from(*unit))
}

/// In milliseconds, in ascending order.
const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

const MOST_SHOWN: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_each_unit_and_written_in_the_largest_that_fits() {
        for (text, milliseconds, written) in [
            ("500ms", 500, "500ms"),
            ("30 s", 30_000, "30s"),
            ("120s", 120_000, "2min"),
            ("24h", 86_400_000, "1d"),
            ("0ms", 0, "0s"),
        ] {
            let time = parse_duration(text).unwrap();
            assert_eq!((time, duration_text(time)), (Duration::from_millis(milliseconds), written.to_owned()));
        }
        for wrong in ["", "30", "s", "-1s", "1.5s", "1 week", "99999999999999999999s", "18446744073709551615d"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }
}
