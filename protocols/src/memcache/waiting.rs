//! Requests that wait for their answers, and the lines of answers: no transport, no callbacks.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use futures_channel::oneshot;

use crate::memcache::error::MemcacheError;
use crate::memcache::item::MemcacheItem;

/// A request that waits for its answer.
pub(crate) enum PendingRequest {
    /// Waits for items. The keys are those still missing.
    Items {
        keys: BTreeSet<String>,
        found: BTreeMap<String, MemcacheItem>,
        answer: Answer<BTreeMap<String, MemcacheItem>>,
    },
    /// Waits for this line, or one that says that the request was not carried out.
    Done {
        line: &'static str,
        answer: Answer<bool>,
    },
    Number(Answer<Option<u64>>),
    Version(Answer<String>),
    Stats {
        found: BTreeMap<String, String>,
        answer: Answer<BTreeMap<String, String>>,
    },
}

pub(crate) type Answer<T> = oneshot::Sender<Result<T, MemcacheError>>;

/// The result of a line.
pub(crate) enum Progress {
    Answered,
    /// Another line follows.
    More(PendingRequest),
    /// The bytes of a value follow, and another line.
    Value(PendingRequest, ValueHeader),
    /// The line does not answer the request.
    Violation(PendingRequest),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ValueHeader {
    pub(crate) key: String,
    pub(crate) flags: u32,
    pub(crate) length: usize,
    pub(crate) cas: u64,
}

impl PendingRequest {
    /// Takes the next line of the answer.
    pub(crate) fn line_received(self, line: &str) -> Progress {
        if let Some(error) = error_in(line) {
            self.fail(error);
            return Progress::Answered;
        }
        // An answer whose request was dropped is thrown away.
        match self {
            Self::Items { found, answer, .. } if line == "END" => drop(answer.send(Ok(found))),
            Self::Items { mut keys, found, answer } => {
                let header = ValueHeader::parse(line);
                let asked = header.as_ref().is_some_and(|header| keys.remove(&header.key));
                let waiting = Self::Items { keys, found, answer };
                return match header {
                    Some(header) if asked => Progress::Value(waiting, header),
                    _ => Progress::Violation(waiting),
                };
            }
            Self::Done { line: done, answer } if line == done => drop(answer.send(Ok(true))),
            Self::Done { answer, .. } if NOT_DONE.contains(&line) => drop(answer.send(Ok(false))),
            Self::Number(answer) if line == "NOT_FOUND" => drop(answer.send(Ok(None))),
            Self::Number(answer) => match number(line) {
                Some(number) => drop(answer.send(Ok(Some(number)))),
                None => return Progress::Violation(Self::Number(answer)),
            },
            Self::Version(answer) => match line.strip_prefix("VERSION ") {
                Some(version) => drop(answer.send(Ok(version.to_owned()))),
                None => return Progress::Violation(Self::Version(answer)),
            },
            Self::Stats { found, answer } if line == "END" => drop(answer.send(Ok(found))),
            Self::Stats { mut found, answer } => {
                let stat = line.strip_prefix("STAT ").filter(|_| found.len() < MOST_STATS);
                let Some(stat) = stat else { return Progress::Violation(Self::Stats { found, answer }) };
                let (name, value) = stat.split_once(' ').unwrap_or((stat, ""));
                found.insert(name.to_owned(), value.to_owned());
                return Progress::More(Self::Stats { found, answer });
            }
            waiting @ Self::Done { .. } => return Progress::Violation(waiting),
        }
        Progress::Answered
    }

    /// Takes the item whose value was expected.
    pub(crate) fn item_received(&mut self, key: &str, item: MemcacheItem) {
        if let Self::Items { found, .. } = self {
            found.insert(key.to_owned(), item);
        }
    }

    pub(crate) fn fail(self, error: MemcacheError) {
        match self {
            Self::Items { answer, .. } => drop(answer.send(Err(error))),
            Self::Done { answer, .. } => drop(answer.send(Err(error))),
            Self::Number(answer) => drop(answer.send(Err(error))),
            Self::Version(answer) => drop(answer.send(Err(error))),
            Self::Stats { answer, .. } => drop(answer.send(Err(error))),
        }
    }
}

impl ValueHeader {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("VALUE ")?.split(' ');
        let mut word = || words.next();
        let (key, flags, length, cas) = (word()?, word()?, word()?, word()?);
        let header = Self { key: key.to_owned(), flags: number(flags)?, length: number(length)?, cas: number(cas)? };
        word().is_none().then_some(header)
    }
}

fn error_in(line: &str) -> Option<MemcacheError> {
    if line == "ERROR" {
        return Some(MemcacheError::UnknownCommand);
    }
    let (kind, text) = line.split_once(' ')?;
    match kind {
        "CLIENT_ERROR" => Some(MemcacheError::ClientError(text.to_owned())),
        "SERVER_ERROR" => Some(MemcacheError::ServerError(text.to_owned())),
        _ => None,
    }
}

/// Digits only, without a sign.
fn number<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok().filter(|_| text.starts_with(|first: char| first.is_ascii_digit()))
}

/// Why a request was not carried out: the key exists, does not exist, or has a newer value.
const NOT_DONE: [&str; 3] = ["NOT_STORED", "NOT_FOUND", "EXISTS"];

/// Servers have about a hundred.
const MOST_STATS: usize = 1000;
