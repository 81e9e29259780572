//! The new process of a handover.

use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;
use std::os::unix::net;
use std::time::Duration;
use std::{io, mem};

use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;
use socket2::{Domain, Socket, Type};
use tokio::net::UnixStream;

use crate::address::unix::UnixAddress;
use crate::listen::handover::conversation::{CONTINUES, GONE, Line, Message, READY, UNWANTED, malformed};
use crate::listen::handover::live;
use crate::reactor::Reactor;
use crate::reactor::port_registry::PortKey;
use crate::threads::group::Member;
use crate::time::clock::Clock;
use crate::transport::moving::pump::AtRest;
use crate::unix;

/// Connects, waiting no longer than [`PATIENCE`] if the process is too busy to accept.
pub(super) fn connect(address: &UnixAddress) -> io::Result<net::UnixStream> {
    connect_within(address, PATIENCE)
}

fn connect_within(address: &UnixAddress, patience: Duration) -> io::Result<net::UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // The system uses this timeout for connecting, too.
    socket.set_write_timeout(Some(patience))?;
    socket.connect(&address.to_system()?).map_err(no_answer)?;
    socket.set_write_timeout(None)?;
    Ok(OwnedFd::from(socket).into())
}

/// Reads the names and the sockets that the previous process leaves, if that is root's, this user's or the `trusted` one's.
pub(super) fn receive_sockets(
    before: &net::UnixStream,
    clock: &Clock,
    trusted: Option<u32>,
) -> io::Result<Vec<(String, OwnedFd)>> {
    let user = socket_peercred(before)?.uid.as_raw();
    if !is_trusted(user) && trusted != Some(user) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user"));
    }
    receive_within(before, clock, PATIENCE)
}

fn receive_within(before: &net::UnixStream, clock: &Clock, patience: Duration) -> io::Result<Vec<(String, OwnedFd)>> {
    let until = clock.now() + patience;
    let mut text = Vec::new();
    let mut descriptors = Vec::new();
    let end = loop {
        if let Some(end) = end_of_list(&text) {
            break end;
        }
        // A timeout of zero would mean forever.
        let left = until.saturating_duration_since(clock.now()).max(Duration::from_millis(1));
        before.set_read_timeout(Some(left))?;
        let mut buffer = [0; 4096];
        match unix::receive(before, &mut buffer, &mut descriptors) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the answer was cut short")),
            Ok(n) => text.extend(&buffer[..n]),
            // The system does not resume a wait that has a time limit.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(no_answer(error)),
        }
        if text.len() > LONGEST {
            return Err(malformed());
        }
    };
    let behind = text.split_off(end);
    if !behind.is_empty() {
        return Err(if behind == GONE.as_bytes() {
            io::Error::other("another process has taken over meanwhile")
        } else {
            malformed()
        });
    }
    let names = String::from_utf8(text).map_err(|_| malformed())?;
    let names: Vec<_> = names.lines().filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let mut descriptors = VecDeque::from(descriptors);
    if names.len() != descriptors.len() {
        return Err(malformed());
    }
    Ok(names.into_iter().zip(descriptors.drain(..)).collect())
}

/// Where the list of names ends: behind its first empty line.
fn end_of_list(text: &[u8]) -> Option<usize> {
    if text.starts_with(b"\n") {
        return Some(1);
    }
    text.windows(2).position(|pair| pair == b"\n\n").map(|at| at + 2)
}

/// Replaces the system's error for a timeout, which only says that the call would block.
fn no_answer(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::Error::new(io::ErrorKind::TimedOut, "no answer"),
        _ => error,
    }
}

/// Whether this user's processes may hand over to this one, and it to them.
pub(super) fn is_trusted(user: u32) -> bool {
    user == 0 || user == geteuid().as_raw()
}

/// Says that this process is ready, unless it `listens` on none of the sockets, and goes on with the connections that the
/// previous process hands over, until that has released its ports.
pub(super) async fn take_over(reactor: &Reactor, before: net::UnixStream, listens: bool) -> io::Result<()> {
    before.set_nonblocking(true)?;
    let mut line = Line::new(UnixStream::from_std(before)?);
    if !listens {
        // The other process logs that, and goes on.
        let _ = line.send(UNWANTED.as_bytes(), None).await;
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it offers none of the addresses that this program listens on: the path is probably another program's",
        ));
    }
    // An error means that the previous process has ended, or has said why not before.
    let _ = line.send([READY, CONTINUES].concat().as_bytes(), None).await;
    let mut got = Got::default();
    let result = converse(reactor, &mut line, &mut got).await;
    // If the previous process has ended meanwhile, it is this one's turn; and a connection that was accepted is this one's,
    // whatever becomes of the rest.
    for (_, (member, id)) in mem::take(&mut got.accepted) {
        member.remote.ask(move |reactor| live::go(reactor, id, &[])).await;
    }
    if result.is_ok() && got.connections > 0 {
        tracing::info!(connections = got.connections, "connections go on here");
    }
    result
}

/// The connections that this process has got.
#[derive(Default)]
struct Got {
    connections: usize,
    /// Accepted and not yet released by the previous process, by its numbers.
    accepted: HashMap<u32, (Member, u64)>,
}

async fn converse(reactor: &Reactor, line: &mut Line, got: &mut Got) -> io::Result<()> {
    loop {
        let Ok(next) = reactor.time_out(PATIENCE * 2, line.next()).await else {
            let what = "it did not release its ports in time";
            // It may be stuck and find this later.
            let _ = reactor.time_out(PATIENCE, line.tell(&Message::Failed(what.to_owned()))).await;
            return Err(io::Error::new(io::ErrorKind::TimedOut, what));
        };
        match next? {
            None => return Ok(()),
            Some((Message::Connection { id, port, number, state, unsent }, Some(socket))) => {
                let key = PortKey { name: port, number: number as usize };
                let resumed = resume(reactor, key, AtRest { socket, state, unsent }).await;
                match resumed {
                    Some((member, local)) => {
                        // From here on it is known to be this process's: the other one reads this even if this one ends.
                        line.tell(&Message::Accepted(id)).await?;
                        got.connections += 1;
                        got.accepted.insert(id, (member, local));
                    }
                    None => line.tell(&Message::Refused(id)).await?,
                }
            }
            Some((Message::Released { id, written }, _)) => {
                let (member, local) = got.accepted.remove(&id).ok_or_else(malformed)?;
                member.remote.ask(move |reactor| live::go(reactor, local, &written)).await;
            }
            Some((Message::NoMore, _)) => line.tell(&Message::Done).await?,
            Some((Message::Failed(why), _)) => return Err(io::Error::other(why)),
            Some(_) => return Err(malformed()),
        }
    }
}

/// Makes a connection of the reactor with fewest of those that have the port; it does not begin yet.
async fn resume(reactor: &Reactor, key: PortKey, at_rest: AtRest) -> Option<(Member, u64)> {
    let mut members = reactor.members();
    members.sort_by_key(Member::load);
    let mut at_rest = Some(at_rest);
    for member in members {
        let (key, given) = (key.clone(), at_rest.take()?);
        match member.remote.ask(move |reactor| live::resume(reactor, &key, given)).await? {
            Ok(id) => return Some((member, id)),
            Err(back) => at_rest = back,
        }
    }
    None
}

/// How long the previous process may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The maximum total length of the names, in bytes.
const LONGEST: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const A_MOMENT: Duration = Duration::from_millis(10);

    #[test]
    fn a_process_that_says_nothing_is_not_waited_for_longer() {
        let (before, _silent) = net::UnixStream::pair().unwrap();
        let error = receive_within(&before, &Clock::system(), A_MOMENT).unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (io::ErrorKind::TimedOut, "no answer".to_owned()));
    }

    #[test]
    fn a_process_that_accepts_nobody_is_not_waited_for_longer() {
        let address = UnixAddress::from_abstract_name(format!("reactor-handover-{}", std::process::id()));
        let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        listener.bind(&address.to_system().unwrap()).unwrap();
        listener.listen(0).unwrap();
        let waiting = connect_within(&address, A_MOMENT).unwrap();
        let error = connect_within(&address, A_MOMENT).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(waiting);
    }
}
