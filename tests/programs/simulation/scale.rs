//! Very many connections of one server: each speaks in lines, has a time limit, and is in a room with all others.
//!
//! Both ends of each connection and the network between them are in this process.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use protocols::policies::IdleTimeout;
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::net::ListenOptions;
use reactor::port::AcceptLimits;
use reactor::testing::Simulation;
use reactor::{CloseReason, Protocol, Reactor, Transport};
use rig::allocations::live_bytes;
use rig::page;

/// What it took, as a sentence and a table.
pub(crate) fn scale(connections: usize) -> String {
    let sim = Simulation::new(1);
    let counts = Rc::new(Counts::default());
    let room = Room::default();
    serve(&sim.host("server"), &counts, &room);
    let mut rows = page::Rows::new();
    let mut phase = |what: &str, begun: f64, callbacks: u64, connections: usize| {
        let (seconds, callbacks) = (processor_seconds() - begun, counts.callbacks.get() - callbacks);
        rows.push(vec![
            what.to_owned(),
            page::number(seconds),
            page::number(seconds * 1e6 / connections as f64),
            page::number(callbacks as f64 / seconds),
        ]);
    };

    let before = live_bytes();
    let (begun, callbacks) = (processor_seconds(), counts.callbacks.get());
    let clients = connect(&sim, connections, &counts);
    phase("connecting", begun, callbacks, connections);
    let held = (live_bytes() - before) as f64 / connections as f64;

    let (begun, callbacks) = (processor_seconds(), counts.callbacks.get());
    clients.borrow().iter().for_each(|client| client.write("hello\n"));
    sim.run_until(|| counts.answers.get() == connections as u64);
    phase("a line from each, and its answer", begun, callbacks, connections);

    let (begun, callbacks) = (processor_seconds(), counts.callbacks.get());
    clients.borrow()[0].write("all\n");
    sim.run_until(|| counts.answers.get() == 2 * connections as u64);
    phase("a line to all", begun, callbacks, connections);
    let used = (live_bytes() - before) as f64 / connections as f64;

    // Only those that hear nothing for so long are closed.
    let (begun, callbacks) = (processor_seconds(), counts.callbacks.get());
    sim.run_for(IDLE + Duration::from_secs(1));
    assert_eq!(counts.lost.get(), 2 * connections as u64, "each end is told");
    phase("the time limit of all", begun, callbacks, connections);

    let head = ["", "seconds of processor time", "µs of it for each", "callbacks a second of it"];
    format!(
        "{} connections: {} bytes on the heap for each at rest, {} after two lines; both ends of it, and what the network keeps \
         of it.\n\n{}",
        page::number(connections as f64),
        page::number(held.round()),
        page::number(used.round()),
        page::table(&head, 1, &rows),
    )
}

/// Of this process, which has one thread.
fn processor_seconds() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("a process may ask for its own");
    let parts = [usage.user_time(), usage.system_time()];
    parts.iter().map(|part| part.tv_sec() as f64 + part.tv_usec() as f64 / 1e6).sum()
}

const IDLE: Duration = Duration::from_secs(600);

/// Clients of a host: fewer than it has ports.
const A_HOST: usize = 10_000;

#[derive(Default)]
struct Counts {
    callbacks: Cell<u64>,
    made: Cell<u64>,
    answers: Cell<u64>,
    lost: Cell<u64>,
}

fn one_more(count: &Cell<u64>) {
    count.set(count.get() + 1);
}

type Room = Rc<RefCell<Vec<Lines>>>;

fn serve(reactor: &Reactor, counts: &Rc<Counts>, room: &Room) {
    let (counts, room) = (Rc::clone(counts), Rc::clone(room));
    let member = move |lines| Member { lines, room: Rc::clone(&room), counts: Rc::clone(&counts) };
    let lines = LineReceiver::factory(member).delimiter("\n");
    let limits = AcceptLimits::new().per_peer(usize::MAX).pending_per_peer(usize::MAX);
    let options = ListenOptions::new("0.0.0.0:7").limits(limits);
    reactor.listen_tcp(options, IdleTimeout::around(IDLE, lines)).expect("the port is free");
}

fn connect(sim: &Simulation, connections: usize, counts: &Rc<Counts>) -> Rc<RefCell<Vec<Transport>>> {
    let clients = Rc::new(RefCell::new(Vec::with_capacity(connections)));
    for first in (0..connections).step_by(A_HOST) {
        let host = sim.host(&format!("client{first}"));
        let until = connections.min(first + A_HOST);
        for _ in first..until {
            let (counts, clients) = (Rc::clone(counts), Rc::clone(&clients));
            host.connect_tcp("server:7", move |transport: Transport| {
                clients.borrow_mut().push(transport);
                Client { counts: Rc::clone(&counts) }
            });
        }
        sim.run_until(|| counts.made.get() == 2 * until as u64);
    }
    assert_eq!(counts.made.get(), 2 * connections as u64, "both ends of each are made");
    clients
}

/// A connection of the server.
struct Member {
    lines: Lines,
    room: Room,
    counts: Rc<Counts>,
}

impl LineHandler for Member {
    fn connection_made(&mut self) {
        one_more(&self.counts.callbacks);
        one_more(&self.counts.made);
        self.room.borrow_mut().push(self.lines.clone());
    }

    fn line_received(&mut self, line: &[u8]) {
        one_more(&self.counts.callbacks);
        match line {
            b"all" => self.room.borrow().iter().for_each(|member| member.send_line(line)),
            _ => self.lines.send_line(line),
        }
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        one_more(&self.counts.callbacks);
        one_more(&self.counts.lost);
    }
}

struct Client {
    counts: Rc<Counts>,
}

impl Protocol for Client {
    fn connection_made(&mut self) {
        one_more(&self.counts.callbacks);
        one_more(&self.counts.made);
    }

    fn data_received(&mut self, data: &[u8]) {
        one_more(&self.counts.callbacks);
        let lines = data.iter().filter(|byte| **byte == b'\n').count();
        self.counts.answers.set(self.counts.answers.get() + lines as u64);
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        one_more(&self.counts.callbacks);
        one_more(&self.counts.lost);
    }
}
