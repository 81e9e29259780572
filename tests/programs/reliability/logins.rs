//! A flood of logins with wrong passwords.

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use protocols::auth::{AttemptLimit, Identity, Password, PasswordHash, PasswordTable, Portal};
use reactor::{Factory, Protocol, Transport};
use rig::peer;

use crate::Figure;
use crate::checks::server;
use crate::load::{Latencies, since};

/// Sends back what it receives, and answers `login` with the outcome of one.
struct Door {
    transport: Transport,
    portal: Portal<Identity>,
}

impl Protocol for Door {
    fn data_received(&mut self, data: &[u8]) {
        if data != b"login" {
            return self.transport.write(data);
        }
        self.portal.login(&self.transport, Password::new("nobody", "a guess"), |this: &mut Self, result| {
            this.transport.write(if result.is_ok() { "+" } else { "-" });
        });
    }
}

/// A server without a limit on failures, so that each guess is hashed.
pub(crate) fn factory() -> impl Factory {
    let accounts = PasswordTable::new();
    accounts.insert("somebody", PasswordHash::new("secret"));
    let portal = Portal::new(|who: &Identity| who.clone());
    portal.register_checker::<Password>(accounts);
    portal.set_attempt_limit(AttemptLimit::none());
    move |transport| Door { transport, portal: portal.clone() }
}

/// As many clients as this guess passwords as fast as they are answered.
pub(crate) fn logins(clients: usize) -> io::Result<Vec<Figure>> {
    let server = server("logins", &[]);
    let stream = peer::connect(server.address());
    peer::round_trip(&stream, b"first");
    let quiet = Latencies::paced(&stream, PAUSE, TIME);
    let before = server.resident();
    let done = AtomicBool::new(false);
    let begun = rig::now();
    let (latencies, refused) = thread::scope(|scope| {
        let guessing = scope.spawn(|| guess(server.address(), clients, &done));
        let latencies = Latencies::paced(&stream, PAUSE, TIME);
        done.store(true, Ordering::Relaxed);
        (latencies, guessing.join().expect("the load does not panic"))
    });
    let (refused, time) = (refused?, since(begun));
    let grown = server.resident().saturating_sub(before);
    Ok(vec![
        Figure::told("logins refused a second", refused as f64 / time),
        Figure::at_most(64.0, "MiB that memory has grown", grown as f64 / f64::from(1 << 20)),
        Figure::at_most(20.0, "ms, p99, of an echo meanwhile", latencies.p99()),
        Figure::told("ms, p99, without them", quiet.p99()),
    ])
}

/// Returns how many guesses were refused.
fn guess(address: SocketAddr, clients: usize, done: &AtomicBool) -> io::Result<usize> {
    let mut streams: Vec<_> = (0..clients).map(|_| peer::connect(address)).collect();
    for stream in &mut streams {
        stream.write_all(b"login")?;
    }
    let mut refused = 0;
    // Those that were asked first are answered first.
    for number in (0..clients).cycle() {
        let mut answer = [0];
        streams[number].read_exact(&mut answer)?;
        if answer != *b"-" {
            return Err(io::Error::other("a wrong password was taken"));
        }
        refused += 1;
        if done.load(Ordering::Relaxed) {
            break;
        }
        streams[number].write_all(b"login")?;
    }
    Ok(refused)
}

const PAUSE: Duration = Duration::from_millis(1);
const TIME: Duration = Duration::from_secs(5);
