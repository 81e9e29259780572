//! A server one of whose allocations fails.

use std::io;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use socket2::Socket;

use crate::ready_made::{Client, Dialogue};
use crate::{Child, faults, peer};

/// Makes a ready-made server talk with a few clients while its `nth` allocation fails, from its start on, and then
/// stop. The program is the serving one (`serve NAME`); those that forward connect to `echo`. Returns how many
/// allocations there were, if the server lived to its end.
///
/// # Errors
///
/// A description of the fault: a client waited until the [deadline](peer::DEADLINE) or received a wrong answer, or
/// the server ended in another way than in order, with an error, or by the abort that is Rust's answer to a failed
/// allocation.
pub fn serve_with_failing_allocation(
    program: &Path,
    dialogue: &Dialogue,
    echo: SocketAddr,
    nth: u64,
) -> Result<Option<u64>, String> {
    let mut command = Command::new(program);
    command.args(["serve", dialogue.name, &format!("echo={echo}"), &format!("fail-allocation={nth}")]);
    let server = match Child::try_start(&mut command) {
        Ok(server) => server,
        Err(log) if log.iter().any(|line| line.contains(ABORT)) => return Ok(None),
        Err(log) if !log.is_empty() && !faults::has_panicked(&log) => return Ok(None),
        Err(log) => return Err(format!("it did not start: {log:?}")),
    };
    for client in 0..CLIENTS {
        match talk(dialogue, server.address(), client) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(error.to_string()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err("a client waits for ever".to_owned()),
            // The connection has ended, and perhaps the server.
            _ => {}
        }
    }
    let ended = faults::stop(server).ok_or("it does not stop")?;
    let aborted = ended.status.signal() == Some(Signal::SIGABRT as i32);
    match ended.status.success() {
        true if !faults::has_panicked(&ended.errors) => Ok(Some(ended.count("allocations"))),
        false if aborted && ended.errors.iter().any(|line| line.contains(ABORT)) => Ok(None),
        _ => Err(format!("it did not end in order: {ended:?}")),
    }
}

/// Asks twice, leaves something unfinished, breaks a rule.
fn talk(dialogue: &Dialogue, server: SocketAddr, client: usize) -> io::Result<()> {
    let connect = || io::Result::Ok(Socket::from(peer::try_connect(server)?));
    let mut asking = dialogue.open(connect()?)?;
    dialogue.ask(&mut asking)?;
    if !dialogue.is_single() {
        dialogue.ask(&mut asking)?;
    }
    let other = [&dialogue.unfinished, &dialogue.forbidden][client % 2].get(client / 2);
    let breaking = if client % 2 == 1 { dialogue.open(connect()?)? } else { Client::Plain(connect()?) };
    breaking.socket().write_all(other.map_or(&dialogue.question, Vec::as_slice))
}

/// What the standard library says before it aborts.
const ABORT: &str = "memory allocation of ";

const CLIENTS: usize = 4;
