//! The answers of a console as values, and in JSON.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use reactor::inspect::Reading;
use serde::{Deserialize, Serialize};

/// One line of an answer in JSON. Its field `type` says which it is.
///
/// Names and addresses are as the program has them, so that a program that shows them on a terminal escapes them
/// ([`reactor::text::escaped`]). Later versions may add types and fields; a reader leaves out those it does not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Row {
    /// `ps`: a connection.
    Connection(ConnectionRow),
    /// `top`: a connection, and what it did in an interval.
    Busy(BusyRow),
    /// `stats`: the numbers of a thread.
    Stats(StatsRow),
    /// `slow`: a callback that a watchdog has found slow.
    Slow(SlowRow),
    /// `timers`: a timed call that waits.
    Timer(TimerRow),
    /// `ports`: a port.
    Port(PortRow),
    /// `jobs`: what a thread waits for.
    Jobs(JobsRow),
    /// `trace`: something that happened on the connection.
    Traffic(TrafficRow),
    /// `help`: a command.
    Help(HelpRow),
    /// This thread has not answered for a second, so that what it has is missing: a callback hangs there, which `slow` names.
    Silent {
        /// Which thread.
        thread: u64,
    },
    /// The command was carried out; the last line of its answer.
    End {
        /// The command's first word.
        command: String,
        /// What was done, for people. `close`, `drain` and `log` say it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        done: Option<String>,
    },
    /// The command was not carried out, or not to its end; the last line of its answer.
    Error {
        /// The command's first word.
        command: String,
        /// Why, for people.
        error: String,
    },
}

/// A connection: the number of its thread, a dot, and its number there, which logs have, too. `2.57` in text and in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    /// [`Reactor::thread_number`](reactor::Reactor::thread_number).
    pub thread: usize,
    /// [`ConnectionInfo::id`](reactor::inspect::ConnectionInfo::id).
    pub number: u64,
}

/// A connection at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ConnectionRow {
    /// Its number.
    pub id: ConnectionId,
    /// The address of the port that has accepted it; `null` if this side has connected.
    pub port: Option<String>,
    /// The address on this side.
    pub host: String,
    /// The peer's address.
    pub peer: String,
    /// The process at the other end of a UNIX socket, or `null`.
    pub peer_process: Option<i32>,
    /// The number of the user at the other end of a UNIX socket, or `null`.
    pub peer_user: Option<u32>,
    /// The types of its protocols, the outermost layer first and the innermost protocol last.
    pub protocols: Vec<Cow<'static, str>>,
    /// Milliseconds since it was made.
    pub age_ms: u64,
    /// Milliseconds since the last byte in either direction, or since it was made.
    pub idle_ms: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent: those that the system has taken.
    pub bytes_out: u64,
    /// How often bytes were received: calls of the outermost protocol's `data_received`.
    pub reads: u64,
    /// Bytes written that the system has not taken.
    pub unsent_bytes: u64,
    /// Deferred calls under way.
    pub deferred_calls: u64,
    /// `open`, or why it is not read: `paused`, `held`, `owing` or `closing`.
    #[serde(with = "reading")]
    pub reading: Reading,
}

/// A connection, and what it did in an interval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BusyRow {
    /// The connection at the end of the interval; in JSON its fields stand beside these.
    #[serde(flatten)]
    pub connection: ConnectionRow,
    /// Bytes received a second.
    pub bytes_in_per_s: u64,
    /// Bytes sent a second.
    pub bytes_out_per_s: u64,
    /// Reads a second.
    pub reads_per_s: u64,
}

/// The numbers of a thread: [`Stats`](reactor::inspect::Stats). What only grows is counted since the thread began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StatsRow {
    /// Which thread.
    pub thread: u64,
    /// Milliseconds on a clock that never goes back, for rates; when it was 0 says nothing.
    pub clock_ms: u64,
    /// Open connections.
    pub connections: u64,
    /// Connections that were ever open; it only grows.
    pub opened: u64,
    /// Sockets of ended connections that wait for the peer.
    pub lingering: u64,
    /// Connectors that are connecting or connected.
    pub connectors: u64,
    /// Ports that listen.
    pub ports: u64,
    /// Clients turned away by these; `ports` has them by reason.
    pub refused: u64,
    /// Connections ended because memory was used up, by all threads; it only grows.
    pub evicted: u64,
    /// Bytes written that the system has not taken.
    pub unsent_bytes: u64,
    /// Timed calls that wait.
    pub timed_calls: u64,
    /// Deferred calls under way.
    pub deferred_calls: u64,
    /// Jobs that run on other threads.
    pub jobs_running: u64,
    /// Jobs that wait for a thread.
    pub jobs_waiting: u64,
    /// How often the loop has waited for the system; it only grows.
    pub turns: u64,
    /// Microseconds in which it did not wait; it only grows.
    pub busy_us: u64,
    /// Callbacks that were found slow; it only grows.
    pub slow_callbacks: u64,
    /// Panics that were caught; it only grows.
    pub panics: u64,
}

/// A callback that a [`Watchdog`](reactor::inspect::Watchdog) has found slow. The last 32 are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SlowRow {
    /// Counts from 1, for all threads. One that still ran has its number again when it has returned.
    pub number: u64,
    /// When it began: UTC, as RFC 3339 has it, to the millisecond.
    pub time: String,
    /// On which thread.
    pub thread: u64,
    /// The name of the callback: `data_received`, or `a timed call`.
    pub callback: Cow<'static, str>,
    /// The type of its protocol, or of a future; `null` if it is neither's.
    pub name: Option<Cow<'static, str>>,
    /// Whose it was, or `null`.
    pub connection: Option<ConnectionId>,
    /// How long it took, or has taken until now, in milliseconds.
    pub took_ms: u64,
    /// Whether it has not returned yet.
    pub running: bool,
}

/// A timed call that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TimerRow {
    /// On which thread.
    pub thread: u64,
    /// Milliseconds until it is due; 0 if it is late.
    pub due_in_ms: u64,
    /// The connection whose call it is, or `null`.
    pub connection: Option<ConnectionId>,
    /// The type of the connection's protocol, or of the function, which tells where it was written.
    pub name: Cow<'static, str>,
}

/// A port, on all threads together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PortRow {
    /// Its address, by which `drain` and `ps` name it.
    pub host: String,
    /// `stream`, or `datagram`.
    pub kind: String,
    /// `listening`, `paused`, or `draining`: it has stopped, and its connections have not all ended.
    pub state: String,
    /// Its open connections.
    pub connections: u64,
    /// How many of these wait for a handshake or a header.
    pub pending: u64,
    /// How often clients had to wait because of the limit of its rate; it only grows.
    pub waits: u64,
    /// Clients turned away, by reason; these only grow.
    pub refused: RefusedRow,
}

/// Clients turned away: [`Refusals`](reactor::port::Refusals), with the same names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RefusedRow {
    /// No descriptor was left.
    pub no_descriptor: u64,
    /// The port had its maximum of connections.
    pub connections: u64,
    /// The peer had its maximum of connections.
    pub per_peer: u64,
    /// The port had its maximum of unestablished connections.
    pub pending: u64,
    /// The peer had its maximum of unestablished connections.
    pub pending_per_peer: u64,
    /// The budget of connections was used up.
    pub budget: u64,
    /// They gave way to newer ones.
    pub displaced: u64,
}

/// What a thread waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JobsRow {
    /// Which thread.
    pub thread: u64,
    /// Jobs that run on other threads.
    pub running: u64,
    /// Jobs that wait for a thread.
    pub waiting: u64,
    /// Deferred calls of connections.
    pub deferred_calls: u64,
}

/// Something that happened on a connection that is traced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TrafficRow {
    /// When: UTC, as RFC 3339 has it, to the millisecond.
    pub time: String,
    /// Which connection.
    pub connection: ConnectionId,
    /// `received`, `sent`, `received_end`, `lost`, or `left_out`: this many `events` came faster than they could be shown.
    pub event: String,
    /// Of `received` and `sent`: the first bytes. What is not printable ASCII is escaped as in Rust (`\n`, `\x1b`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Of `received` and `sent`: how many bytes there were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Of `left_out`: how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// Of `lost`: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HelpRow {
    /// How it is written.
    pub usage: String,
    /// What it does.
    pub text: String,
}

impl Row {
    /// The line in JSON, without its end.
    pub fn to_json(&self) -> String {
        let mut line = Vec::new();
        self.write_json(&mut line);
        String::from_utf8_lossy(&line).into_owned()
    }

    pub(crate) fn write_json(&self, to: &mut Vec<u8>) {
        // Writing to a vector cannot fail, and a row has nothing that is not text, a number, or a list or an object of these.
        let _ = serde_json::to_writer(to, self);
    }

    /// Reads a line in JSON.
    ///
    /// # Errors
    ///
    /// If the line is not such an object, or of a type that this version does not know.
    pub fn from_json(line: &str) -> Result<Self, NotARow> {
        serde_json::from_str(line).map_err(NotARow)
    }
}

/// Why a line is no [`Row`].
#[derive(Debug)]
pub struct NotARow(serde_json::Error);

impl fmt::Display for NotARow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a line of a console's answer: {}", self.0)
    }
}

impl std::error::Error for NotARow {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.thread, self.number)
    }
}

/// Reads `2.57`; a number alone is one of thread 0.
impl FromStr for ConnectionId {
    type Err = NotAConnection;

    fn from_str(text: &str) -> Result<Self, NotAConnection> {
        let (thread, number) = text.split_once('.').unwrap_or(("0", text));
        match (thread.parse(), number.parse()) {
            (Ok(thread), Ok(number)) => Ok(Self { thread, number }),
            _ => Err(NotAConnection),
        }
    }
}

/// A text that is not the number of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAConnection;

impl fmt::Display for NotAConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the number of a connection, such as 2.57")
    }
}

impl std::error::Error for NotAConnection {}

impl Serialize for ConnectionId {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ConnectionId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The words for [`Reading`].
pub(crate) mod reading {
    use std::borrow::Cow;

    use reactor::inspect::Reading;
    use serde::{Deserialize as _, Deserializer, Serializer};

    const WORDS: [(Reading, &str); 5] = [
        (Reading::Open, "open"),
        (Reading::Paused, "paused"),
        (Reading::Held, "held"),
        (Reading::Owing, "owing"),
        (Reading::Closing, "closing"),
    ];

    pub(crate) fn word(reading: Reading) -> &'static str {
        WORDS.iter().find(|(known, _)| *known == reading).map_or("open", |(_, word)| word)
    }

    pub(crate) fn parse(text: &str) -> Option<Reading> {
        WORDS.iter().find(|(_, word)| *word == text).map(|(reading, _)| *reading)
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    pub(super) fn serialize<S: Serializer>(reading: &Reading, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(word(*reading))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Reading, D::Error> {
        let text = Cow::<'de, str>::deserialize(from)?;
        parse(&text).ok_or_else(|| serde::de::Error::custom("not a word for how a connection is read"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_an_object_on_one_line_that_names_its_type_and_can_be_read_back() {
        let id = ConnectionId { thread: 2, number: 57 };
        let connection = ConnectionRow {
            id,
            port: Some("127.0.0.1:7".to_owned()),
            host: "127.0.0.1:7".to_owned(),
            peer: "\u{1b}[2J\"\n".to_owned(),
            peer_process: None,
            peer_user: Some(1000),
            protocols: vec!["app::Echo".into()],
            age_ms: 1,
            idle_ms: 2,
            bytes_in: 3,
            bytes_out: 4,
            reads: 5,
            unsent_bytes: 6,
            deferred_calls: 7,
            reading: Reading::Owing,
        };
        let fields = "\"id\":\"2.57\",\"port\":\"127.0.0.1:7\",\"host\":\"127.0.0.1:7\",\"peer\":\"\\u001b[2J\\\"\\n\",\
                      \"peer_process\":null,\"peer_user\":1000,\"protocols\":[\"app::Echo\"],\"age_ms\":1,\"idle_ms\":2,\
                      \"bytes_in\":3,\"bytes_out\":4,\"reads\":5,\"unsent_bytes\":6,\"deferred_calls\":7,\
                      \"reading\":\"owing\"";
        let busy = BusyRow { connection: connection.clone(), bytes_in_per_s: 8, bytes_out_per_s: 9, reads_per_s: 10 };
        let slow = SlowRow {
            number: 1,
            time: "2000-01-01T00:00:00.000Z".to_owned(),
            thread: 2,
            callback: "data_received".into(),
            name: None,
            connection: Some(id),
            took_ms: 200,
            running: true,
        };
        let traffic = TrafficRow {
            time: "2000-01-01T00:00:00.000Z".to_owned(),
            connection: id,
            event: "sent".to_owned(),
            data: Some("hi\\r\\n".to_owned()),
            bytes: Some(4),
            events: None,
            reason: None,
        };
        for (row, json) in [
            (Row::Connection(connection), format!("{{\"type\":\"connection\",{fields}}}")),
            (
                Row::Busy(busy),
                format!("{{\"type\":\"busy\",{fields},\"bytes_in_per_s\":8,\"bytes_out_per_s\":9,\"reads_per_s\":10}}"),
            ),
            (
                Row::Slow(slow),
                "{\"type\":\"slow\",\"number\":1,\"time\":\"2000-01-01T00:00:00.000Z\",\"thread\":2,\
                 \"callback\":\"data_received\",\"name\":null,\"connection\":\"2.57\",\"took_ms\":200,\"running\":true}"
                    .to_owned(),
            ),
            (
                Row::Traffic(traffic),
                "{\"type\":\"traffic\",\"time\":\"2000-01-01T00:00:00.000Z\",\"connection\":\"2.57\",\
                 \"event\":\"sent\",\"data\":\"hi\\\\r\\\\n\",\"bytes\":4}"
                    .to_owned(),
            ),
            (Row::End { command: "ps".to_owned(), done: None }, "{\"type\":\"end\",\"command\":\"ps\"}".to_owned()),
        ] {
            assert_eq!(row.to_json(), json);
            assert_eq!(Row::from_json(&json).unwrap(), row);
        }
    }

    #[test]
    fn fields_that_a_later_version_adds_are_left_out_and_other_types_are_errors() {
        let more = "{\"type\":\"end\",\"command\":\"ps\",\"more\":1}";
        assert_eq!(Row::from_json(more).unwrap(), Row::End { command: "ps".to_owned(), done: None });
        for wrong in ["", "hello", "{}", "{\"type\":\"other\"}", "{\"type\":\"end\"}", "[1]"] {
            let error = Row::from_json(wrong).unwrap_err().to_string();
            assert!(error.starts_with("not a line of a console's answer: "), "{error}");
        }
    }

    #[test]
    fn a_connection_is_named_by_thread_and_number() {
        assert_eq!("2.57".parse(), Ok(ConnectionId { thread: 2, number: 57 }));
        assert_eq!("57".parse(), Ok(ConnectionId { thread: 0, number: 57 }));
        for wrong in ["", ".", "1.", ".1", "1.2.3", "-1", "x", "99999999999999999999"] {
            assert_eq!(wrong.parse::<ConnectionId>(), Err(NotAConnection));
        }
    }
}
