//! A connection to a console.

use std::any::type_name;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use reactor::inspect::{ConnectionInfo, TrafficEvent, TrafficKind, TrafficWatch, slow_callbacks};
use reactor::text::escaped;
use reactor::threads::RemoteReactor;
use reactor::{CloseReason, DeferredCall, Reactor};

use crate::console::collect::{busy_rows, connection_row, jobs_row, port_sums, slow_row, stats_row, timer_row};
use crate::console::command::{Command, Query, Request, help};
use crate::console::gather::{Gathering, Piece, ask};
use crate::console::output::{Output, Room};
use crate::console::row::{ConnectionId, ConnectionRow, Row, TrafficRow};
use crate::console::settings::Settings;
use crate::line::handle::Lines;
use crate::line::handler::{LineHandler, OnLongLine};
use crate::policies::traffic_log::timestamp;

/// Answers the lines of one peer.
pub(crate) struct Session {
    lines: Lines,
    settings: Rc<Settings>,
    room: Room,
    trace: Option<Trace>,
    /// The command that is carried out, other than a trace.
    running: Option<Running>,
    /// Whether to close behind its answer.
    last: bool,
}

struct Running {
    call: DeferredCall,
    /// Whether it only looks, so that it need not be waited for at the end.
    only_looks: bool,
}

struct Trace {
    call: DeferredCall,
    json: bool,
}

impl Session {
    pub(crate) fn new(lines: Lines, settings: Rc<Settings>) -> Self {
        Self { lines, settings, room: Room::default(), trace: None, running: None, last: false }
    }

    fn output(&self, json: bool) -> Output {
        Output::new(self.lines.clone(), self.room.clone(), json)
    }

    fn carry_out(&mut self, request: Request) {
        let Request { json, word, command } = request;
        let mut output = self.output(json);
        let command = match command {
            Ok(command) => command,
            Err(error) => return output.error(&word, &error),
        };
        if let Command::Trace { id, wire } = command {
            return self.begin_trace(id, wire, json);
        }
        if command == Command::Quit {
            output.end(&word, None);
            return self.lines.lose_connection();
        }
        // One command after the other.
        self.lines.pause_reading();
        let only_looks = matches!(command, Command::Ps(_) | Command::Top(_));
        let settings = Rc::clone(&self.settings);
        let reactor = self.lines.reactor();
        let answer = async move {
            match answer(&reactor, &settings, command, &mut output).await {
                Ok(done) => output.end(&word, done),
                Err(error) => output.error(&word, &error),
            }
        };
        let call = self.lines.defer(answer, |this: &mut Self, ()| {
            this.running = None;
            this.lines.resume_reading();
            if this.last {
                this.lines.lose_connection();
            }
        });
        self.running = Some(Running { call, only_looks });
    }

    /// Closes behind the answer to a command that does something.
    fn finish(&mut self) {
        self.last = true;
        if let Some(running) = self.running.take_if(|running| running.only_looks) {
            running.call.cancel();
        }
        if self.running.is_none() {
            self.lines.lose_connection();
        }
    }

    fn begin_trace(&mut self, id: ConnectionId, wire: bool, json: bool) {
        let mut output = self.output(json);
        let reactor = self.lines.reactor();
        let trace = async move {
            match watch(&reactor, id, wire).await {
                Ok(watch) => {
                    trace(&mut output, id, watch).await;
                    output.end("trace", None);
                }
                Err(error) => output.error("trace", &error),
            }
        };
        let call = self.lines.defer(trace, |this: &mut Self, ()| this.trace = None);
        self.trace = Some(Trace { call, json });
    }
}

impl LineHandler for Session {
    fn connection_made(&mut self) {
        if let Err(why) = self.settings.admits(self.lines.transport()) {
            tracing::warn!(console = self.settings.name, peer = %self.lines.peer(), why, "refused");
            self.lines.write(format!("refused: {why}\n"));
            return self.lines.transport().lose_connection_with(CloseReason::failed("may not use the console"));
        }
        self.lines.on_drain(Self::finish);
        self.lines.write(format!("{}: `help` lists the commands\n", escaped(&self.settings.name)));
    }

    fn line_received(&mut self, line: &[u8]) {
        if let Some(Trace { call, json }) = self.trace.take() {
            call.cancel();
            self.output(json).end("trace", None);
            if line == b"stop" {
                return;
            }
        }
        if is_http(line) {
            // A browser can be made to post commands to a port, behind the head of its request.
            tracing::warn!(console = self.settings.name, peer = %self.lines.peer(), "refused a request of HTTP");
            self.lines.write("error: this is no web server\n");
            return self.lines.transport().lose_connection_with(CloseReason::failed("speaks HTTP"));
        }
        if let Some(request) = Request::parse(line) {
            self.carry_out(request);
        }
    }

    fn line_length_exceeded(&mut self, _data: &[u8]) -> OnLongLine {
        self.lines.write("error: a command of more than 1,024 bytes\n");
        OnLongLine::Close
    }

    fn resume_writing(&mut self) {
        self.room.wake();
    }
}

/// Whether it begins a request.
fn is_http(line: &[u8]) -> bool {
    let last = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    last.starts_with(b"HTTP/")
}

/// Carries out a command; returns what was done, where the answer has nothing else.
async fn answer(
    reactor: &Reactor,
    settings: &Settings,
    command: Command,
    output: &mut Output,
) -> Result<Option<String>, String> {
    match command {
        Command::Ps(query) => ps(reactor, query, output).await,
        Command::Top(time) => top(reactor, time, output).await,
        Command::Stats => {
            let zero = settings.zero.unwrap_or_else(|| reactor.now());
            for_threads(
                reactor,
                output,
                move |reactor, _| (reactor.stats(), reactor.now()),
                |thread, (stats, now)| vec![Row::Stats(stats_row(thread, &stats, now.saturating_duration_since(zero)))],
            )
            .await;
        }
        Command::Slow => {
            for slow in slow_callbacks() {
                output.row(&Row::Slow(slow_row(slow))).await;
            }
        }
        Command::Timers(limit) => {
            for_threads(
                reactor,
                output,
                move |reactor, _| reactor.pending_calls(limit),
                |thread, calls| calls.into_iter().map(|call| Row::Timer(timer_row(thread, call))).collect(),
            )
            .await;
        }
        Command::Ports => {
            let mut sums = Vec::new();
            for (thread, handle) in reactor.threads() {
                match ask(reactor, &handle, |reactor| port_sums(&reactor.ports())).await {
                    Some(more) => more.into_iter().for_each(|sum| sum.add_to(&mut sums)),
                    None => output.row(&silent(thread)).await,
                }
            }
            for sum in sums {
                output.row(&Row::Port(sum.into_row())).await;
            }
        }
        Command::Jobs => {
            for_threads(
                reactor,
                output,
                |reactor, _| reactor.stats(),
                |thread, stats| vec![Row::Jobs(jobs_row(thread, &stats))],
            )
            .await;
        }
        Command::Log(level, target) => {
            let set = settings.log.as_ref().ok_or("this program does not let its log be changed")?;
            set(level, target.as_deref())?;
            let of = target.map_or_else(|| "everything".to_owned(), |target| escaped(&target).to_string());
            return Ok(Some(format!("{of} is logged at the level {level}")));
        }
        Command::Close { id, now } => return close(reactor, id, now).await.map(Some),
        Command::Drain { port, within } => return drain(reactor, &port, within).await.map(Some),
        Command::Help => {
            for row in help() {
                output.row(&Row::Help(row)).await;
            }
        }
        Command::Trace { .. } | Command::Quit => {}
    }
    Ok(None)
}

fn silent(thread: usize) -> Row {
    Row::Silent { thread: thread as u64 }
}

/// Answers with the rows that `rows` makes of what each thread says.
async fn for_threads<T: Send + 'static>(
    reactor: &Reactor,
    output: &mut Output,
    say: impl Fn(&Reactor, usize) -> T + Clone + Send + 'static,
    rows: impl Fn(usize, T) -> Vec<Row>,
) {
    for (thread, handle) in reactor.threads() {
        let say = say.clone();
        match ask(reactor, &handle, move |reactor| say(reactor, thread)).await {
            Some(said) => {
                for row in rows(thread, said) {
                    output.row(&row).await;
                }
            }
            None => output.row(&silent(thread)).await,
        }
    }
}

async fn ps(reactor: &Reactor, query: Query, output: &mut Output) {
    let (sort, mut left) = (query.sort, query.limit.unwrap_or(usize::MAX));
    let pick = move |thread, info| Some(connection_row(thread, info)).filter(|row| query.includes(row));
    let mut gathering = Gathering::begin(reactor, pick);
    let mut sorted = Vec::new();
    while left > 0
        && let Some(piece) = gathering.next().await
    {
        match piece {
            Piece::Of(rows) if sort.is_some() => sorted.extend(rows),
            Piece::Of(rows) => {
                for row in rows.into_iter().take(left) {
                    left -= 1;
                    output.row(&Row::Connection(row)).await;
                }
            }
            Piece::Silent(thread) => output.row(&silent(thread)).await,
        }
    }
    if let Some(field) = sort {
        sorted.sort_by_key(|row| Reverse(field.of(row)));
        for row in sorted.into_iter().take(left) {
            output.row(&Row::Connection(row)).await;
        }
    }
}

/// What a connection had done at one moment.
type Sums = (u64, u64, u64);

async fn top(reactor: &Reactor, time: Duration, output: &mut Output) {
    let begun = reactor.now();
    let mut before: HashMap<ConnectionId, Sums> = HashMap::new();
    let pick = |thread, info: ConnectionInfo| {
        Some((ConnectionId { thread, number: info.id }, (info.bytes_in, info.bytes_out, info.reads)))
    };
    let mut gathering = Gathering::begin(reactor, pick);
    while let Some(piece) = gathering.next().await {
        if let Piece::Of(sums) = piece {
            before.extend(sums);
        }
    }
    reactor.sleep(time).await;
    let mut gathering = Gathering::begin(reactor, |thread, info| Some(connection_row(thread, info)));
    let mut after: Vec<ConnectionRow> = Vec::new();
    while let Some(piece) = gathering.next().await {
        match piece {
            Piece::Of(rows) => after.extend(rows),
            Piece::Silent(thread) => output.row(&silent(thread)).await,
        }
    }
    for row in busy_rows(after, &before, reactor.now().saturating_duration_since(begun)) {
        output.row(&Row::Busy(row)).await;
    }
}

fn thread_of(reactor: &Reactor, id: ConnectionId) -> Result<RemoteReactor, String> {
    let thread = reactor.threads().into_iter().find(|(thread, _)| *thread == id.thread);
    thread.map(|(_, handle)| handle).ok_or_else(|| format!("there is no thread {}", id.thread))
}

fn hangs(id: ConnectionId) -> String {
    format!("thread {} does not answer: a callback hangs there, see `slow`", id.thread)
}

fn no_connection(id: ConnectionId) -> String {
    format!("there is no connection {id}")
}

async fn close(reactor: &Reactor, id: ConnectionId, now: bool) -> Result<String, String> {
    let thread = thread_of(reactor, id)?;
    let closed = ask(reactor, &thread, move |reactor| {
        let transport = reactor.transport(id.number)?;
        if now {
            transport.abort_connection();
        } else {
            transport.lose_connection();
        }
        Some(transport.unsent_bytes())
    });
    match closed.await.ok_or_else(|| hangs(id))? {
        None => Err(no_connection(id)),
        Some(_) if now => Ok(format!("{id} is closed")),
        Some(0) => Ok(format!("{id} closes")),
        Some(unsent) => Ok(format!("{id} closes when its {unsent} bytes are sent")),
    }
}

async fn drain(reactor: &Reactor, port: &str, within: Option<Duration>) -> Result<String, String> {
    let (mut ports, mut connections, mut silent) = (0, 0, String::new());
    for (number, thread) in reactor.threads() {
        let host = port.to_owned();
        let drained = ask(reactor, &thread, move |reactor| {
            let at_host: Vec<_> = reactor.ports().into_iter().filter(|port| port.host().to_string() == host).collect();
            let of_streams = at_host.iter().any(|port| !port.is_for_datagrams());
            let all = at_host.into_iter().filter(|port| port.is_for_datagrams() != of_streams);
            let counts = all.map(|port| {
                let connections = port.connection_count();
                let drained = port.drain(within.unwrap_or(Duration::MAX));
                reactor.spawn(async move { drop(drained.await) });
                connections
            });
            let counts: Vec<usize> = counts.collect();
            (counts.len(), counts.iter().sum::<usize>())
        });
        match drained.await {
            Some((more_ports, more_connections)) => {
                ports += more_ports;
                connections += more_connections;
            }
            None => silent += &format!("; thread {number} does not answer"),
        }
    }
    match ports {
        0 if !silent.is_empty() => Err(format!("no thread that answers has this port{silent}")),
        0 => Err(format!("there is no port {:?}: see `ports`", port.chars().take(40).collect::<String>())),
        _ => Ok(format!("{} listens no more; {connections} connections are asked to finish{silent}", escaped(port))),
    }
}

async fn watch(reactor: &Reactor, id: ConnectionId, wire: bool) -> Result<TrafficWatch, String> {
    let thread = thread_of(reactor, id)?;
    let watch = ask(reactor, &thread, move |reactor| {
        let transport = reactor.transport(id.number).ok_or_else(|| no_connection(id))?;
        let is_console = |name: &&str| name.contains(type_name::<Session>());
        if transport.info().protocols.iter().any(is_console) {
            // It, or two that trace each other, would never come to rest.
            return Err(format!("{id} is a console: each line that it shows would be followed by one more"));
        }
        Ok(if wire { transport } else { transport.innermost() }.watch_traffic())
    });
    watch.await.ok_or_else(|| hangs(id))?
}

async fn trace(output: &mut Output, connection: ConnectionId, mut watch: TrafficWatch) {
    while let Some(TrafficEvent { time, left_out, kind, .. }) = watch.next().await {
        let time = timestamp(time);
        let row = |event: &str| TrafficRow {
            time: time.clone(),
            connection,
            event: event.to_owned(),
            data: None,
            bytes: None,
            events: None,
            reason: None,
        };
        let passed = |event, data: &[u8], bytes| TrafficRow {
            data: Some(data.escape_ascii().to_string()),
            bytes: Some(bytes as u64),
            ..row(event)
        };
        if left_out > 0 {
            output.row(&Row::Traffic(TrafficRow { events: Some(left_out), ..row("left_out") })).await;
        }
        let row = match kind {
            TrafficKind::Received(data, bytes) => passed("received", &data, bytes),
            TrafficKind::Sent(data, bytes) => passed("sent", &data, bytes),
            TrafficKind::ReceivedEnd => row("received_end"),
            TrafficKind::Lost(reason) => TrafficRow { reason: Some(escaped(&reason).to_string()), ..row("lost") },
            _ => continue,
        };
        output.row(&Row::Traffic(row)).await;
        output.flush().await;
    }
}
