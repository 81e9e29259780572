//! The connections to the console: one that asks, and one for a trace.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use protocols::console::Row;
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::endpoint::ClientEndpoint;
use reactor::text::escaped;
use reactor::{CloseReason, Reactor, Transport};

use crate::dashboard::{Action, Dashboard, Link};

/// What the connections share: the screen, and each other.
pub(crate) struct Shared {
    pub(crate) reactor: Reactor,
    pub(crate) dashboard: RefCell<Dashboard>,
    endpoint: Rc<dyn ClientEndpoint>,
    interval: Duration,
    /// Draws what has changed.
    redraw: Box<dyn Fn()>,
    asking: RefCell<Option<Asking>>,
    /// Why nothing can be asked of what is connected.
    refusal: RefCell<Option<String>>,
    trace: RefCell<Option<Transport>>,
    /// Counts the traces: a connection that is made too late is of none.
    traces: Cell<u64>,
}

/// The connection that asks.
struct Asking {
    lines: Lines,
    /// How many answers are awaited, and when one came last.
    awaited: usize,
    since: Instant,
}

/// How long to wait before each further attempt to connect.
const AGAIN: Duration = Duration::from_secs(1);

/// An answer's rows are short: those of a connection with many long names of types fit in.
const LONGEST_ROW: usize = 64 * 1024;

/// From when on a console is called silent.
const PATIENCE: Duration = Duration::from_secs(2);

impl Shared {
    pub(crate) fn new(
        reactor: &Reactor,
        dashboard: Dashboard,
        endpoint: Rc<dyn ClientEndpoint>,
        interval: Duration,
        redraw: impl Fn() + 'static,
    ) -> Rc<Self> {
        Rc::new(Self {
            reactor: reactor.clone(),
            dashboard: RefCell::new(dashboard),
            endpoint,
            interval,
            redraw: Box::new(redraw),
            asking: RefCell::new(None),
            refusal: RefCell::new(None),
            trace: RefCell::new(None),
            traces: Cell::new(0),
        })
    }

    /// Connects to the console, asks it, and connects again when it has gone; until the program ends.
    pub(crate) async fn keep_asking(self: Rc<Self>) {
        loop {
            let shared = Rc::clone(&self);
            let factory =
                LineReceiver::factory(move |lines| Console::new(lines, &shared)).any_newline().max_length(LONGEST_ROW);
            let why = match self.endpoint.connect(Box::new(factory)).await {
                Ok(transport) => match transport.finished().await {
                    Some(reason) if !reason.is_clean() => reason.to_string(),
                    _ => "the console has closed the connection".to_owned(),
                },
                Err(error) => error.to_string(),
            };
            // A refusal says more than that the connection has ended.
            let why = self.refusal.take().unwrap_or(why);
            self.dashboard.borrow_mut().set_link(Link::Down(why));
            (self.redraw)();
            self.reactor.sleep(AGAIN).await;
        }
    }

    /// Asks for everything, unless answers are awaited: a console that is slow gets no more to do.
    pub(crate) fn poll(&self) {
        let mut asking = self.asking.borrow_mut();
        let Some(asking) = &mut *asking else { return };
        if asking.awaited > 0 {
            let silent = self.reactor.now().saturating_duration_since(asking.since);
            if silent >= PATIENCE {
                self.dashboard.borrow_mut().set_link(Link::Silent(silent.as_secs()));
                (self.redraw)();
            }
            return;
        }
        let questions = self.dashboard.borrow().questions();
        questions.iter().for_each(|question| asking.ask(question, &self.reactor));
    }

    /// Does what a key asks for.
    pub(crate) fn act(self: &Rc<Self>, action: Action) {
        match action {
            Action::Quit => self.reactor.stop(),
            Action::Poll => self.poll(),
            Action::Send(command) => match &mut *self.asking.borrow_mut() {
                Some(asking) => asking.ask(&command, &self.reactor),
                None => self.dashboard.borrow_mut().say("the console is not connected".to_owned(), true),
            },
            Action::Trace(id) => {
                self.end_trace();
                let (shared, number) = (Rc::clone(self), self.traces.get());
                let command = format!("json trace {id}");
                self.reactor.spawn(async move { shared.follow(number, command).await });
            }
            Action::EndTrace => self.end_trace(),
        }
    }

    fn end_trace(&self) {
        self.traces.set(self.traces.get() + 1);
        if let Some(transport) = self.trace.take() {
            transport.abort_connection();
        }
    }

    /// Shows what a trace says until it ends.
    async fn follow(self: Rc<Self>, number: u64, command: String) {
        let shared = Rc::clone(&self);
        let factory = LineReceiver::factory(move |lines: Lines| {
            lines.send_line(&command);
            (shared.traces.get() == number).then(|| Tracing { number, shared: Rc::clone(&shared) })
        });
        if let Ok(transport) = self.endpoint.connect(Box::new(factory.any_newline().max_length(LONGEST_ROW))).await {
            if self.traces.get() == number {
                self.trace.replace(Some(transport.clone()));
            }
            transport.finished().await;
        }
        self.traced(number, None);
    }

    fn traced(&self, number: u64, row: Option<Row>) {
        if self.traces.get() == number {
            self.dashboard.borrow_mut().traced(row);
            (self.redraw)();
        }
    }
}

impl Asking {
    fn ask(&mut self, command: &str, reactor: &Reactor) {
        if self.awaited == 0 {
            self.since = reactor.now();
        }
        self.lines.send_line(format!("json {command}"));
        self.awaited += 1;
    }
}

/// How a console begins when it refuses somebody.
const REFUSED: &str = "refused:";

/// Asks, and collects the rows of an answer.
struct Console {
    lines: Lines,
    shared: Rc<Shared>,
    rows: Vec<Row>,
    is_greeted: bool,
}

impl Console {
    fn new(lines: Lines, shared: &Rc<Shared>) -> Self {
        Self { lines, shared: Rc::clone(shared), rows: Vec::new(), is_greeted: false }
    }
}

impl LineHandler for Console {
    fn connection_made(&mut self) {
        let asking = Asking { lines: self.lines.clone(), awaited: 0, since: self.shared.reactor.now() };
        self.shared.asking.replace(Some(asking));
        self.lines.call_every(self.shared.interval, |this: &mut Self, _| this.shared.poll()).now();
    }

    fn line_received(&mut self, line: &[u8]) {
        let was_greeted = std::mem::replace(&mut self.is_greeted, true);
        let Ok(row) = Row::from_json(&String::from_utf8_lossy(line)) else {
            if line.starts_with(REFUSED.as_bytes()) {
                self.shared.refusal.replace(Some(escaped(line).to_string()));
            } else if was_greeted && !line.starts_with(b"{") {
                self.shared.refusal.replace(Some("what answers there is no console".to_owned()));
                self.lines.lose_connection();
            }
            // The greeting, or a row of a later version.
            return;
        };
        if !matches!(row, Row::End { .. } | Row::Error { .. }) {
            return self.rows.push(row);
        }
        if let Some(asking) = &mut *self.shared.asking.borrow_mut() {
            asking.awaited = asking.awaited.saturating_sub(1);
            asking.since = self.shared.reactor.now();
        }
        let mut dashboard = self.shared.dashboard.borrow_mut();
        dashboard.set_link(Link::Up);
        dashboard.answer(std::mem::take(&mut self.rows), row);
        drop(dashboard);
        (self.shared.redraw)();
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        self.shared.asking.take();
    }
}

/// Passes on what a trace says.
struct Tracing {
    number: u64,
    shared: Rc<Shared>,
}

impl LineHandler for Tracing {
    fn line_received(&mut self, line: &[u8]) {
        if let Ok(row) = Row::from_json(&String::from_utf8_lossy(line)) {
            self.shared.traced(self.number, Some(row));
        }
    }
}
