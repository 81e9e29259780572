//! A messenger on all cores, whose users find each other whichever thread has their connections: `messenger ADDRESS`. The
//! first line of a client is its name; `NAME TEXT` goes to the user of that name.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;

use protocols::{LineHandler, LineReceiver, Lines};
use reactor::CloseReason;
use reactor::service::{EndpointService, Runner};
use reactor::threads::RemoteTransport;

/// One table for all threads: in an `Rc` made by each of them, there would be one for each. It is locked for a moment.
#[derive(Clone, Default)]
struct Users(Arc<Mutex<HashMap<String, RemoteTransport>>>);

impl Users {
    fn with<R>(&self, change: impl FnOnce(&mut HashMap<String, RemoteTransport>) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct User {
    lines: Lines,
    users: Users,
    name: Option<String>,
}

impl LineHandler for User {
    fn line_received(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let Some(name) = &self.name else {
            let transport = self.lines.transport().remote();
            self.users.with(|users| users.insert(line.to_string(), transport));
            self.lines.send_line(format!("hello on thread {}", self.lines.transport().reactor().thread_number()));
            self.name = Some(line.to_string());
            return;
        };
        let (other, text) = line.split_once(' ').unwrap_or((&line, ""));
        let other = self.users.with(|users| users.get(other).cloned());
        // A handle for other threads: the line is written by the thread of that connection.
        let sent = other.is_some_and(|other| other.write(format!("{name}: {text}\r\n").into()).is_ok());
        self.lines.send_line(if sent { "sent" } else { "nobody has that name" });
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        if let Some(name) = &self.name {
            self.users.with(|users| users.remove(name));
        }
    }
}

fn main() -> ExitCode {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let threads = available_parallelism().map_or(1, usize::from).max(2);
    let users = Users::default();
    Runner::new("messenger").threads(threads).run(move |reactor| {
        let (reactor, address, users) = (reactor.clone(), address.clone(), users.clone());
        Ok(EndpointService::from_fn("messenger", async move || {
            let users = users.clone();
            let user = move |lines| User { lines, users: users.clone(), name: None };
            let port = reactor.listen_tcp(address.as_str(), LineReceiver::factory(user))?;
            if reactor.thread_number() == 0 {
                println!("listening on {}", port.host());
            }
            Ok(port)
        }))
    })
}
