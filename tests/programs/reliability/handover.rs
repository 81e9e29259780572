//! One server process after another, under load.

use std::io::{Read as _, Write as _};
use std::iter::Sum;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{io, mem, thread};

use rig::{Child, now, peer};

use crate::Figure;
use crate::checks::{server, source};
use crate::load::{since, wait};

/// R23: each server takes over from the one before, while clients connect, ask, and read the complete answer.
pub(crate) fn handover(times: usize) -> io::Result<Vec<Figure>> {
    let directory = tempfile::tempdir()?;
    let path = format!("path={}", directory.path().join("handover").display());
    let mut current = server("successor", &[&path]);
    let address = current.address();
    let stopping = AtomicBool::new(false);
    let start = now();
    let mut unwell = 0;
    let tally: Tally = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let stopping = &stopping;
                scope.spawn(move || ask_again_and_again(number, address, stopping))
            })
            .collect();
        for _ in 0..times {
            wait(BETWEEN);
            // With the same arguments it gets the same socket.
            let next = server("successor", &[&path]);
            assert_eq!(next.address(), address, "the socket was handed over");
            let before = mem::replace(&mut current, next);
            unwell += u64::from(!has_ended_well(before));
        }
        stopping.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().expect("a client does not panic")).sum()
    });
    let rate = tally.answered as f64 / since(start);
    Ok(vec![
        Figure::exactly(0, format!("clients refused in {times} handovers"), tally.refused),
        Figure::exactly(0, "connections reset or answers lost", tally.broken),
        Figure::exactly(0, "processes that did not end in order", unwell),
        Figure::told("connections a second meanwhile", rate),
    ])
}

pub(crate) fn has_ended_well(before: Child) -> bool {
    let ended = before.wait();
    for error in &ended.errors {
        eprintln!("{error}");
    }
    ended.status.success() && ended.errors.is_empty()
}

#[derive(Default)]
struct Tally {
    answered: u64,
    refused: u64,
    broken: u64,
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |sum, tally| Self {
            answered: sum.answered + tally.answered,
            refused: sum.refused + tally.refused,
            broken: sum.broken + tally.broken,
        })
    }
}

fn ask_again_and_again(number: usize, address: SocketAddr, stopping: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    let question = format!("{number:063}\n").into_bytes();
    for turn in 0.. {
        if stopping.load(Ordering::Relaxed) {
            break;
        }
        match ask(number + CLIENTS * turn, address, &question) {
            Ok(answer) if answer == question => tally.answered += 1,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => tally.refused += 1,
            Ok(_) | Err(_) => tally.broken += 1,
        }
    }
    tally
}

fn ask(from: usize, address: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = peer::connect_from(source(from), address)?;
    stream.write_all(question)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// Clients that ask one question after another.
const CLIENTS: usize = 4;

/// How long each server has the ports to itself.
const BETWEEN: Duration = Duration::from_millis(50);
