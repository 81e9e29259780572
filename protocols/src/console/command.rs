//! What a line asks for.

use std::time::Duration;

use reactor::inspect::Reading;
use tracing::level_filters::LevelFilter;

use crate::console::row::{ConnectionId, ConnectionRow, HelpRow, reading};

/// A line, as it was understood.
#[derive(Debug, PartialEq)]
pub(crate) struct Request {
    /// Whether the answer is for programs.
    pub(crate) json: bool,
    /// The first word of the command.
    pub(crate) word: String,
    pub(crate) command: Result<Command, String>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Ps(Query),
    Top(Duration),
    Stats,
    Slow,
    Timers(usize),
    Ports,
    Jobs,
    Log(LevelFilter, Option<String>),
    Close { id: ConnectionId, now: bool },
    Drain { port: String, within: Option<Duration> },
    Trace { id: ConnectionId, wire: bool },
    Help,
    Quit,
}

/// Which connections to list, and in which order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Query {
    filters: Vec<Filter>,
    pub(crate) sort: Option<Number>,
    pub(crate) limit: Option<usize>,
}

#[derive(Clone, Debug, PartialEq)]
enum Filter {
    Contains(Text, String),
    Reading(Reading),
    More(Number, u64),
    Less(Number, u64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Text {
    Id,
    Port,
    Host,
    Peer,
    Protocol,
}

/// A field that is a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Age,
    Idle,
    BytesIn,
    BytesOut,
    Reads,
    Unsent,
    Deferred,
}

const TEXTS: [(&str, Text); 5] =
    [("id", Text::Id), ("port", Text::Port), ("host", Text::Host), ("peer", Text::Peer), ("protocol", Text::Protocol)];

const NUMBERS: [(&str, Number); 7] = [
    ("age_ms", Number::Age),
    ("idle_ms", Number::Idle),
    ("bytes_in", Number::BytesIn),
    ("bytes_out", Number::BytesOut),
    ("reads", Number::Reads),
    ("unsent_bytes", Number::Unsent),
    ("deferred_calls", Number::Deferred),
];

/// How each command is written, and what it does.
const HELP: [(&str, &str); 13] = [
    (
        "ps [FILTER...] [sort=FIELD] [limit=N]",
        "the connections; filters: peer=TEXT, port=, host=, protocol=, id=, reading=, idle_ms>N, bytes_in<N, ...",
    ),
    ("top [SECONDS]", "what did most in this time"),
    ("stats", "the numbers of each thread"),
    ("slow", "the last callbacks that kept everybody waiting"),
    ("timers [limit=N]", "the timed calls that are due first"),
    ("ports", "the ports, and whom they have turned away"),
    ("jobs", "what runs on other threads, and what is deferred"),
    ("log LEVEL [TARGET]", "change what is logged: off, error, warn, info, debug, trace"),
    ("close ID [now]", "close a connection when everything is sent, or at once"),
    ("drain PORT [SECONDS]", "listen no more, and ask the connections to finish, in this time"),
    ("trace ID [wire]", "what passes on a connection, until a line is received; wire: outside all layers"),
    ("help", "this"),
    ("quit", "close the console; after `json`, each of these is answered in JSON"),
];

pub(crate) fn help() -> impl Iterator<Item = HelpRow> {
    HELP.into_iter().map(|(usage, text)| HelpRow { usage: usage.to_owned(), text: text.to_owned() })
}

impl Request {
    /// `None` for a line without words.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let line = String::from_utf8_lossy(line);
        let mut words = line.split_whitespace().peekable();
        let json = words.next_if_eq(&"json").is_some();
        let word = words.next().or_else(|| json.then_some("json"))?;
        let arguments: Vec<_> = words.collect();
        Some(Self { json, word: shortened(word), command: Command::parse(word, &arguments) })
    }
}

/// The beginning of something that nobody knows how long it is.
fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

impl Command {
    fn parse(word: &str, arguments: &[&str]) -> Result<Self, String> {
        let usage = || {
            let usage =
                HELP.iter().find(|(usage, _)| usage.split(' ').next() == Some(word)).map_or(word, |(usage, _)| usage);
            format!("usage: {usage}")
        };
        match (word, arguments) {
            ("ps", filters) => Ok(Self::Ps(Query::parse(filters)?)),
            ("top", []) => Ok(Self::Top(Duration::from_secs(1))),
            ("top", [seconds]) => Ok(Self::Top(seconds_of(seconds)?.clamp(SHORTEST_TOP, LONGEST_TOP))),
            ("stats", []) => Ok(Self::Stats),
            ("slow", []) => Ok(Self::Slow),
            ("timers", []) => Ok(Self::Timers(20)),
            ("timers", [limit]) => {
                let limit = limit.strip_prefix("limit=").and_then(|limit| limit.parse().ok()).ok_or_else(usage)?;
                Ok(Self::Timers(limit))
            }
            ("ports", []) => Ok(Self::Ports),
            ("jobs", []) => Ok(Self::Jobs),
            ("log", [level, target @ ..]) if target.len() <= 1 => {
                let level = level.parse().ok().filter(|_| level.starts_with(char::is_alphabetic)).ok_or_else(usage)?;
                Ok(Self::Log(level, target.first().map(|target| (*target).to_owned())))
            }
            ("close", [id]) => Ok(Self::Close { id: id_of(id)?, now: false }),
            ("close", [id, "now"]) => Ok(Self::Close { id: id_of(id)?, now: true }),
            ("drain", [port]) => Ok(Self::Drain { port: (*port).to_owned(), within: None }),
            ("drain", [port, seconds]) => {
                Ok(Self::Drain { port: (*port).to_owned(), within: Some(seconds_of(seconds)?) })
            }
            ("trace", [id]) => Ok(Self::Trace { id: id_of(id)?, wire: false }),
            ("trace", [id, "wire"]) => Ok(Self::Trace { id: id_of(id)?, wire: true }),
            ("help", []) => Ok(Self::Help),
            ("quit", []) => Ok(Self::Quit),
            _ if HELP.iter().any(|(usage, _)| usage.split(' ').next() == Some(word)) => Err(usage()),
            _ => Err(format!("there is no command {:?}; `help` lists them", shortened(word))),
        }
    }
}

fn id_of(text: &str) -> Result<ConnectionId, String> {
    text.parse().map_err(|error| format!("{:?} is {error}", shortened(text)))
}

fn seconds_of(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| format!("{:?} is not a number of seconds", shortened(text)))
}

impl Query {
    fn parse(words: &[&str]) -> Result<Self, String> {
        let mut query = Self::default();
        for word in words {
            let wrong = || format!("{:?} is not a filter: see `help`", shortened(word));
            let at = word.find(['=', '<', '>']).ok_or_else(wrong)?;
            let (field, value) = (&word[..at], &word[at + 1..]);
            let number = NUMBERS.iter().find(|(name, _)| *name == field).map(|(_, number)| *number);
            let text = TEXTS.iter().find(|(name, _)| *name == field).map(|(_, text)| *text);
            match (word.as_bytes()[at], number, text) {
                (b'=', _, Some(text)) => query.filters.push(Filter::Contains(text, value.to_owned())),
                (b'>', Some(number), _) => {
                    query.filters.push(Filter::More(number, value.parse().map_err(|_| wrong())?));
                }
                (b'<', Some(number), _) => {
                    query.filters.push(Filter::Less(number, value.parse().map_err(|_| wrong())?));
                }
                (b'=', _, _) => match field {
                    "reading" => query.filters.push(Filter::Reading(reading::parse(value).ok_or_else(wrong)?)),
                    "limit" => query.limit = Some(value.parse().map_err(|_| wrong())?),
                    "sort" => {
                        let number = NUMBERS.iter().find(|(name, _)| *name == value).map(|(_, number)| *number);
                        query.sort = Some(number.ok_or_else(wrong)?);
                    }
                    _ => return Err(wrong()),
                },
                _ => return Err(wrong()),
            }
        }
        Ok(query)
    }

    pub(crate) fn includes(&self, row: &ConnectionRow) -> bool {
        self.filters.iter().all(|filter| match filter {
            Filter::Contains(text, part) => match text {
                Text::Id => part.parse() == Ok(row.id),
                Text::Port => row.port.as_ref().is_some_and(|port| port.contains(part)),
                Text::Host => row.host.contains(part),
                Text::Peer => row.peer.contains(part),
                Text::Protocol => row.protocols.iter().any(|protocol| protocol.contains(part)),
            },
            Filter::Reading(reading) => row.reading == *reading,
            Filter::More(number, bound) => number.of(row) > *bound,
            Filter::Less(number, bound) => number.of(row) < *bound,
        })
    }
}

impl Number {
    pub(crate) fn of(self, row: &ConnectionRow) -> u64 {
        match self {
            Self::Age => row.age_ms,
            Self::Idle => row.idle_ms,
            Self::BytesIn => row.bytes_in,
            Self::BytesOut => row.bytes_out,
            Self::Reads => row.reads,
            Self::Unsent => row.unsent_bytes,
            Self::Deferred => row.deferred_calls,
        }
    }
}

const SHORTEST_TOP: Duration = Duration::from_millis(100);
const LONGEST_TOP: Duration = Duration::from_secs(60);
