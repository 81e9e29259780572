//! A client on the simulated network, which breaks.

use std::time::Duration;

use reactor::connect::Backoff;
use reactor::testing::Simulation;

use super::*;
use crate::irc::{Irc, IrcHandler, IrcReceiver, MessageBuilder};

/// Welcomes a client, and sends every text back.
struct Echo {
    irc: Irc,
}

impl IrcHandler for Echo {
    fn message_received(&mut self, message: &Message<'_>) {
        match (message.command(), message.params()) {
            (b"USER", _) => self.irc.send_raw(":irc.example.org 001 polly :Welcome\r\n"),
            (b"PRIVMSG", [target, text]) => {
                self.irc.send(MessageBuilder::new("PRIVMSG").source("ann!a@h").param(target).trailing(text));
            }
            _ => {}
        }
    }
}

#[test]
fn a_client_comes_back_whatever_happens_to_its_connection() {
    Simulation::for_seeds(0..20, |sim| {
        let listen = || sim.host("server").listen_tcp(6667, IrcReceiver::factory(|irc| Echo { irc })).map(drop);
        listen().expect("a port");
        let log = Log::default();
        let factory = client(&log).line_rate(Duration::from_millis(100));
        sim.host("client").connect_tcp("server:6667", factory).retry(Backoff::new());
        let signed_on = |log: &Log| log.borrow().iter().filter(|line| line.starts_with("signed_on")).count();
        for round in 1..4 {
            assert!(sim.run_until(|| signed_on(&log) == round), "{:?}", log.borrow());
            if round % 2 == 0 {
                sim.crash("server");
                listen().expect("a port");
            }
            sim.reset_connections("client", "server");
        }
        let lost = log.borrow().iter().filter(|line| line.starts_with("lost")).count();
        assert_eq!(lost, 2, "{:?}", log.borrow());
    });
}

#[test]
fn every_line_of_a_slow_client_arrives_once_and_in_order() {
    Simulation::for_seeds(0..20, |sim| {
        sim.host("server").listen_tcp(6667, IrcReceiver::factory(|irc| Echo { irc })).expect("a port");
        let log = Log::default();
        let factory = client(&log).line_rate(Duration::from_millis(100));
        let connector = sim.host("client").connect_tcp("server:6667", factory);
        assert!(sim.run_until(|| !log.borrow().is_empty()));
        let irc: IrcClient = connector.transport().and_then(|transport| transport.handle()).expect("a client's");
        (0..50).for_each(|n| irc.msg("ann", n.to_string()));
        let begin = sim.elapsed();
        assert!(sim.run_until(|| log.borrow().len() == 51));
        assert!(sim.elapsed() - begin >= Duration::from_millis(4900));
        let expected: Vec<_> = (0..50).map(|n| format!("privmsg ann!a@h|ann|{n}")).collect();
        assert_eq!(log.borrow()[1..], expected);
    });
}
