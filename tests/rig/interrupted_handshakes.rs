//! Clients that connect by TLS on a network that resets their connections, to a server that crashes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use reactor::testing::{Link, Simulation};
use reactor::{CloseReason, Protocol, Transport};

use protocols::tls::Server;

use crate::certificates::{SERVER_NAME, client};

/// A client that says who it is, wants to hear the same, and ends.
struct Asks {
    transport: Transport,
    text: String,
    heard: Vec<u8>,
    outcome: Rc<Outcome>,
}

/// What became of the clients.
#[derive(Debug, Default)]
pub struct Outcome {
    served: Cell<usize>,
    /// Those who were connected and heard something else, or were told that they had heard all.
    deceived: Cell<usize>,
    failures: RefCell<Vec<String>>,
}

impl Outcome {
    /// How many got their answer.
    pub fn served(&self) -> usize {
        self.served.get()
    }

    /// How many could not connect.
    pub fn failed(&self) -> usize {
        self.failures.borrow().len()
    }
}

impl Protocol for Asks {
    fn connection_made(&mut self) {
        self.transport.write(&self.text);
    }

    fn data_received(&mut self, data: &[u8]) {
        self.heard.extend(data);
        if self.heard.len() >= self.text.len() {
            self.transport.lose_connection();
        }
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        let Outcome { served, deceived, .. } = &*self.outcome;
        if self.heard == self.text.as_bytes() {
            served.set(served.get() + 1);
        } else if reason.is_clean() || !self.text.as_bytes().starts_with(&self.heard) {
            deceived.set(deceived.get() + 1);
        }
    }
}

struct Echo(Transport);

impl Protocol for Echo {
    fn data_received(&mut self, data: &[u8]) {
        self.0.write(data);
    }
}

/// Ten clients, some of which are reset or lose their server in the middle of the handshake.
///
/// # Panics
///
/// If one is deceived, a reason is missing, or a connection is left.
pub fn play(sim: &Simulation, tls: &Server) -> Rc<Outcome> {
    sim.set_link(Link::rough().resets(0.02));
    let listen = || sim.host("server").listen_tcp(443, tls.around(Echo)).expect("the port is free");
    listen();
    let (outcome, tls) = (Rc::<Outcome>::default(), client());
    for number in 0..CLIENTS {
        let (text, told, failed) = (format!("I am {number}. ").repeat(1000), Rc::clone(&outcome), Rc::clone(&outcome));
        let asks =
            move |transport| Asks { transport, text: text.clone(), heard: Vec::new(), outcome: Rc::clone(&told) };
        let reactor = sim.host(&format!("client {number}"));
        let connector = reactor.connect_tcp("server:443", tls.around(SERVER_NAME, asks));
        reactor.spawn(async move {
            if let Err(error) = connector.finished().await {
                failed.failures.borrow_mut().push(error.to_string());
            }
        });
        // The seed decides how far each one is by then.
        sim.run_for(Duration::from_millis(30));
        match number {
            3 => sim.reset_connections("client 3", "server"),
            6 => {
                sim.crash("server");
                listen();
            }
            _ => {}
        }
    }
    sim.run_for(Duration::from_secs(300));
    assert_eq!(sim.host("server").connection_count(), 0, "{}", sim.log());
    assert_eq!(outcome.deceived.get(), 0);
    for error in outcome.failures.borrow().iter() {
        assert!(error.starts_with("cannot connect to server:443: "), "{error}");
    }
    outcome
}

const CLIENTS: usize = 10;
