//! Clients and a server on a network that resets their connections, and under a server that crashes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use reactor::testing::{Link, Simulation};
use reactor::{CloseReason, Protocol, Transport};

use super::{client, server};
use crate::tls::Server;

/// A client that says who it is, wants to hear the same, and ends.
struct Asks {
    transport: Transport,
    text: String,
    heard: Vec<u8>,
    outcome: Rc<Outcome>,
}

#[derive(Default)]
struct Outcome {
    served: Cell<usize>,
    /// Those who were connected and heard something else, or were told that they had heard all.
    deceived: Cell<usize>,
    failures: RefCell<Vec<String>>,
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
fn play(sim: &Simulation, tls: &Server) -> Rc<Outcome> {
    sim.set_link(Link::rough().resets(0.02));
    let listen = || sim.host("server").listen_tcp(443, tls.around(Echo)).unwrap();
    listen();
    let (outcome, tls) = (Rc::<Outcome>::default(), client());
    for number in 0..CLIENTS {
        let (text, told, failed) = (format!("I am {number}. ").repeat(1000), Rc::clone(&outcome), Rc::clone(&outcome));
        let asks =
            move |transport| Asks { transport, text: text.clone(), heard: Vec::new(), outcome: Rc::clone(&told) };
        let reactor = sim.host(&format!("client {number}"));
        let connector = reactor.connect_tcp("server:443", tls.around("server.example", asks));
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

#[test]
fn clients_are_served_or_hear_why_not_whatever_happens_in_their_handshakes() {
    let (server, served, failed) = (server(), Cell::new(0), Cell::new(0));
    Simulation::for_seeds(0..100, |sim| {
        let outcome = play(sim, &server);
        served.set(served.get() + outcome.served.get());
        failed.set(failed.get() + outcome.failures.borrow().len());
    });
    let (served, failed) = (served.get(), failed.get());
    let is_one_seed = std::env::var_os("REACTOR_SEED").is_some();
    assert!(is_one_seed || (served > 300 && failed > 50), "{served} were served, {failed} were not connected");
}

#[test]
fn equal_seeds_give_equal_logs_over_tls() {
    let server = server();
    let log = |seed| {
        let sim = Simulation::new(seed);
        play(&sim, &server);
        sim.log()
    };
    for seed in 0..5 {
        assert!(log(seed) == log(seed), "seed {seed}");
    }
}
