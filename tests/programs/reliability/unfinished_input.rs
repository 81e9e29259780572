//! Many peers at once that begin a message and do not complete it.

use std::io;
use std::io::Write as _;
use std::net::SocketAddr;

use rig::ready_made::{Client, Dialogue, dialogues};
use rig::{Child, now, peer};

use crate::Figure;
use crate::checks::{server, source};
use crate::load::since;

/// R9: this many peers of each ready-made protocol with messages, which do not complete what they send. The server may
/// have 300 MiB of address space, and the memory budget that comes of them.
pub(crate) fn unfinished_input(peers: usize) -> io::Result<Vec<Figure>> {
    let peers = peers.min(rig::open_files() - 300);
    let mut all = Outcome::default();
    let (mut servers, mut aborts, mut evicted) = (0, 0, 0);
    let echo = server("echo", &[]);
    let with_messages = |dialogue: &Dialogue| !dialogue.unfinished.is_empty();
    for dialogue in dialogues(echo.address()).into_iter().filter(with_messages) {
        let server = server(dialogue.name, &["address-space=300", &format!("echo={}", echo.address())]);
        let outcome = attack(&dialogue, &server, peers)?;
        let ended = server.stop();
        if outcome.lost > 0 || !ended.status.success() {
            eprintln!("{}: {} requests lost, {}", dialogue.name, outcome.lost, ended.status);
        }
        servers += 1;
        aborts += u64::from(!ended.status.success());
        evicted += ended.count("evicted");
        all.answered += outcome.answered;
        all.lost += outcome.lost;
        all.slowest = all.slowest.max(outcome.slowest);
        all.resident = all.resident.max(outcome.resident);
    }
    let what = format!("requests of honest clients lost, by {servers} servers");
    Ok(vec![
        Figure::at_most(0.0, what, all.lost as f64),
        Figure::told("requests that were answered", all.answered as f64),
        Figure::told("seconds until the slowest was", all.slowest),
        Figure::at_most(0.0, "aborts", aborts as f64),
        Figure::told("peers that were evicted", evicted as f64),
        Figure::told("MiB resident, at most", all.resident as f64 / f64::from(1 << 20)),
    ])
}

#[derive(Default)]
struct Outcome {
    answered: u64,
    lost: u64,
    slowest: f64,
    resident: usize,
}

fn attack(dialogue: &Dialogue, server: &Child, peers: usize) -> io::Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut faithful = None;
    let mut hostile = Vec::new();
    for number in 0..peers {
        let mut stream = peer::connect_from(source(number), server.address())?;
        // Those whose turn it is to go may go meanwhile.
        let _ = stream.write_all(&dialogue.unfinished[number % dialogue.unfinished.len()]);
        hostile.push(stream);
        if number % 100 == 99 {
            let begun = now();
            // One that was there before and goes on, unless one question is all that it may ask.
            let old = match faithful.take().filter(|_| !dialogue.is_single()) {
                Some(mut client) => dialogue.ask(&mut client).map(|()| client),
                None => newcomer(dialogue, server.address()),
            };
            for result in [&old, &newcomer(dialogue, server.address())] {
                match result {
                    Ok(_) => outcome.answered += 1,
                    Err(_) => outcome.lost += 1,
                }
            }
            faithful = old.ok();
            outcome.slowest = outcome.slowest.max(since(begun));
            outcome.resident = outcome.resident.max(server.resident());
        }
    }
    Ok(outcome)
}

/// An honest client that has asked once.
fn newcomer(dialogue: &Dialogue, server: SocketAddr) -> io::Result<Client> {
    let mut client = dialogue.open(peer::connect_from(source(0), server)?.into())?;
    dialogue.ask(&mut client)?;
    Ok(client)
}
