//! Connections kept up by a service, in the simulation.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use reactor::connect::{Backoff, ConnectErrorKind};
use reactor::endpoint::{ClientEndpoint, client_from_string};
use reactor::service::{ClientService, Service};
use reactor::testing::{Simulation, expect_panic};
use reactor::{CloseReason, ConnectError, Factory, Protocol, Reactor, Transport};

use crate::support::Log;

/// An endpoint that counts the attempts.
struct Counting(Box<dyn ClientEndpoint>, Rc<Cell<usize>>);

impl fmt::Display for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[async_trait(?Send)]
impl ClientEndpoint for Counting {
    async fn connect(&self, factory: Box<dyn Factory>) -> Result<Transport, ConnectError> {
        self.1.set(self.1.get() + 1);
        self.0.connect(factory).await
    }
}

fn to_server(client: &Reactor) -> Box<dyn ClientEndpoint> {
    client_from_string(client, "sim:server:7").unwrap()
}

/// Logs when it is made and lost.
struct Client {
    log: Log,
}

impl Protocol for Client {
    fn connection_made(&mut self) {
        self.log.add("made");
    }

    fn data_received(&mut self, _data: &[u8]) {}

    fn connection_lost(&mut self, _reason: CloseReason) {
        self.log.add("lost");
    }
}

struct Echo {
    transport: Transport,
}

impl Protocol for Echo {
    fn data_received(&mut self, data: &[u8]) {
        self.transport.write(data);
    }
}

/// One client in its simulation.
struct Kept {
    sim: Simulation,
    client: Reactor,
    service: Rc<ClientService>,
    log: Log,
    attempts: Rc<Cell<usize>>,
}

fn keep(sim: &Simulation, configure: impl FnOnce(ClientService) -> ClientService) -> Kept {
    let (sim, client, log) = (sim.clone(), sim.host("client"), Log::default());
    let told = log.clone();
    sim.host("server");
    let attempts = Rc::new(Cell::new(0));
    let endpoint = Counting(to_server(&client), Rc::clone(&attempts));
    let service = ClientService::new(&client, endpoint, move |_| Client { log: told.clone() });
    Kept { sim, client, service: Rc::new(configure(service.backoff(plain()))), log, attempts }
}

fn plain() -> Backoff {
    Backoff::new().jitter(false)
}

impl Kept {
    fn start(&self) {
        let service = Rc::clone(&self.service);
        self.client.spawn(async move { service.start().await.unwrap() });
    }

    /// Stops the service. Returns a flag that is set when it has stopped.
    fn stop(&self) -> Rc<Cell<bool>> {
        let (service, stopped) = (Rc::clone(&self.service), Rc::new(Cell::new(false)));
        let done = Rc::clone(&stopped);
        self.client.spawn(async move {
            service.stop().await;
            done.set(true);
        });
        stopped
    }

    fn listen(&self) {
        self.sim.host("server").listen_tcp(7, |transport| Echo { transport }).unwrap();
    }

    /// The outcome for a caller that waits for the connection from now on.
    fn wait(&self, failures: Option<u32>) -> Rc<RefCell<Option<Result<Transport, ConnectError>>>> {
        let heard = Rc::new(RefCell::new(None));
        let (kept, connected) = (Rc::clone(&heard), self.service.when_connected(failures));
        self.client.spawn(async move {
            let outcome = connected.await;
            kept.replace(Some(outcome));
        });
        heard
    }

    fn run(&self, seconds: f64) {
        self.sim.run_for(Duration::from_secs_f64(seconds));
    }
}

#[test]
fn s125_attempts_that_fail_are_made_again_after_delays_that_grow_to_a_maximum() {
    let kept = keep(&Simulation::new(0), |service| service);
    kept.start();
    let mut at = 0.0;
    kept.run(0.5);
    for (tried, delay) in [1.0, 1.5, 2.25, 3.375, 5.0625].into_iter().enumerate() {
        assert_eq!(kept.attempts.get(), tried + 1, "after {at} s");
        kept.run(delay);
        at += delay;
    }
    kept.run(600.0);
    let before = kept.attempts.get();
    kept.run(600.0);
    assert_eq!(kept.attempts.get() - before, 10, "once a minute");
}

#[test]
fn s126_success_begins_the_delays_anew_and_a_connection_that_was_lost_waits_like_a_failure() {
    let kept = keep(&Simulation::new(0), |service| service);
    kept.start();
    kept.run(100.0);
    kept.listen();
    kept.sim.run_until(|| kept.log.has("made"));
    kept.sim.reset_connections("client", "server");
    kept.run(0.9);
    assert_eq!(kept.log.lines(), ["made", "lost"]);
    kept.run(0.2);
    assert_eq!(kept.log.lines(), ["made", "lost", "made"]);
}

#[test]
fn s127_a_waiter_hears_of_the_next_success_or_of_as_many_failures_as_it_said() {
    let kept = keep(&Simulation::new(0), |service| service);
    let early = kept.wait(Some(2));
    kept.run(100.0);
    assert!(early.borrow().is_none(), "nothing was tried yet");
    kept.start();
    kept.run(0.5);
    let late = kept.wait(Some(2));
    let patient = kept.wait(None);
    kept.run(1.0);
    let error = early.take().unwrap().unwrap_err();
    assert_eq!((error.kind(), error.target()), (&ConnectErrorKind::Refused, "server:7"));
    assert!(late.borrow().is_none());
    kept.run(1.5);
    assert!(late.take().unwrap().is_err());
    kept.listen();
    kept.sim.run_until(|| kept.log.has("made"));
    kept.run(0.0);
    assert!(patient.take().unwrap().is_ok());
    let at_once = kept.wait(Some(1));
    kept.run(0.0);
    assert!(at_once.take().unwrap().is_ok());
}

#[test]
fn s128_a_connection_counts_when_it_is_prepared_and_one_that_cannot_be_is_a_failed_attempt() {
    let outcomes = Rc::new(RefCell::new(vec!["panic", "hang", "error", "fine"]));
    let told = Rc::clone(&outcomes);
    let kept = keep(&Simulation::new(0), move |service| {
        service.prepare_connection(async move |_transport| {
            let next = told.borrow_mut().remove(0);
            match next {
                "panic" => panic!("oh prepare"),
                "hang" => pending().await,
                "error" => Err("the password is wrong".into()),
                _ => Ok(()),
            }
        })
    });
    kept.listen();
    kept.start();
    let waiting: Vec<_> = (1..=4).map(|failures| kept.wait(Some(failures))).collect();
    expect_panic("oh prepare", || kept.run(1.5));
    assert_eq!(outcomes.borrow().len(), 2, "the second is being prepared");
    assert!(waiting[1].borrow().is_none());
    kept.sim.reset_connections("client", "server");
    kept.run(60.0);
    let errors = waiting.iter().map(|heard| heard.take().unwrap().map(drop).map_err(|error| error.to_string()));
    let failed = |what: &str| Err(format!("cannot connect to sim:server:7: {what}"));
    assert_eq!(
        errors.collect::<Vec<_>>(),
        [
            failed("preparing the connection panicked: oh prepare"),
            failed("the connection ended while it was prepared: connection lost: connection reset"),
            failed("the password is wrong"),
            Ok(())
        ]
    );
    assert_eq!(kept.log.lines(), ["made", "lost", "made", "lost", "made", "lost", "made"]);
}

#[test]
fn s129_stopping_gives_up_the_attempt_or_closes_the_connection_and_is_safe_at_any_time() {
    let kept = keep(&Simulation::new(0), |service| service);
    for _ in 0..2 {
        let stopped = kept.stop();
        kept.run(0.0);
        assert!(stopped.get(), "before it is started, and twice");
    }
    let too_late = kept.wait(None);
    kept.run(0.0);
    assert_eq!(too_late.take().unwrap().unwrap_err().kind(), &ConnectErrorKind::Cancelled);

    for black_hole in [true, false] {
        kept.start();
        kept.sim.addresses_of("server").into_iter().for_each(|address| kept.sim.set_black_hole(address, black_hole));
        kept.run(0.5);
        let waiting = kept.wait(None);
        let stopped = kept.stop();
        kept.run(0.1);
        assert!(stopped.get(), "it was connecting, or waiting to");
        assert_eq!(waiting.take().unwrap().unwrap_err().kind(), &ConnectErrorKind::Cancelled);
        let attempts = kept.attempts.get();
        kept.run(60.0);
        assert_eq!(kept.attempts.get(), attempts);
    }

    kept.listen();
    kept.start();
    kept.sim.run_until(|| kept.log.has("made"));
    let stopped = kept.stop();
    kept.sim.run_until(|| stopped.get());
    assert_eq!(kept.log.lines(), ["made", "lost"]);
    kept.start();
    kept.run(1.0);
    assert_eq!(kept.log.lines(), ["made", "lost", "made"], "it starts again");
}

#[test]
fn a_connection_that_does_not_finish_in_time_is_aborted() {
    let kept = keep(&Simulation::new(0), |service| service.deadline(Duration::from_secs(3)));
    kept.listen();
    kept.start();
    let heard = kept.wait(None);
    kept.run(1.0);
    heard.take().unwrap().unwrap().write(vec![b'x'; 1 << 20]);
    kept.sim.partition("client", "server");
    let stopped = kept.stop();
    kept.run(2.9);
    assert!(!stopped.get());
    kept.run(0.2);
    assert!(stopped.get());
    assert_eq!(kept.log.lines(), ["made", "lost"]);
}

#[test]
fn a_service_whose_retries_are_over_has_failed_and_says_why() {
    let kept = keep(&Simulation::new(0), |service| service.backoff(plain().max_retries(Some(2))));
    kept.start();
    let waiting = kept.wait(None);
    let service = Rc::clone(&kept.service);
    let error = kept.client.run_until(async move { service.failed().await }).unwrap();
    assert_eq!(kept.attempts.get(), 3);
    assert_eq!(error.to_string(), "cannot connect to server:7: connection refused");
    assert!(waiting.take().unwrap().is_err());
}

#[test]
fn whatever_becomes_of_the_server_the_client_gets_through_again_and_never_twice() {
    Simulation::for_seeds(0..1000, |sim| {
        let client = sim.host("client");
        let (open, made) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        struct Counted(Rc<Cell<i32>>, Transport);
        impl Protocol for Counted {
            fn connection_made(&mut self) {
                // Otherwise the crash of a server is never noticed.
                self.1.call_every(Duration::from_secs(1), |this: &mut Self, _| this.1.write("ping"));
                self.1.call_later(Duration::from_secs(20), |this: &mut Self| this.1.abort_connection());
            }
            fn data_received(&mut self, _data: &[u8]) {}
            fn connection_lost(&mut self, _reason: CloseReason) {
                self.0.set(self.0.get() - 1);
            }
        }
        let (count, total) = (Rc::clone(&open), Rc::clone(&made));
        let service = ClientService::new(&client, to_server(&client), move |transport| {
            count.set(count.get() + 1);
            total.set(total.get() + 1);
            assert_eq!(count.get(), 1, "one connection at a time");
            Counted(Rc::clone(&count), transport)
        });
        let service = Rc::new(service.backoff(Backoff::new().max_delay(Duration::from_secs(5))));
        let starting = Rc::clone(&service);
        client.spawn(async move { starting.start().await.unwrap() });
        for _ in 0..4 {
            let server = sim.host("server");
            server.listen_tcp(7, |transport| Echo { transport }).unwrap();
            let before = made.get();
            assert!(sim.run_until(|| made.get() > before), "it gets through again");
            sim.run_for(Duration::from_millis(client.random() % 5_000));
            sim.crash("server");
            sim.run_for(Duration::from_millis(client.random() % 30_000));
        }
        let (stopping, stopped) = (Rc::clone(&service), Rc::new(Cell::new(false)));
        let done = Rc::clone(&stopped);
        client.spawn(async move {
            stopping.stop().await;
            done.set(true);
        });
        assert!(sim.run_until(|| stopped.get()));
        assert_eq!(open.get(), 0);
    });
}
