//! What is shown, and what keys do with it: no terminal, no connection.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::VecDeque;
use std::mem;

use protocols::console::{ConnectionId, ConnectionRow, PortRow, Row, SlowRow, StatsRow, TrafficRow, short_name};

use crate::history::History;
use crate::key::Key;

/// Everything that is shown.
#[derive(Debug)]
pub(crate) struct Dashboard {
    /// Where the console is.
    pub(crate) console: String,
    pub(crate) link: Link,
    pub(crate) view: View,
    pub(crate) connections: Vec<ConnectionRow>,
    pub(crate) history: History,
    pub(crate) stats: Vec<StatsRow>,
    pub(crate) slow: Vec<SlowRow>,
    pub(crate) ports: Vec<PortRow>,
    pub(crate) trace: Option<Trace>,
    pub(crate) order: Order,
    /// The words of a filter of `ps`.
    pub(crate) filter: String,
    /// Whether everything about the selected connection is shown.
    pub(crate) details: bool,
    pub(crate) help: bool,
    /// Whether what is shown stays as it is.
    pub(crate) paused: bool,
    pub(crate) prompt: Option<Prompt>,
    pub(crate) message: Option<Message>,
    limit: usize,
    selected: Option<ConnectionId>,
    /// The selected row of the other views.
    row: usize,
    /// The first row that is shown.
    pub(crate) offset: Cell<usize>,
    /// The number of the last slow callback that was seen, once there was an answer.
    last_slow: Option<u64>,
}

/// The connection to the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Not connected, and why.
    Down(String),
    Up,
    /// It has not answered for this many seconds: a thread of the program may hang.
    Silent(u64),
}

/// What takes most of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    Connections,
    Slow,
    Ports,
    Trace,
}

/// Which connections are listed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Rate,
    BytesIn,
    BytesOut,
    Reads,
    Unsent,
    Deferred,
    Age,
    Idle,
}

/// A question to the user, on the last line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Prompt {
    Filter(String),
    Close(ConnectionId),
    Drain(String),
}

/// What is said on the last line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) text: String,
    pub(crate) is_bad: bool,
}

/// The traffic of a connection.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) id: ConnectionId,
    pub(crate) rows: VecDeque<TrafficRow>,
    /// How many rows the view is above the newest.
    pub(crate) back: usize,
    /// Why no more will come.
    pub(crate) ended: Option<String>,
}

/// How many rows of a trace are kept.
const LONGEST_TRACE: usize = 1000;

/// What a key asks for beyond the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Quit,
    /// A command for the console.
    Send(String),
    /// To ask for everything now.
    Poll,
    Trace(ConnectionId),
    EndTrace,
}

impl Dashboard {
    pub(crate) fn new(console: String, limit: usize) -> Self {
        Self {
            console,
            link: Link::Down("connecting".to_owned()),
            view: View::Connections,
            connections: Vec::new(),
            history: History::default(),
            stats: Vec::new(),
            slow: Vec::new(),
            ports: Vec::new(),
            trace: None,
            order: Order::Rate,
            filter: String::new(),
            details: false,
            help: false,
            paused: false,
            prompt: None,
            message: None,
            limit,
            selected: None,
            row: 0,
            offset: Cell::new(0),
            last_slow: None,
        }
    }

    /// The commands that ask for everything that is shown. The clock of `stats` is that of the others, too.
    pub(crate) fn questions(&self) -> [String; 4] {
        let (filter, sort, limit) = (&self.filter, self.order.field(), self.limit);
        ["stats".to_owned(), format!("ps {filter} sort={sort} limit={limit}"), "slow".to_owned(), "ports".to_owned()]
    }

    /// Takes the answer to a command.
    pub(crate) fn answer(&mut self, rows: Vec<Row>, end: Row) {
        match end {
            Row::End { command, done } => {
                if let Some(text) = done {
                    self.say(text, false);
                }
                if !self.paused {
                    self.take(&command, rows);
                }
            }
            Row::Error { command, error } => self.say(format!("{command}: {error}"), true),
            _ => {}
        }
    }

    fn take(&mut self, command: &str, rows: Vec<Row>) {
        let (mut stats, mut connections, mut slow, mut ports) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            match row {
                Row::Stats(row) => stats.push(row),
                Row::Connection(row) => connections.push(row),
                Row::Slow(row) => slow.push(row),
                Row::Port(row) => ports.push(row),
                _ => {}
            }
        }
        match command {
            "stats" => {
                self.stats = stats;
                self.history.add_stats(&self.stats);
            }
            "ps" => {
                self.connections = connections;
                self.history.add_connections(&self.connections);
                if self.order == Order::Rate {
                    self.connections.sort_by_key(|row| Reverse(self.history.rate(row.id)));
                }
            }
            "slow" => {
                slow.reverse();
                self.slow = slow;
                self.tell_of_slow();
            }
            "ports" => self.ports = ports,
            _ => {}
        }
    }

    /// Says that a callback was slow, if it is new.
    fn tell_of_slow(&mut self) {
        let last = self.slow.first().map_or(0, |slow| slow.number);
        let seen = self.last_slow.replace(last);
        if let (Some(slow), Some(seen)) = (self.slow.first(), seen)
            && last > seen
        {
            let verb = if slow.running { "has run for" } else { "took" };
            let text = format!("{} {verb} {} ms, and all others waited", slow_name(slow), slow.took_ms);
            self.say(text, true);
        }
    }

    /// The connection to the console has come, or gone.
    pub(crate) fn set_link(&mut self, link: Link) {
        if matches!(link, Link::Down(_)) {
            // Another program may answer next.
            self.last_slow = None;
        }
        self.link = link;
    }

    /// Takes what a trace answers; `None`: its connection has gone.
    pub(crate) fn traced(&mut self, row: Option<Row>) {
        let Some(trace) = &mut self.trace else { return };
        match row {
            Some(Row::Traffic(row)) => {
                if trace.rows.len() == LONGEST_TRACE {
                    trace.rows.pop_front();
                }
                trace.rows.push_back(row);
                if trace.back > 0 {
                    trace.back = (trace.back + 1).min(trace.rows.len());
                }
            }
            Some(Row::Error { error, .. }) => trace.ended = Some(error),
            Some(Row::End { .. }) => trace.ended = Some("the connection has ended".to_owned()),
            None if trace.ended.is_none() => trace.ended = Some("the console has gone".to_owned()),
            _ => {}
        }
    }

    pub(crate) fn say(&mut self, text: String, is_bad: bool) {
        self.message = Some(Message { text, is_bad });
    }

    /// Does what a key is for; returns what that needs of others.
    pub(crate) fn key(&mut self, key: Key) -> Option<Action> {
        if key == Key::Ctrl('c') {
            return Some(Action::Quit);
        }
        if let Some(prompt) = self.prompt.take() {
            return self.answer_prompt(prompt, key);
        }
        if mem::take(&mut self.help) {
            return None;
        }
        self.message = None;
        match key {
            Key::Char('q') => return Some(Action::Quit),
            Key::Char('?' | 'h') | Key::F1 => self.help = true,
            Key::Char('p') => self.paused ^= true,
            Key::Char('1') => self.show(View::Connections),
            Key::Char('2') => self.show(View::Slow),
            Key::Char('3') => self.show(View::Ports),
            Key::Char('4') if self.trace.is_some() => self.show(View::Trace),
            Key::Tab | Key::Right => self.show_next(1),
            Key::BackTab | Key::Left => self.show_next(-1),
            Key::Up | Key::Char('k') => self.move_by(-1),
            Key::Down | Key::Char('j') => self.move_by(1),
            Key::PageUp => self.move_by(-20),
            Key::PageDown => self.move_by(20),
            Key::Home | Key::Char('g') => self.move_by(isize::MIN),
            Key::End | Key::Char('G') => self.move_by(isize::MAX),
            _ => return self.key_of_view(key),
        }
        None
    }

    fn key_of_view(&mut self, key: Key) -> Option<Action> {
        match (self.view, key) {
            (View::Connections, Key::Enter) => self.details ^= true,
            (View::Connections, Key::Char('/')) => self.prompt = Some(Prompt::Filter(self.filter.clone())),
            (View::Connections, Key::Escape) if !self.filter.is_empty() => {
                self.filter.clear();
                return Some(Action::Poll);
            }
            (View::Connections, Key::Char(key @ ('s' | 'S'))) => {
                self.order = self.order.next(key == 's');
                return Some(Action::Poll);
            }
            (View::Connections, Key::Char('c')) => self.prompt = self.selected().map(|row| Prompt::Close(row.id)),
            (View::Connections, Key::Char('t')) => {
                return self.selected().map(|row| row.id).map(|id| self.begin_trace(id));
            }
            (View::Slow, Key::Enter) => {
                let id = self.slow.get(self.row).and_then(|slow| slow.connection);
                if let Some(id) = id {
                    self.show(View::Connections);
                    (self.selected, self.details) = (Some(id), true);
                }
            }
            (View::Ports, Key::Char('d')) => {
                self.prompt = self.ports.get(self.row).map(|port| Prompt::Drain(port.host.clone()));
            }
            (View::Trace, Key::Escape) => {
                self.trace = None;
                self.show(View::Connections);
                return Some(Action::EndTrace);
            }
            _ => {}
        }
        None
    }

    fn begin_trace(&mut self, id: ConnectionId) -> Action {
        self.trace = Some(Trace { id, rows: VecDeque::new(), back: 0, ended: None });
        self.show(View::Trace);
        Action::Trace(id)
    }

    fn answer_prompt(&mut self, prompt: Prompt, key: Key) -> Option<Action> {
        match (prompt, key) {
            (Prompt::Filter(text), Key::Enter) => {
                self.filter = as_filter(&text);
                return Some(Action::Poll);
            }
            (Prompt::Filter(mut text), Key::Char(character)) if !character.is_control() => {
                text.push(character);
                self.prompt = Some(Prompt::Filter(text));
            }
            (Prompt::Filter(mut text), Key::Backspace) => {
                text.pop();
                self.prompt = Some(Prompt::Filter(text));
            }
            (Prompt::Filter(_), Key::Ctrl('u')) => self.prompt = Some(Prompt::Filter(String::new())),
            (Prompt::Filter(_), Key::Escape) => {}
            (prompt @ Prompt::Filter(_), _) => self.prompt = Some(prompt),
            (Prompt::Close(id), Key::Char('y')) => return Some(Action::Send(format!("close {id}"))),
            (Prompt::Close(id), Key::Char('a')) => return Some(Action::Send(format!("close {id} now"))),
            (Prompt::Drain(host), Key::Char('y')) => return Some(Action::Send(format!("drain {host}"))),
            _ => self.say("nothing was done".to_owned(), false),
        }
        None
    }

    fn show(&mut self, view: View) {
        if self.view != view {
            self.view = view;
            self.row = 0;
            self.offset.set(0);
        }
    }

    fn show_next(&mut self, step: isize) {
        let views = [View::Connections, View::Slow, View::Ports, View::Trace];
        let views = &views[..if self.trace.is_some() { 4 } else { 3 }];
        let here = views.iter().position(|view| *view == self.view).unwrap_or(0);
        let next = here.checked_add_signed(step).map_or(views.len() - 1, |next| next % views.len());
        self.show(views[next]);
    }

    fn move_by(&mut self, rows: isize) {
        let moved = |row: usize, len: usize| row.saturating_add_signed(rows).min(len.saturating_sub(1));
        match self.view {
            View::Connections => {
                let row = moved(self.selected_row().unwrap_or(0), self.connections.len());
                self.selected = self.connections.get(row).map(|row| row.id);
            }
            View::Slow => self.row = moved(self.row, self.slow.len()),
            View::Ports => self.row = moved(self.row, self.ports.len()),
            View::Trace => {
                if let Some(trace) = &mut self.trace {
                    trace.back = trace.back.saturating_add_signed(rows.saturating_neg()).min(trace.rows.len());
                }
            }
        }
    }

    /// The row that is selected in this view.
    pub(crate) fn selected_row(&self) -> Option<usize> {
        match self.view {
            View::Connections => {
                let row = self.selected.and_then(|id| self.connections.iter().position(|row| row.id == id));
                row.or_else(|| (!self.connections.is_empty()).then_some(0))
            }
            View::Slow => Some(self.row.min(self.slow.len().checked_sub(1)?)),
            View::Ports => Some(self.row.min(self.ports.len().checked_sub(1)?)),
            View::Trace => None,
        }
    }

    /// The connection that is selected.
    pub(crate) fn selected(&self) -> Option<&ConnectionRow> {
        (self.view == View::Connections).then(|| self.selected_row()).flatten().map(|row| &self.connections[row])
    }
}

/// A text alone is looked for among the peers.
fn as_filter(text: &str) -> String {
    let words = text.split_whitespace();
    let words = words.map(|word| if word.contains(['=', '<', '>']) { word.to_owned() } else { format!("peer={word}") });
    words.collect::<Vec<_>>().join(" ")
}

/// A slow callback in a few words.
pub(crate) fn slow_name(slow: &SlowRow) -> String {
    let of = slow.name.as_ref().map_or_else(String::new, |name| format!(" of {}", short_name(name)));
    let id = slow.connection.map_or_else(String::new, |id| format!(", connection {id},"));
    format!("{}{of}{id}", slow.callback)
}

impl Order {
    const ALL: [Self; 8] =
        [Self::Rate, Self::BytesIn, Self::BytesOut, Self::Reads, Self::Unsent, Self::Deferred, Self::Age, Self::Idle];

    fn next(self, forward: bool) -> Self {
        let here = Self::ALL.iter().position(|order| *order == self).unwrap_or(0);
        Self::ALL[(here + if forward { 1 } else { Self::ALL.len() - 1 }) % Self::ALL.len()]
    }

    /// The field by which the console sorts.
    fn field(self) -> &'static str {
        match self {
            Self::BytesIn => "bytes_in",
            Self::Rate | Self::BytesOut => "bytes_out",
            Self::Reads => "reads",
            Self::Unsent => "unsent_bytes",
            Self::Deferred => "deferred_calls",
            Self::Age => "age_ms",
            Self::Idle => "idle_ms",
        }
    }

    /// The order, for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rate => "bytes a second",
            Self::BytesIn => "bytes in",
            Self::BytesOut => "bytes out",
            Self::Reads => "reads",
            Self::Unsent => "unsent bytes",
            Self::Deferred => "deferred calls",
            Self::Age => "age",
            Self::Idle => "idle time",
        }
    }
}
