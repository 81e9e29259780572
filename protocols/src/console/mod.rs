//! A console for a running program: who is connected, what is slow, what waits; and `close`, `drain`, `trace`, `log`.
//!
//! # The protocol
//!
//! A line is a command; LF or CR LF ends it. Commands are carried out one after the other, in the order in which they come.
//! The first line that the console sends is a greeting for people, which a program passes over. If it begins with
//! `refused:`, the peer may not use the console, and the connection closes.
//!
//! Without anything before it, a command is answered for people: some lines, and an empty one behind them. After the word
//! `json` it is answered for programs: each line is a [`Row`], and the last one is of the type `end`, or `error`:
//!
//! ```text
//! json ps peer=10.0.0.9
//! {"type":"connection","id":"0.57","port":"10.0.0.1:7","host":"10.0.0.1:7","peer":"10.0.0.9:40102",…}
//! {"type":"end","command":"ps"}
//! ```
//!
//! | command | answers with |
//! |---|---|
//! | `ps [FILTER…] [sort=FIELD] [limit=N]` | [`connection`](Row::Connection), one for each |
//! | `top [SECONDS]` | [`busy`](Row::Busy), for those that did most in this time (1 s), the busiest first |
//! | `stats` | [`stats`](Row::Stats), one for each thread |
//! | `slow` | [`slow`](Row::Slow), the last 32, oldest first |
//! | `timers [limit=N]` | [`timer`](Row::Timer), those that are due first (20 a thread) |
//! | `ports` | [`port`](Row::Port), one for each address |
//! | `jobs` | [`jobs`](Row::Jobs), one for each thread |
//! | `log LEVEL [TARGET]` | nothing; it changes what the program logs |
//! | `close ID [now]` | nothing; closes when everything is sent, or at once |
//! | `drain PORT [SECONDS]` | nothing; the port stops to listen, and its connections are asked to finish; those left after this time are cut off |
//! | `trace ID [wire]` | [`traffic`](Row::Traffic), as it comes, until the connection is lost, or a line is received |
//! | `help` | [`help`](Row::Help), one for each command |
//! | `quit` | nothing; the console closes |
//!
//! A filter of `ps` is `FIELD=TEXT` for a text that contains TEXT (`peer`, `host`, `port`, `protocol`, `id`, `reading`), or
//! `FIELD>N` and `FIELD<N` for numbers (`age_ms`, `idle_ms`, `bytes_in`, `bytes_out`, `reads`, `unsent_bytes`,
//! `deferred_calls`); all of several have to hold. `sort=FIELD` puts the greatest first.
//!
//! `trace` ends by the next line, whatever it is: an empty one, or `stop`, does nothing more; another is carried out as a command
//! then. It shows what the innermost protocol receives and writes; with `wire`, what passes the outermost.

mod row;

pub use row::{
    BusyRow, ConnectionId, ConnectionRow, HelpRow, JobsRow, NotAConnection, NotARow, PortRow, RefusedRow, Row, SlowRow,
    StatsRow, TimerRow, TrafficRow,
};
