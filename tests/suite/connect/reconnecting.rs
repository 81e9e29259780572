//! Connectors that retry automatically: the delays, what resets and ends them, and a server that comes and goes.

use std::cell::{Cell, RefCell};
use std::convert::identity;
use std::f64::consts::E;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use reactor::connect::{Backoff, ConnectErrorKind, ConnectorState};
use reactor::net::ConnectOptions;
use reactor::testing::{Link, Simulation};
use reactor::{CloseReason, Connector, Factory, Protocol, Reactor, Transport};
use tracing_subscriber::filter::LevelFilter;

use crate::support::{Callback, Log, Recorder, Starting, Times, count_logged, echo, every_reactor, nobody};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Of exact delays: 1 s, 1.5 s, 2.25 s and so on.
fn exact() -> Backoff {
    Backoff::new().jitter(false)
}

/// A client without a server, whose attempts fail at once, and the times at which they fail.
fn hopeless(host: &Reactor, backoff: Backoff) -> (Connector, Times) {
    let (times, start) = (Times::default(), host.now());
    let seen = times.clone();
    let client = host
        .connect_tcp("server:7", |transport| Recorder::new(transport, Log::default()))
        .retry(backoff)
        .on_failed(move |connector, _| seen.note(start, &connector.reactor()));
    (client, times)
}

/// The times between consecutive attempts, in milliseconds.
fn differences(times: &[u64]) -> Vec<u64> {
    times.windows(2).map(|two| two[1] - two[0]).collect()
}

/// A client that logs everything, the hooks too.
fn logging(host: &Reactor, log: &Log, backoff: Backoff) -> Connector {
    let (failed, lost) = (log.clone(), log.clone());
    host.connect_tcp("server:7", Starting { log: log.clone(), script: identity })
        .retry(backoff)
        .on_failed(move |_, error| failed.add(format!("failed {:?}", error.kind())))
        .on_lost(move |_, reason| lost.add(format!("hook {reason}")))
}

fn server(sim: &Simulation) -> Reactor {
    let server = sim.host("server");
    server.listen_tcp(7, |transport| Recorder::new(transport, Log::default())).unwrap();
    server
}

#[test]
fn s119_the_defaults_are_those_of_the_service_without_its_jitter() {
    let sim = Simulation::new(0);
    let (_client, times) = hopeless(&sim.host("client"), exact());
    sim.run_for(SECOND * 8 + SECOND / 8);
    assert_eq!(times.take(), [0, 1000, 2500, 4750, 8125]);
    sim.run_for(HOUR);
    let times = times.take();
    assert_eq!(times[..4], [13_187, 20_781, 32_171, 49_257]);
    let delays = differences(&times);
    assert_eq!(delays[6..], vec![60_000; delays.len() - 6]);
    assert!(delays.len() > 50, "it goes on without end");
}

#[test]
fn s120_with_the_settings_of_the_factory_the_delays_are_those_of_the_factory() {
    let sim = Simulation::new(0);
    let (_client, times) = hopeless(&sim.host("client"), exact().factor(E).max_delay(HOUR));
    sim.run_for(HOUR * 5);
    let expected = [1000, 2718, 7389, 20_085, 54_598, 148_413, 403_428, 1_096_633, 2_980_957, 3_600_000, 3_600_000];
    for (delay, expected) in differences(&times.take()).into_iter().zip(expected) {
        assert!(delay.abs_diff(expected) <= 1, "{delay} ms in place of {expected}");
    }
}

#[test]
fn s121_each_delay_is_drawn_anew_and_none_exceeds_the_maximum() {
    let sim = Simulation::new(0);
    let (client, times) = hopeless(&sim.host("client"), Backoff::new());
    assert!(sim.run_until(|| client.failure_count() > 5000));
    let delays = differences(&times.take());
    let mut bound = 1000.0;
    for delay in &delays {
        assert!(*delay as f64 <= bound, "{delay} ms, where {bound} are the most");
        bound = f64::min(bound * 1.5, 60_000.0);
    }
    // Of the many that are drawn from nothing to a minute, a tenth is in each tenth.
    let mut tenths = [0; 10];
    for delay in &delays[11..] {
        tenths[(*delay as usize).min(59_999) / 6000] += 1;
    }
    assert!(tenths.iter().all(|count| (400..600).contains(count)), "{tenths:?}");
}

#[test]
fn s122_failures_and_losses_are_both_tried_again_and_a_connection_resets_the_delay() {
    let sim = Simulation::new(0);
    let host = sim.host("client");
    let log = Log::default();
    let client = logging(&host, &log, exact());
    sim.run_for(SECOND * 8);
    assert_eq!((log.count("failed Unresolved"), client.failure_count()), (4, 4));

    server(&sim);
    sim.run_for(SECOND / 4);
    assert_eq!((client.state(), client.failure_count()), (ConnectorState::Connected, 0));
    for _ in 0..3 {
        sim.reset_connections("client", "server");
        sim.run_for(Duration::ZERO);
        assert_eq!((client.state(), client.failure_count()), (ConnectorState::Waiting, 0));
        sim.run_for(SECOND - Duration::from_millis(1));
        assert_eq!(client.state(), ConnectorState::Waiting);
        sim.run_for(SECOND / 4);
        assert_eq!((client.state(), client.failure_count()), (ConnectorState::Connected, 0));
    }
    let lines = log.lines();
    assert_eq!(
        lines[lines.len() - 5..],
        ["dropped", "hook connection lost: connection reset", "stop", "start", "made"]
    );
}

#[test]
fn s123_it_gives_up_when_there_were_as_many_retries_in_a_row_as_there_may_be() {
    let sim = Simulation::new(0);
    let host = sim.host("client");
    let (client, times) = hopeless(&host, exact().max_retries(Some(3)));
    let error = host.run_until(client.finished()).unwrap().unwrap_err();
    assert_eq!(*error.kind(), ConnectErrorKind::Unresolved, "it is the last attempt's");
    assert_eq!(times.take(), [0, 1000, 2500, 4750]);
    assert_eq!((client.state(), client.failure_count()), (ConnectorState::Disconnected, 4));
}

#[test]
fn s123_only_retries_in_a_row_count() {
    let sim = Simulation::new(0);
    let host = sim.host("client");
    let port = sim.host("server").listen_tcp(7, |transport| Recorder::new(transport, Log::default())).unwrap();
    let client = logging(&host, &Log::default(), exact().max_retries(Some(2)));
    for _ in 0..10 {
        sim.run_for(SECOND * 2);
        assert_eq!(client.state(), ConnectorState::Connected);
        sim.reset_connections("client", "server");
    }
    port.stop_listening();
    sim.run_until_quiet(HOUR);
    // Two attempts after the loss, which does not count.
    assert_eq!((client.state(), client.failure_count()), (ConnectorState::Disconnected, 2));
}

#[test]
fn s123_stop_trying_ends_the_wait_with_the_last_outcome_and_calls_no_hook() {
    let sim = Simulation::new(0);
    let host = sim.host("client");
    let (client, times) = hopeless(&host, exact());
    sim.run_for(SECOND);
    assert_eq!((client.state(), host.pending_call_count()), (ConnectorState::Waiting, 1));
    client.stop_trying();
    assert_eq!((client.state(), host.pending_call_count()), (ConnectorState::Disconnected, 0));
    let error = host.run_until(client.finished()).unwrap().unwrap_err();
    assert_eq!(*error.kind(), ConnectErrorKind::Unresolved);
    assert_eq!(times.take(), [0, 1000]);
}

#[test]
fn s123_stop_trying_gives_up_the_attempt_under_way() {
    let sim = Simulation::new(0);
    server(&sim);
    let log = Log::default();
    let client = logging(&sim.host("client"), &log, exact());
    client.stop_trying();
    sim.run_until_quiet(HOUR);
    assert_eq!(log.lines(), ["start", "failed Cancelled", "stop"]);
    assert_eq!(sim.elapsed(), Duration::ZERO);
}

#[test]
fn s123_stop_trying_leaves_a_connection_and_its_end_is_the_end_until_somebody_connects() {
    let sim = Simulation::new(0);
    server(&sim);
    let log = Log::default();
    let client = logging(&sim.host("client"), &log, exact());
    sim.run_for(SECOND);
    client.stop_trying();
    sim.run_for(SECOND);
    assert_eq!(client.state(), ConnectorState::Connected);
    sim.reset_connections("client", "server");
    sim.run_until_quiet(HOUR);
    assert_eq!((client.state(), log.count("made"), log.count("stop")), (ConnectorState::Disconnected, 1, 1));

    client.connect();
    sim.run_for(SECOND);
    sim.reset_connections("client", "server");
    sim.run_for(SECOND * 2);
    assert_eq!((client.state(), log.count("made")), (ConnectorState::Connected, 3));
}

#[test]
fn s123_a_hook_that_stops_trying_has_the_last_word() {
    let sim = Simulation::new(0);
    let host = sim.host("client");
    let client = host
        .connect_tcp("server:7", |transport| Recorder::new(transport, Log::default()))
        .retry(exact())
        .on_failed(|connector, _| {
            if connector.failure_count() == 2 {
                connector.stop_trying();
            }
        });
    host.run_until(client.finished()).unwrap().unwrap_err();
    assert_eq!((client.failure_count(), sim.elapsed()), (2, SECOND));
}

#[test]
fn s124_an_initial_delay_of_ones_own_holds_from_the_first_retry_on() {
    let sim = Simulation::new(0);
    let (_client, times) = hopeless(&sim.host("client"), exact().initial_delay(SECOND * 3 / 2));
    sim.run_for(SECOND * 13);
    assert_eq!(differences(&times.take()), [1500, 2250, 3375, 5062]);
}

#[test]
fn s086_the_factory_is_stopped_while_it_waits_for_the_next_attempt() {
    let sim = Simulation::new(0);
    let log = Log::default();
    let client = logging(&sim.host("client"), &log, exact().max_retries(Some(1)));
    sim.run_for(SECOND / 2);
    assert_eq!(log.lines(), ["start", "failed Unresolved", "stop"]);
    sim.run_until_quiet(HOUR);
    assert_eq!(log.lines()[3..], ["start", "failed Unresolved", "stop"]);
    assert_eq!(client.state(), ConnectorState::Disconnected);
}

#[test]
fn nobody_waits_where_a_hook_connects_by_itself() {
    let sim = Simulation::new(0);
    let client = sim
        .host("client")
        .connect_tcp("server:7", |transport| Recorder::new(transport, Log::default()))
        .retry(exact())
        .on_failed(|connector, _| {
            if connector.failure_count() % 3 != 0 {
                connector.connect();
            }
        });
    let failures_in = |time: Duration| {
        sim.run_for(time);
        client.failure_count()
    };
    assert_eq!([failures_in(SECOND / 2), failures_in(SECOND), failures_in(SECOND)], [3, 6, 9]);
}

#[test]
fn connecting_ends_a_wait_and_begins_at_once() {
    let sim = Simulation::new(0);
    let host = sim.host("client");
    let (client, times) = hopeless(&host, exact());
    sim.run_for(SECOND / 2);
    client.connect();
    assert_eq!((client.state(), host.pending_call_count()), (ConnectorState::Connecting, 0));
    sim.run_for(SECOND * 4);
    // The back-off goes on where it stands.
    assert_eq!(times.take(), [0, 500, 2000, 4250]);
}

#[test]
fn resetting_the_delay_begins_the_next_wait_with_the_first() {
    let sim = Simulation::new(0);
    let (client, times) = hopeless(&sim.host("client"), exact());
    sim.run_for(SECOND * 3);
    client.reset_delay();
    assert_eq!(client.failure_count(), 0);
    sim.run_for(SECOND * 5);
    assert_eq!(times.take(), [0, 1000, 2500, 4750, 5750, 7250]);
}

#[test]
fn another_back_off_holds_from_the_next_failure_on() {
    let sim = Simulation::new(0);
    let (client, times) = hopeless(&sim.host("client"), exact());
    sim.run_for(SECOND / 2);
    let _client = client.retry(exact().initial_delay(SECOND * 10).max_retries(Some(1)));
    sim.run_until_quiet(HOUR);
    assert_eq!(times.take(), [0, 1000, 11_000]);
}

#[test]
fn a_target_that_is_none_is_not_tried_again() {
    let sim = Simulation::new(0);
    let host = sim.host("client");
    let client = host
        .connect_tcp("server", |transport| Recorder::new(transport, Log::default()))
        .retry(exact().max_retries(Some(3)));
    let error = host.run_until(client.finished()).unwrap().unwrap_err();
    assert_eq!((error.kind(), client.failure_count()), (&ConnectErrorKind::InvalidTarget, 1));
}

#[test]
fn a_factory_that_refuses_each_connection_is_waited_after_longer_and_longer() {
    let sim = Simulation::new(0);
    server(&sim);
    let (times, start) = (Times::default(), sim.host("client").now());
    let seen = times.clone();
    let _client = sim
        .host("client")
        .connect_tcp("server:7", |_: Transport| None::<Recorder>)
        .retry(exact())
        .on_lost(move |connector, _| seen.note(start, &connector.reactor()));
    sim.run_for(SECOND * 5);
    // Connecting takes four milliseconds: the server refuses by IPv6, and accepts by IPv4.
    assert_eq!(times.take(), [4, 1008, 2512, 4766]);
}

#[test]
fn a_server_that_closes_each_connection_at_once_is_left_alone_meanwhile() {
    let sim = Simulation::new(0);
    sim.host("server").listen_tcp(7, |_: Transport| None::<Recorder>).unwrap();
    let log = Log::default();
    let _client = logging(&sim.host("client"), &log, Backoff::new());
    sim.run_for(HOUR);
    // Half a second each, on average.
    assert!((6500..8000).contains(&log.count("made")), "{}", log.count("made"));
    assert_eq!(log.count("failed"), 0);
}

#[test]
fn equal_seeds_give_equal_delays_and_others_give_others() {
    let run = |seed| {
        let sim = Simulation::new(seed);
        let (_client, times) = hopeless(&sim.host("client"), Backoff::new());
        sim.run_for(HOUR);
        times.take()
    };
    assert!(run(7).len() > 60);
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn clients_that_are_lost_together_do_not_come_back_together() {
    let sim = Simulation::new(0);
    server(&sim);
    let back = Rc::new(RefCell::new(Vec::new()));
    let clients: Vec<_> = (0..100)
        .map(|number| {
            let (back, host) = (Rc::clone(&back), sim.host(&format!("client {}", number % 2)));
            host.connect_tcp("server:7", move |transport: Transport| {
                back.borrow_mut().push(transport.reactor().now());
                Recorder::new(transport, Log::default())
            })
            .retry(Backoff::new())
        })
        .collect();
    sim.run_for(SECOND);
    back.take();
    sim.reset_connections("client 0", "server");
    sim.reset_connections("client 1", "server");
    let lost_at = sim.host("client 0").now();
    sim.run_for(SECOND * 2);
    assert!(clients.iter().all(|client| client.state() == ConnectorState::Connected));

    assert_eq!(back.borrow().len(), 100);
    let mut quarters = [0; 5];
    for at in back.take() {
        quarters[(at - lost_at).as_millis() as usize / 250] += 1;
    }
    assert!(quarters[..4].iter().all(|count| (10..=40).contains(count)), "{quarters:?}");
}

#[test]
fn disconnecting_while_it_waits_ends_it_with_the_outcome_of_the_last_attempt() {
    let sim = Simulation::new(0);
    let host = sim.host("client");
    let log = Log::default();
    let client = logging(&host, &log, exact());
    sim.run_for(SECOND / 2);
    client.disconnect();
    assert_eq!((client.state(), host.pending_call_count()), (ConnectorState::Disconnected, 0));
    let error = host.run_until(client.finished()).unwrap().unwrap_err();
    assert_eq!(*error.kind(), ConnectErrorKind::Unresolved);
    assert_eq!(log.lines(), ["start", "failed Unresolved", "stop"]);
}

#[test]
fn disconnecting_while_connecting_or_connected_ends_it_with_that() {
    for connected in [false, true] {
        let sim = Simulation::new(0);
        server(&sim);
        let log = Log::default();
        let client = logging(&sim.host("client"), &log, exact());
        if connected {
            sim.run_for(SECOND / 2);
            assert_eq!(client.state(), ConnectorState::Connected);
        }
        client.disconnect();
        sim.run_until_quiet(HOUR);
        assert_eq!(client.state(), ConnectorState::Disconnected);
        let expected: &[&str] = match connected {
            false => &["start", "failed Cancelled", "stop"],
            true => &["start", "made", "lost Done", "dropped", "hook connection closed cleanly", "stop"],
        };
        assert_eq!(log.lines(), expected);
    }
}

#[test]
fn disconnecting_in_a_callback_or_a_hook_ends_it() {
    for place in ["made", "hook"] {
        let sim = Simulation::new(0);
        server(&sim);
        let slot = Rc::new(RefCell::new(None::<Connector>));
        let (inside, made) = (Rc::clone(&slot), Rc::new(Cell::new(0)));
        let count = Rc::clone(&made);
        let client = sim
            .host("client")
            .connect_tcp("server:7", move |transport| {
                let (inside, count) = (Rc::clone(&inside), Rc::clone(&count));
                Recorder::new(transport, Log::default()).on(Callback::Made, move |this| {
                    count.set(count.get() + 1);
                    match place {
                        "made" => inside.borrow().as_ref().unwrap().disconnect(),
                        _ => this.transport.lose_connection(),
                    }
                })
            })
            .retry(exact())
            .on_lost(move |connector, _| {
                if place == "hook" {
                    connector.disconnect();
                }
            });
        slot.replace(Some(client.clone()));
        sim.run_until_quiet(HOUR);
        slot.take();
        assert_eq!((client.state(), made.get()), (ConnectorState::Disconnected, 1), "{place}");
    }
}

#[test]
fn a_reactor_that_stops_neither_waits_for_the_next_attempt_nor_begins_one() {
    every_reactor(|reactor| {
        let log = Log::default();
        let seen = log.clone();
        let client = reactor
            .connect_tcp(nobody(), Starting { log: log.clone(), script: identity })
            .retry(exact().initial_delay(HOUR).max_delay(HOUR))
            .on_failed(move |connector, _| {
                seen.add("failed");
                let reactor = connector.reactor();
                connector.reactor().call_later(Duration::ZERO, move || reactor.stop());
            });
        let start = reactor.now();
        reactor.run().unwrap();
        assert_eq!(log.lines(), ["start", "failed", "stop"]);
        let outcome = client.finished().now_or_never().expect("it is over");
        assert_eq!(*outcome.unwrap_err().kind(), ConnectErrorKind::Refused);
        assert!(reactor.now() - start < HOUR);
        client.connect();
        assert_eq!(client.state(), ConnectorState::Disconnected);
    });
}

#[test]
fn while_the_reactor_closes_its_connections_none_is_made_again() {
    let sim = Simulation::new(0);
    server(&sim);
    let host = sim.host("client");
    let log = Log::default();
    let _client = logging(&host, &log, Backoff::new().initial_delay(Duration::ZERO));
    sim.run_for(SECOND);
    host.stop();
    host.run().unwrap();
    sim.run_until_quiet(HOUR);
    assert_eq!(log.lines(), ["start", "made", "lost Done", "dropped", "hook connection closed cleanly", "stop"]);
}

#[test]
fn an_attempt_to_connect_while_the_reactor_stops_does_not_make_it_wait() {
    let sim = Simulation::new(0);
    let host = sim.host("client");
    let client = host.connect_tcp("server:7", |transport| Recorder::new(transport, Log::default()));
    sim.run_for(SECOND);
    let client = client.retry(exact());
    let late = client.clone();
    host.after_shutdown(move || {
        late.connect();
        assert_eq!(late.state(), ConnectorState::Disconnected);
    });
    host.stop();
    host.run().unwrap();
    let error = client.finished().now_or_never().expect("it is over").unwrap_err();
    assert_eq!((error.kind(), client.failure_count()), (&ConnectErrorKind::Cancelled, 1));
}

#[test]
fn what_waits_is_dropped_with_its_reactor() {
    let token = Rc::new(());
    let inside = Rc::clone(&token);
    let sim = Simulation::new(0);
    let client = sim
        .host("client")
        .connect_tcp("server:7", |transport| Recorder::new(transport, Log::default()))
        .retry(exact())
        .on_failed(move |_, _| {
            let _ = &inside;
        });
    sim.run_for(SECOND * 2);
    assert_eq!((client.state(), Rc::strong_count(&token)), (ConnectorState::Waiting, 2));
    sim.crash("client");
    assert_eq!(Rc::strong_count(&token), 1);
    client.connect();
    client.disconnect();
}

#[test]
fn each_wait_is_told_of_and_an_end_that_nobody_takes_is_warned_of() {
    for (level, lines) in [(LevelFilter::INFO, 4), (LevelFilter::WARN, 1)] {
        let (_logging, count) = count_logged(level);
        let sim = Simulation::new(0);
        sim.host("client")
            .connect_tcp("server:7", |transport| Recorder::new(transport, Log::default()))
            .retry(exact().max_retries(Some(3)));
        sim.run_until_quiet(HOUR);
        assert_eq!(count.load(Ordering::Relaxed), lines);
    }
}

#[test]
fn a_client_gets_through_again_whenever_its_server_comes_back() {
    Simulation::for_seeds(0..1000, |sim| {
        sim.set_link(Link::rough().resets(0.002));
        let host = sim.host("client");
        let watch = Rc::new(Watch::default());
        let (failed, lost) = (Rc::clone(&watch), Rc::clone(&watch));
        let options = ConnectOptions::new("server:7").deadline(Some(SECOND * 4));
        let client = host
            .connect_tcp(options, Watched { host: host.clone(), watch: Rc::clone(&watch) })
            .retry(Backoff::new().max_delay(MAX_DELAY))
            .on_failed(move |connector, _| failed.over(connector))
            .on_lost(move |connector, _| lost.over(connector));
        let up_to = |most: u64| Duration::from_millis(host.random() % most);
        for _ in 0..4 {
            let server = sim.host("server");
            server.listen_tcp(7, Starting { log: Log::default(), script: echo }).unwrap();
            let (answers, start) = (watch.answers.get(), sim.elapsed());
            // At most what is left of a wait and of an attempt, and then some resets.
            assert!(sim.run_until(|| watch.answers.get() > answers || sim.elapsed() - start > SECOND * 60));
            assert!(watch.answers.get() > answers, "the server is back, and the client is {client:?}");
            sim.run_for(up_to(20_000));
            sim.crash("server");
            sim.run_for(up_to(60_000));
        }
        client.disconnect();
        sim.run_until_quiet(HOUR);
        assert_eq!((client.state(), host.connection_count()), (ConnectorState::Disconnected, 0));

        assert_eq!((watch.alive.get(), watch.most_alive.get()), (0, 1));
        let waits = watch.waits.take();
        assert!(!waits.is_empty());
        for (wait, failures) in waits {
            let bound = SECOND.mul_f64(1.5_f64.powi(failures as i32)).min(MAX_DELAY);
            assert!(wait <= bound, "a wait of {wait:?} after {failures} failures");
        }
    });
}

const MAX_DELAY: Duration = Duration::from_secs(8);

/// What one client sees.
#[derive(Default)]
struct Watch {
    alive: Cell<u32>,
    most_alive: Cell<u32>,
    answers: Cell<u32>,
    /// When the last attempt or connection was over, and how many were so in a row.
    over: Cell<Option<(Instant, u32)>>,
    /// The time from then to the next attempt.
    waits: RefCell<Vec<(Duration, u32)>>,
}

impl Watch {
    fn over(&self, connector: &Connector) {
        self.over.set(Some((connector.reactor().now(), connector.failure_count())));
    }
}

struct Watched {
    host: Reactor,
    watch: Rc<Watch>,
}

impl Factory for Watched {
    fn start_factory(&mut self) {
        if let Some((over, failures)) = self.watch.over.take() {
            self.watch.waits.borrow_mut().push((self.host.now() - over, failures));
        }
    }

    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        Some(Box::new(Pinging { transport, watch: Rc::clone(&self.watch) }))
    }
}

/// Sends something every two seconds, and counts the answers.
struct Pinging {
    transport: Transport,
    watch: Rc<Watch>,
}

impl Protocol for Pinging {
    fn connection_made(&mut self) {
        self.watch.alive.set(self.watch.alive.get() + 1);
        self.watch.most_alive.set(self.watch.most_alive.get().max(self.watch.alive.get()));
        self.transport.call_every(SECOND * 2, |this: &mut Self, _| this.transport.write("ping"));
    }

    fn data_received(&mut self, _data: &[u8]) {
        self.watch.answers.set(self.watch.answers.get() + 1);
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        self.watch.alive.set(self.watch.alive.get() - 1);
    }
}
