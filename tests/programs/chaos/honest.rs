//! The clients that must be served.

use std::io;
use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use rig::now;
use rig::ready_made::Client;
use socket2::Socket;

use crate::round::Until;
use crate::servers::Server;

/// What came of the requests of honest clients.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) asked: u64,
    pub(crate) lost: u64,
    /// Of clients whose address is the attackers'.
    pub(crate) near_asked: u64,
    pub(crate) near_lost: u64,
    /// Milliseconds to the answers.
    pub(crate) times: Vec<f32>,
    /// The first loss.
    pub(crate) reason: Option<String>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.asked += other.asked;
        self.lost += other.lost;
        self.near_asked += other.near_asked;
        self.near_lost += other.near_lost;
        self.times.extend(&other.times);
        self.reason = self.reason.take().or_else(|| other.reason.clone());
    }

    /// The 99th percentile in milliseconds.
    pub(crate) fn p99(&mut self) -> f32 {
        self.times.sort_unstable_by(f32::total_cmp);
        self.times.get(self.times.len() * 99 / 100).copied().unwrap_or(f32::NAN)
    }

    fn record(&mut self, begun: Instant, result: io::Result<()>) {
        self.asked += 1;
        match result {
            Ok(()) => self.times.push(begun.elapsed().as_secs_f32() * 1000.0),
            Err(error) => {
                self.lost += 1;
                self.reason.get_or_insert_with(|| error.to_string());
            }
        }
    }
}

/// Asks until then: on a connection that was there before, on new ones, and from the attackers' address.
pub(crate) fn ask(server: &Server, until: Until) -> Tally {
    let mut tally = Tally::default();
    let mut faithful = None;
    for number in 0.. {
        if until.is_over() {
            break;
        }
        let begun = now();
        tally.record(begun, ask_anew(server, server.honest(number)).map(drop));
        // Answers to the datagrams of one address have a limit, which the attackers pass.
        if !server.is_datagrams() {
            tally.near_asked += 1;
            tally.near_lost += u64::from(ask_anew(server, server.attacker()).is_err());
            if !server.dialogue.is_single() {
                let begun = now();
                tally.record(begun, ask_again(server, &mut faithful));
            }
        }
        until.wait(PAUSE);
    }
    tally
}

/// Asks once, on a connection of its own.
pub(crate) fn ask_anew(server: &Server, source: Ipv4Addr) -> io::Result<Client> {
    let socket = server.connect(source)?;
    if server.is_datagrams() {
        ask_by_datagram(server, &socket)?;
        return Ok(Client::Plain(socket));
    }
    let mut client = server.dialogue.open(socket)?;
    server.dialogue.ask(&mut client)?;
    Ok(client)
}

fn ask_again(server: &Server, kept: &mut Option<Client>) -> io::Result<()> {
    let client = match kept.take() {
        None => ask_anew(server, server.honest(0))?,
        Some(mut client) => {
            server.dialogue.ask(&mut client)?;
            client
        }
    };
    *kept = Some(client);
    Ok(())
}

/// Asks again when no answer comes: the system may drop datagrams.
fn ask_by_datagram(server: &Server, mut socket: &Socket) -> io::Result<()> {
    socket.set_read_timeout(Some(RETRY))?;
    let mut buffer = [0; 100];
    for _ in 0..TRIES {
        socket.write_all(&server.dialogue.question)?;
        match socket.read(&mut buffer) {
            Ok(length) if buffer[..length].ends_with(&server.dialogue.question) => return Ok(()),
            Ok(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "a wrong answer")),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// Between two requests.
const PAUSE: Duration = Duration::from_millis(50);

const RETRY: Duration = Duration::from_millis(500);
const TRIES: u32 = 10;
