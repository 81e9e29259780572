//! Rows as lines for people.

use std::fmt;

use reactor::inspect::TrafficKind;
use reactor::text::escaped;

use crate::console::row::{ConnectionRow, Row, TrafficRow, reading};
use crate::policies::traffic_log::PassedBytes;

/// The line before rows of this kind.
pub(crate) fn heading(row: &Row) -> &'static str {
    match row {
        Row::Connection(_) => {
            "ID        PEER                   PORT                     AGE     IDLE       IN      OUT    READS   UNSENT  READING  PROTOCOL"
        }
        Row::Busy(_) => "ID        PEER                       IN/s    OUT/s  READS/s   UNSENT  PROTOCOL",
        Row::Slow(_) => "NUMBER  BEGAN                     THREAD     TOOK  CALLBACK                  CONNECTION  NAME",
        Row::Timer(_) => "THREAD   DUE IN  CONNECTION  NAME",
        Row::Port(_) => "PORT                       KIND      STATE      CONNECTIONS  PENDING   WAITS  REFUSED",
        Row::Jobs(_) => "THREAD  RUNNING  WAITING  DEFERRED",
        _ => "",
    }
}

/// A row, without the end of its line.
pub(crate) struct Line<'a>(pub(crate) &'a Row);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Row::Connection(row) => {
                let (age, idle) = (Time(row.age_ms), Time(row.idle_ms));
                let (bytes_in, bytes_out, unsent) =
                    (Bytes(row.bytes_in), Bytes(row.bytes_out), Bytes(row.unsent_bytes));
                let (id, peer, port) = (row.id.to_string(), peer(row), row.port.as_deref().unwrap_or("-"));
                let (reads, reading, name) = (row.reads, reading::word(row.reading), protocol(row));
                write!(
                    f,
                    "{id:<9} {peer:<22} {port:<20} {age:>7}  {idle:>7}  {bytes_in:>7}  {bytes_out:>7}  {reads:>7}  {unsent:>7}  {reading:<7}  {name}"
                )
            }
            Row::Busy(row) => {
                let (id, peer, name) =
                    (row.connection.id.to_string(), peer(&row.connection), protocol(&row.connection));
                let (bytes_in, bytes_out) = (Bytes(row.bytes_in_per_s), Bytes(row.bytes_out_per_s));
                let (reads, unsent) = (row.reads_per_s, Bytes(row.connection.unsent_bytes));
                write!(f, "{id:<9} {peer:<22} {bytes_in:>8} {bytes_out:>8} {reads:>8} {unsent:>8}  {name}")
            }
            Row::Stats(row) => {
                write!(
                    f,
                    "thread {}: {} connections of {} ever, {} ports, {} connectors",
                    row.thread, row.connections, row.opened, row.ports, row.connectors
                )?;
                write!(
                    f,
                    "\n  waiting: {} timed calls, {} deferred calls, {} unsent",
                    row.timed_calls,
                    row.deferred_calls,
                    Bytes(row.unsent_bytes)
                )?;
                write!(f, "\n  jobs: {} running, {} waiting", row.jobs_running, row.jobs_waiting)?;
                write!(
                    f,
                    "\n  loop: {} turns, {} busy, {} slow callbacks, {} panics",
                    row.turns,
                    Time(row.busy_us / 1000),
                    row.slow_callbacks,
                    row.panics
                )?;
                write!(
                    f,
                    "\n  turned away: {}, ended for memory: {}, lingering: {}",
                    row.refused, row.evicted, row.lingering
                )
            }
            Row::Slow(row) => {
                let took = format!("{}{}", Time(row.took_ms), if row.running { "+" } else { "" });
                let connection = row.connection.map_or_else(|| "-".to_owned(), |id| id.to_string());
                let name = row.name.as_deref().unwrap_or("-");
                write!(
                    f,
                    "{:<6}  {}  {:<6}  {took:>7}  {:<24}  {connection:<10}  {}",
                    row.number,
                    row.time,
                    row.thread,
                    row.callback,
                    named(name)
                )
            }
            Row::Timer(row) => {
                let connection = row.connection.map_or_else(|| "-".to_owned(), |id| id.to_string());
                write!(f, "{:<6}  {:>7}  {connection:<10}  {}", row.thread, Time(row.due_in_ms), named(&row.name))
            }
            Row::Port(row) => {
                let (host, refused) = (escaped(&row.host).to_string(), row.refused.total());
                write!(
                    f,
                    "{host:<25}  {:<8}  {:<9}  {:>11}  {:>7}  {:>6}  {refused:>7}",
                    row.kind, row.state, row.connections, row.pending, row.waits
                )
            }
            Row::Jobs(row) => {
                write!(f, "{:<6}  {:>7}  {:>7}  {:>8}", row.thread, row.running, row.waiting, row.deferred_calls)
            }
            Row::Traffic(row) => traffic(row, f),
            Row::Help(row) => write!(f, "{:<38}  {}", row.usage, row.text),
            Row::Silent { thread } => {
                write!(f, "thread {thread} does not answer: a callback hangs there, see `slow`")
            }
            Row::End { .. } | Row::Error { .. } => Ok(()),
        }
    }
}

/// As [`TrafficLog`](crate::policies::TrafficLog) writes it.
fn traffic(row: &TrafficRow, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{} {} ", row.time, row.connection)?;
    match (&*row.event, &row.data, row.bytes) {
        (direction, Some(shown), Some(bytes)) => {
            let hidden = usize::try_from(bytes).unwrap_or(usize::MAX).saturating_sub(TrafficKind::MOST_SHOWN);
            write!(f, "{}", PassedBytes { direction, shown, hidden })
        }
        ("received_end", ..) => f.write_str("received the end"),
        ("lost", ..) => write!(f, "lost: {}", escaped(row.reason.as_deref().unwrap_or_default())),
        _ => write!(f, "{} events were left out", row.events.unwrap_or_default()),
    }
}

/// The peer; of a UNIX socket without a name, its process.
fn peer(row: &ConnectionRow) -> String {
    match (row.peer_process, row.peer_user) {
        (Some(process), Some(user)) => format!("pid {process} uid {user}"),
        _ => escaped(&row.peer).to_string(),
    }
}

/// The name of a type; of a function with its path, which tells where it was written.
fn named(name: &str) -> String {
    let name = if name.contains("{{closure}}") { name.to_owned() } else { short_name(name) };
    escaped(&name).to_string()
}

/// The innermost protocol, without its path.
fn protocol(row: &ConnectionRow) -> String {
    named(row.protocols.last().map_or("-", |name| &**name))
}

/// The name of a type, each part of it without its path: for tables of people.
///
/// ```
/// use protocols::console::short_name;
///
/// assert_eq!(short_name("app::Outer<app::chat::Chat, core::time::Duration>"), "Outer<Chat, Duration>");
/// ```
pub fn short_name(name: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let mut short = String::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| is_word(c) != is_word(first)).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        short.push_str(if is_word(first) { part.rsplit("::").next().unwrap_or(part) } else { part });
        rest = after;
    }
    short
}

/// Milliseconds, in three or four digits.
struct Time(u64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ms, s) = (self.0, self.0 / 1000);
        f.pad(&match s {
            0 => format!("{ms}ms"),
            1..60 => format!("{s}.{}s", ms % 1000 / 100),
            60..3600 => format!("{}m{:02}s", s / 60, s % 60),
            3600..86_400 => format!("{}h{:02}m", s / 3600, s / 60 % 60),
            _ => format!("{}d{:02}h", s / 86_400, s / 3600 % 24),
        })
    }
}

/// A number of bytes, in three or four digits.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut unit = 0;
        let (mut whole, mut rest) = (self.0, 0);
        while whole >= 1000 && unit < UNITS.len() - 1 {
            (whole, rest) = (whole / 1000, whole % 1000);
            unit += 1;
        }
        f.pad(&match unit {
            0 => format!("{whole}"),
            _ => format!("{whole}.{}{}", rest / 100, UNITS[unit]),
        })
    }
}

const UNITS: [&str; 6] = ["", "k", "M", "G", "T", "P"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_bytes_take_few_digits() {
        let time = |ms| Time(ms).to_string();
        assert_eq!([0, 999, 1_000, 59_999, 60_000].map(time), ["0ms", "999ms", "1.0s", "59.9s", "1m00s"]);
        assert_eq!([3_600_000, 86_400_000, 90_000_000].map(time), ["1h00m", "1d00h", "1d01h"]);
        let bytes = |n| Bytes(n).to_string();
        assert_eq!([0, 999, 1_000, 999_999, 1_500_000].map(bytes), ["0", "999", "1.0k", "999.9k", "1.5M"]);
        assert_eq!(bytes(u64::MAX), "18446.7P");
        assert_eq!(format!("{:>7}|{:<5}|", Time(5), Bytes(7)), "    5ms|7    |");
    }

    #[test]
    fn the_name_of_a_type_loses_its_paths() {
        assert_eq!(short_name("app::chat::Chat"), "Chat");
        assert_eq!(
            short_name("protocols::receiver::Receiver<app::Chat, protocols::line::LineReceiver>"),
            "Receiver<Chat, LineReceiver>"
        );
        assert_eq!(short_name(""), "");
    }
}
