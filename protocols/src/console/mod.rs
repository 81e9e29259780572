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

mod collect;
mod command;
mod gather;
mod output;
mod row;
mod session;
mod settings;
mod text;

pub use row::{
    BusyRow, ConnectionId, ConnectionRow, HelpRow, JobsRow, NotAConnection, NotARow, PortRow, RefusedRow, Row, SlowRow,
    StatsRow, TimerRow, TrafficRow,
};
pub use text::short_name;

use std::fmt;
use std::rc::Rc;

use reactor::{Factory, Protocol, Transport};
use tracing::level_filters::LevelFilter;

use crate::console::session::Session;
use crate::console::settings::Settings;
use crate::line::LineReceiver;

/// Makes a factory of consoles, for any port or endpoint.
///
/// On a UNIX socket it admits the user of this process and root, by the credentials that the system reports; on other kinds
/// of connections nobody: [`users`](Self::users) and [`everybody`](Self::everybody) change that. A peer that is refused gets one
/// line that says why, and is logged.
#[must_use]
pub struct Console {
    settings: Settings,
}

impl Console {
    /// A console of the program with this name, which its greeting says.
    pub fn new(program: impl Into<String>) -> Self {
        let name = program.into();
        Self { settings: Settings { name, users: Vec::new(), everybody: false, log: None, zero: None } }
    }

    /// Admits these users, by their numbers, besides the user of this process and root.
    pub fn users(mut self, users: &[u32]) -> Self {
        self.settings.users.extend(users);
        self
    }

    /// Admits everybody who can connect: they can see whose connections there are and what passes on them, and close them. Web
    /// browsers are refused, which any page could have connect to a port of their own machine.
    pub fn everybody(mut self) -> Self {
        self.settings.everybody = true;
        self
    }

    /// Sets what `log LEVEL [TARGET]` does: `set` gets the level, and the target whose events it is for (`None`: all). Its error
    /// is told to the peer. Without it the command is refused.
    pub fn on_log(mut self, set: impl Fn(LevelFilter, Option<&str>) -> Result<(), String> + 'static) -> Self {
        self.settings.log = Some(Box::new(set));
        self
    }

    /// The factory, for [`Reactor::listen_unix`](reactor::Reactor::listen_unix) and its kin.
    ///
    /// ```
    /// use protocols::console::Console;
    /// use reactor::testing::StringTransport;
    ///
    /// let mut wire = StringTransport::connect(Console::new("chat").everybody().factory());
    /// wire.receive("json slow\nquit\n");
    /// assert_eq!(
    ///     wire.written_text(),
    ///     "chat: `help` lists the commands\n{\"type\":\"end\",\"command\":\"slow\"}\n\n",
    /// );
    /// ```
    pub fn factory(self) -> impl Factory {
        ConsoleFactory { settings: Some(self.settings), inside: None }
    }
}

struct ConsoleFactory {
    /// Until the first connection.
    settings: Option<Settings>,
    inside: Option<Box<dyn Factory>>,
}

impl Factory for ConsoleFactory {
    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        if let Some(mut settings) = self.settings.take() {
            settings.zero = Some(transport.reactor().now());
            let settings = Rc::new(settings);
            let factory = LineReceiver::factory(move |lines| Session::new(lines, Rc::clone(&settings)));
            self.inside = Some(Box::new(factory.any_newline().max_length(LONGEST_LINE)));
        }
        self.inside.as_mut()?.build_protocol(transport)
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { name, users, everybody, .. } = &self.settings;
        f.debug_struct("Console")
            .field("program", name)
            .field("users", users)
            .field("everybody", everybody)
            .finish_non_exhaustive()
    }
}

const LONGEST_LINE: usize = 1024;
