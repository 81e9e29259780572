//! One server process after another, while connections that go on are under load.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::ops::AddAssign;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{io, mem, thread};

use protocols::{LineHandler, LineReceiver, Lines};
use reactor::connection::Resumable;
use reactor::service::{EndpointService, Runner};
use rig::{now, peer};

use crate::Figure;
use crate::checks::server;
use crate::handover::has_ended_well;
use crate::load::{since, wait};
use crate::serve::{options, say_ready};

/// R23-live: each server takes over from the one before, with its connections, on one thread and on two.
pub(crate) fn live(times: usize) -> io::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for threads in [1, 2] {
        figures.extend(on_threads(threads, times)?);
    }
    Ok(figures)
}

fn on_threads(threads: usize, times: usize) -> io::Result<Vec<Figure>> {
    let directory = tempfile::tempdir()?;
    let path = format!("path={}", directory.path().join("handover").display());
    let threads_option = format!("threads={threads}");
    let options = [path.as_str(), &threads_option];
    let mut current = server("counted-lines", &options);
    let address = current.address();
    let stopping = AtomicBool::new(false);
    let start = now();
    let mut unwell = 0;
    let mut tally = Tally::default();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| ask_on_and_on(address, &stopping))).collect();
        for _ in 0..times {
            wait(BETWEEN);
            let next = server("counted-lines", &options);
            assert_eq!(next.address(), address, "the socket was handed over");
            unwell += u64::from(!has_ended_well(mem::replace(&mut current, next)));
        }
        stopping.store(true, Ordering::Relaxed);
        clients.into_iter().for_each(|client| tally += client.join().expect("a client does not panic"));
    });
    let rate = tally.answered as f64 / since(start);
    let what = |what: &str| format!("{what} in {times} handovers, threads: {threads}");
    Ok(vec![
        Figure::exactly(0, what(&format!("of {} connections, cut", CLIENTS * CONNECTIONS)), tally.cut),
        Figure::exactly(0, what("answers lost"), tally.lost),
        Figure::exactly(0, what("answers doubled"), tally.doubled),
        Figure::exactly(0, what("processes that did not end in order"), unwell),
        Figure::told(what("answers a second"), rate),
    ])
}

#[derive(Default)]
struct Tally {
    answered: u64,
    cut: u64,
    lost: u64,
    doubled: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.answered += other.answered;
        self.cut += other.cut;
        self.lost += other.lost;
        self.doubled += other.doubled;
    }
}

/// Keeps a few lines under way on each of some connections, each in pieces, and looks whether the answers count on.
fn ask_on_and_on(address: SocketAddr, stopping: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    let mut connections: Vec<_> = (0..CONNECTIONS).map(|_| Some(Client::connect(address))).collect();
    let mut is_last = false;
    while !is_last {
        // After the last handover once more.
        is_last = stopping.load(Ordering::Relaxed);
        for slot in &mut connections {
            if slot.as_mut().is_some_and(|client| client.ask().is_err()) {
                *slot = None;
                tally.cut += 1;
            }
        }
        for slot in &mut connections {
            if slot.as_mut().is_some_and(|client| client.read(&mut tally).is_err()) {
                *slot = None;
                tally.cut += 1;
            }
        }
    }
    tally
}

struct Client {
    stream: BufReader<TcpStream>,
    asked: u64,
    answered: u64,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        Self { stream: BufReader::new(peer::connect(address)), asked: 0, answered: 0 }
    }

    /// The last line lacks its end, which comes with the next call.
    fn ask(&mut self) -> io::Result<()> {
        let mut text = String::from(if self.asked == 0 { "" } else { "e\n" });
        for number in self.asked..self.asked + UNDER_WAY {
            text += &format!("{number} lin{}", if number + 1 == self.asked + UNDER_WAY { "" } else { "e\n" });
        }
        self.asked += UNDER_WAY;
        self.stream.get_ref().write_all(text.as_bytes())
    }

    fn read(&mut self, tally: &mut Tally) -> io::Result<()> {
        while self.answered + 1 < self.asked {
            let mut answer = String::new();
            if self.stream.read_line(&mut answer)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let number = self.answered;
            // The count is the server's state, the rest the client's line.
            match answer.split_once(' ').and_then(|(count, line)| Some((count.parse::<u64>().ok()?, line))) {
                Some((count, line)) if count == number && line == format!("{number} line\n") => tally.answered += 1,
                Some((count, _)) if count < number => tally.doubled += 1,
                _ => tally.lost += 1,
            }
            self.answered += 1;
        }
        Ok(())
    }
}

/// Answers each line with its number on this connection, and the line.
struct CountedLines {
    lines: Lines,
    count: u64,
}

impl LineHandler for CountedLines {
    fn line_received(&mut self, line: &[u8]) {
        let answer = [self.count.to_string().as_bytes(), b" ", line].concat();
        self.lines.send_line(&answer);
        self.count += 1;
    }
}

impl Resumable for CountedLines {
    fn state(&mut self) -> Option<Vec<u8>> {
        Some(self.count.to_be_bytes().to_vec())
    }
}

/// Serves on this many threads, and takes over from the process that is at the path.
pub(crate) fn serve(address: &str, path: &str, threads: usize) -> io::Result<()> {
    let code = Runner::new("reliability").handover(path).threads(threads).run(|reactor| {
        let (reactor, address) = (reactor.clone(), address.to_owned());
        Ok(EndpointService::from_fn("port", async move || {
            let lines = LineReceiver::factory(|lines| CountedLines { lines, count: 0 }).delimiter("\n");
            let lines = lines.resumable(|lines, state| {
                Some(CountedLines { lines, count: u64::from_be_bytes(state.try_into().ok()?) })
            });
            let port = reactor.listen_tcp(options(&address), lines)?;
            if reactor.thread_number() == 0 {
                say_ready(&port);
            }
            Ok(port)
        }))
    });
    if code == ExitCode::SUCCESS { Ok(()) } else { Err(io::Error::other("the program has failed")) }
}

/// Threads that ask, and connections of each.
const CLIENTS: usize = 4;
const CONNECTIONS: usize = 25;

/// Lines on each connection at a time.
const UNDER_WAY: u64 = 4;

/// How long each server has the ports to itself.
const BETWEEN: Duration = Duration::from_millis(50);
