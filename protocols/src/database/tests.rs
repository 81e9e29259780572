use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reactor::testing::{Simulation, StringTransport, expect_panic};
use reactor::{Protocol, Reactor, Transport};

use super::*;
use crate::util::lock::lock;

/// What a database does at a step.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Works,
    /// An error; the connection lives.
    Refuses,
    /// The connection is lost before anything is done.
    Loses,
    /// It is lost when the step is done.
    LosesAfterwards,
    Panics,
}

use Fate::{Loses, LosesAfterwards, Panics, Refuses, Works};

/// A database whose steps meet their fates in order; when there is none left, all works.
#[derive(Clone, Default)]
struct Fake(Arc<Mutex<World>>);

#[derive(Default)]
struct World {
    fates: VecDeque<Fate>,
    steps: Vec<&'static str>,
    connections: usize,
    open: usize,
    committed: Vec<u32>,
}

struct Link {
    world: Arc<Mutex<World>>,
    lives: bool,
    /// What the open transaction has written.
    written: Option<Vec<u32>>,
}

impl Fake {
    fn new(fates: impl IntoIterator<Item = Fate>) -> Self {
        let fake = Self::default();
        lock(&fake.0).fates.extend(fates);
        fake
    }

    fn committed(&self) -> Vec<u32> {
        lock(&self.0).committed.clone()
    }

    fn steps(&self) -> String {
        lock(&self.0).steps.join(" ")
    }

    fn connections(&self) -> usize {
        lock(&self.0).connections
    }

    fn is_clean(&self) -> bool {
        lock(&self.0).open == 0
    }
}

impl Link {
    /// Does a step unless its fate is against it.
    fn meet(&mut self, step: &'static str, done: impl FnOnce(&mut Self)) -> Result<(), String> {
        let fate = next_fate(&self.world, step);
        if !self.lives {
            return Err(format!("{step}: no connection"));
        }
        self.lives = !matches!(fate, Loses | LosesAfterwards);
        match fate {
            Works => done(self),
            LosesAfterwards => {
                done(self);
                self.close();
            }
            Loses => self.close(),
            Refuses => {}
            Panics => panic!("fate of {step}"),
        }
        if fate == Works { Ok(()) } else { Err(format!("{step}: {fate:?}")) }
    }

    fn write(&mut self, number: u32) -> Result<u32, String> {
        self.meet("call", |link| link.written.as_mut().expect("a transaction").push(number))?;
        Ok(number)
    }

    /// As a server does when the connection is gone.
    fn close(&mut self) {
        if self.written.take().is_some() {
            lock(&self.world).open -= 1;
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.close();
        lock(&self.world).connections -= 1;
    }
}

fn next_fate(world: &Mutex<World>, step: &'static str) -> Fate {
    let mut world = lock(world);
    world.steps.push(step);
    world.fates.pop_front().unwrap_or(Works)
}

impl Database for Fake {
    type Connection = Link;
    type Error = String;

    fn connect(&self) -> Result<Link, String> {
        let fate = next_fate(&self.0, "connect");
        assert_ne!(fate, Panics, "fate of connect");
        if fate != Works {
            return Err(format!("connect: {fate:?}"));
        }
        let mut world = lock(&self.0);
        world.connections += 1;
        Ok(Link { world: Arc::clone(&self.0), lives: true, written: None })
    }

    fn is_alive(&self, link: &mut Link) -> bool {
        link.meet("ask", |_| {}).is_ok()
    }

    fn begin(&self, link: &mut Link) -> Result<(), String> {
        link.meet("begin", |link| {
            // PostgreSQL warns when there is one already, and goes on.
            if link.written.is_none() {
                link.written = Some(Vec::new());
                lock(&link.world).open += 1;
            }
        })
    }

    fn commit(&self, link: &mut Link) -> Result<(), String> {
        link.meet("commit", |link| {
            if let Some(written) = link.written.take() {
                let mut world = lock(&link.world);
                world.committed.extend(written);
                world.open -= 1;
            }
        })
    }

    fn roll_back(&self, link: &mut Link) -> Result<(), String> {
        link.meet("roll_back", Link::close)
    }
}

/// A protocol that asks, and writes what it is answered.
struct Asker {
    transport: Transport,
    pool: ConnectionPool<Fake>,
}

impl Protocol for Asker {
    fn data_received(&mut self, data: &[u8]) {
        let number = data.len() as u32;
        let written = self.pool.run_interaction(move |link| link.write(number));
        self.transport.defer(written, |this: &mut Self, written| match written {
            Ok(number) => this.transport.write(number.to_string()),
            Err(error) => this.transport.write(error.to_string()),
        });
    }
}

/// A pool, with a clock that is advanced by hand.
fn pool(fake: &Fake) -> (StringTransport, ConnectionPool<Fake>) {
    struct Nobody;
    impl Protocol for Nobody {
        fn data_received(&mut self, _data: &[u8]) {}
    }
    let wire = StringTransport::connect(|_| Nobody);
    let pool = ConnectionPool::new(wire.reactor(), fake.clone());
    (wire, pool)
}

/// What becomes of an interaction, as a text.
#[derive(Clone, Default)]
struct Outcome(Arc<Mutex<Vec<String>>>);

impl Outcome {
    fn of<T: fmt::Debug + 'static, E: fmt::Debug + 'static>(
        reactor: &Reactor,
        pending: PendingInteraction<T, E>,
    ) -> Self {
        let outcome = Self::default();
        let told = outcome.clone();
        reactor.spawn(async move {
            let result = format!("{:?}", pending.await);
            lock(&told.0).push(result);
        });
        outcome
    }

    #[track_caller]
    fn get(&self) -> String {
        let outcomes = lock(&self.0);
        assert_eq!(outcomes.len(), 1, "an interaction has one outcome");
        outcomes[0].clone()
    }
}

const LONG: Duration = Duration::from_secs(100);

#[test]
fn a_value_is_committed_and_an_error_is_rolled_back() {
    let fake = Fake::default();
    let mut wire = {
        let fake = fake.clone();
        StringTransport::connect(move |transport: Transport| {
            let pool = ConnectionPool::new(&transport.reactor(), fake.clone());
            Asker { transport, pool }
        })
    };
    wire.receive("abc");
    assert_eq!(wire.written_text(), "", "it takes time");
    wire.advance(Duration::from_millis(2));
    assert_eq!((wire.take_written_text(), fake.committed()), ("3".to_owned(), vec![3]));
    assert_eq!(fake.steps(), "connect begin call commit");

    lock(&fake.0).fates.extend([Works, Refuses]);
    wire.receive("abcd");
    wire.advance(Duration::from_millis(2));
    assert_eq!((wire.take_written_text(), fake.committed()), ("call: Refuses".to_owned(), vec![3]));
    assert_eq!(fake.steps(), "connect begin call commit begin call roll_back ask");
    assert!(fake.is_clean());
}

#[test]
fn an_interaction_is_committed_though_the_connection_that_asked_is_gone() {
    let fake = Fake::default();
    let (mut other, pool) = pool(&fake);
    let mut wire = {
        let pool = pool.clone();
        StringTransport::connect_on(other.reactor(), move |transport| Asker { transport, pool: pool.clone() })
    };
    wire.receive("abc");
    wire.transport().abort_connection();
    drop(wire);
    other.advance(LONG);
    assert_eq!(fake.committed(), [3]);
    assert_eq!(pool.stats().succeeded, 1);
}

#[test]
fn a_panic_is_rolled_back_and_its_connection_replaced() {
    let fake = Fake::default();
    let (mut wire, pool) = pool(&fake);
    let panicked = pool.run_interaction(|link: &mut Link| -> Result<u32, String> {
        link.write(1)?;
        panic!("over")
    });
    let outcome = Outcome::of(wire.reactor(), panicked);
    expect_panic("over", || wire.advance(LONG));
    assert_eq!(outcome.get(), r#"Err(Panicked("over"))"#);
    assert_eq!((fake.committed(), fake.steps()), (vec![], "connect begin call roll_back".to_owned()));
    assert_eq!((pool.stats().connections, pool.stats().discarded, fake.connections()), (0, 1, 0));
    let next = Outcome::of(wire.reactor(), pool.run_interaction(|link| link.write(2)));
    wire.advance(LONG);
    assert_eq!((&*next.get(), fake.committed()), ("Ok(2)", vec![2]));
}

#[test]
fn a_connection_that_was_lost_while_it_had_nothing_to_do_is_replaced_and_nobody_notices() {
    let fake = Fake::default();
    let (mut wire, pool) = pool(&fake);
    let outcomes = [1, 2].map(|number| {
        let outcome = Outcome::of(wire.reactor(), pool.run_interaction(move |link| link.write(number)));
        wire.advance(LONG);
        lock(&fake.0).fates.push_back(Loses);
        outcome.get()
    });
    assert_eq!(outcomes, ["Ok(1)", "Ok(2)"]);
    assert_eq!(fake.steps(), "connect begin call commit begin ask connect begin call commit");
    assert_eq!(pool.stats().repeated, 0);
}

#[test]
fn an_interaction_that_loses_its_connection_is_repeated_if_that_was_asked_for_three_times_in_all() {
    let lost = [Works, Works, Loses, Works];
    let once = [&lost[..], &lost].concat();
    let thrice = [&lost[..], &lost, &lost].concat();
    for (fates, asked, expected) in [
        (&lost[..], false, r#"Err(Failed("call: Loses"))"#),
        (&once, true, "Ok(1)"),
        (&thrice, true, r#"Err(Failed("call: Loses"))"#),
    ] {
        let fake = Fake::new(fates.iter().copied());
        let (mut wire, pool) = pool(&fake);
        let pending = match asked {
            true => pool.retry_interaction(|link| link.write(1)),
            false => pool.run_interaction(|link| link.write(1)),
        };
        let outcome = Outcome::of(wire.reactor(), pending);
        wire.advance(LONG);
        assert_eq!(outcome.get(), expected, "{}", fake.steps());
        assert_eq!(fake.committed().len(), usize::from(expected == "Ok(1)"));
    }
}

#[test]
fn a_commit_that_is_refused_is_rolled_back_and_one_whose_connection_is_lost_is_uncertain() {
    for (fate, expected, committed) in [
        (Refuses, r#"Err(Pool(Commit("commit: Refuses")))"#, 0),
        (Loses, r#"Err(Pool(Uncertain("commit: Loses")))"#, 0),
        (LosesAfterwards, r#"Err(Pool(Uncertain("commit: LosesAfterwards")))"#, 1),
    ] {
        let fake = Fake::new([Works, Works, Works, fate]);
        let (mut wire, pool) = pool(&fake);
        let outcome = Outcome::of(wire.reactor(), pool.retry_interaction(|link| link.write(1)));
        wire.advance(LONG);
        assert_eq!((&*outcome.get(), fake.committed().len()), (expected, committed));
        assert!(fake.is_clean());
    }
}

#[test]
fn when_too_many_wait_the_next_fails_at_once_and_those_that_wait_for_too_long_at_their_deadline() {
    let fake = Fake::default();
    let (mut wire, pool) = pool(&fake);
    let pool = pool
        .max_connections(1)
        .max_waiting(3)
        .deadline(Duration::from_secs(10))
        .simulated_latency(Duration::from_secs(60));
    let ask = |wire: &StringTransport, number| {
        Outcome::of(wire.reactor(), pool.run_interaction(move |link| link.write(number)))
    };
    let [first, second, third, fourth, refused] = [1, 2, 3, 4, 5].map(|number| ask(&wire, number));
    wire.settle();
    assert_eq!(refused.get(), "Err(Pool(Full(3)))");
    wire.advance(Duration::from_secs(9));
    assert_eq!((pool.stats().running, pool.stats().waiting), (1, 3));
    wire.advance(Duration::from_secs(2));
    for outcome in [second, third, fourth] {
        assert_eq!(outcome.get(), "Err(Pool(NoConnection(10s, None)))");
    }
    wire.advance(LONG);
    assert_eq!((&*first.get(), fake.committed()), ("Ok(1)", vec![1]));
    assert_eq!((pool.stats().failed, pool.stats().succeeded), (4, 1));
}

#[test]
fn while_no_connection_can_be_made_interactions_wait_and_then_hear_why() {
    let fake = Fake::new([Refuses; 1000]);
    let (mut wire, pool) = pool(&fake);
    let first = Outcome::of(wire.reactor(), pool.run_interaction(|link| link.write(1)));
    wire.advance(Duration::from_secs(29));
    let second = Outcome::of(wire.reactor(), pool.run_interaction(|link| link.write(2)));
    wire.advance(Duration::from_secs(2));
    assert_eq!(first.get(), r#"Err(Pool(NoConnection(30s, Some("connect: Refuses"))))"#);
    lock(&fake.0).fates.clear();
    wire.advance(Duration::from_secs(3));
    assert_eq!(second.get(), "Ok(2)");
    let attempts = fake.steps().split(' ').filter(|step| *step == "connect").count();
    assert!((15..60).contains(&attempts), "{attempts} attempts in half a minute");
}

#[test]
fn without_a_transaction_nothing_is_begun_and_what_an_error_leaves_open_is_ended() {
    let fake = Fake::default();
    let (mut wire, pool) = pool(&fake);
    let outcome = Outcome::of(wire.reactor(), pool.run_with_connection(|_| Ok::<_, String>("vacuumed")));
    wire.advance(LONG);
    assert_eq!((&*outcome.get(), &*fake.steps()), (r#"Ok("vacuumed")"#, "connect"));
    let left_open = pool.run_with_connection(|link| {
        Fake::default().begin(link)?;
        Err::<(), _>("given up".to_owned())
    });
    let outcome = Outcome::of(wire.reactor(), left_open);
    wire.advance(LONG);
    assert_eq!((&*outcome.get(), fake.is_clean()), (r#"Err(Failed("given up"))"#, true));
}

#[test]
fn when_the_last_handle_is_gone_what_was_asked_is_done_and_the_connections_end() {
    let fake = Fake::default();
    let (mut wire, pool) = pool(&fake);
    for number in 1..=20 {
        pool.run_interaction(move |link| link.write(number));
    }
    wire.settle();
    drop(pool);
    wire.advance(LONG);
    assert_eq!((fake.committed().len(), fake.connections()), (20, 0));
}

#[test]
fn a_stop_waits_for_interactions_that_nobody_else_waits_for() {
    let sim = Simulation::new(3);
    let server = sim.host("server");
    let fake = Fake::default();
    let pool = ConnectionPool::new(&server, fake.clone()).max_connections(1).simulated_latency(Duration::from_secs(1));
    for number in 1..=4 {
        pool.run_interaction(move |link| link.write(number));
    }
    server.stop();
    server.run().unwrap();
    assert_eq!(fake.committed(), [1, 2, 3, 4]);
    let late = pool.run_interaction(|link| link.write(5));
    let asked = sim.host("another").run_until(late).unwrap();
    assert_eq!(asked.unwrap_err().to_string(), "the pool of connections to the database has ended");
}

#[test]
fn a_stop_does_not_wait_for_longer_than_the_deadline() {
    let sim = Simulation::new(3);
    let server = sim.host("server");
    server.set_shutdown_deadline(Duration::from_secs(5));
    let fake = Fake::default();
    let pool = ConnectionPool::new(&server, fake.clone()).simulated_latency(LONG);
    pool.run_interaction(|link| link.write(1));
    server.stop();
    server.run().unwrap();
    assert!(sim.elapsed() < Duration::from_secs(6));
    assert_eq!((fake.committed(), fake.is_clean()), (vec![], true));
}

#[test]
fn equal_seeds_give_equal_runs() {
    let run = |seed| {
        let sim = Simulation::new(seed);
        let server = sim.host("server");
        let fates = [Works, Works, Works, Works, Works, Works, Works, Refuses, Works, Works, Loses];
        let fake = Fake::new(fates.into_iter().cycle().take(200));
        let pool = ConnectionPool::new(&server, fake.clone());
        (0..50).for_each(|number| drop(pool.retry_interaction(move |link| link.write(number))));
        sim.run_for(LONG);
        (fake.steps(), fake.committed(), pool.stats())
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).1, run(2).1, "the latencies follow from the seed");
}

/// Every fate at each of the first steps.
#[test]
fn whatever_fails_no_transaction_stays_open_and_each_interaction_has_one_outcome() {
    let all = [Works, Refuses, Loses, LosesAfterwards, Panics];
    for (repeated, steps) in [(false, 4), (true, 5)] {
        for number in 0..all.len().pow(steps) {
            let fates = (0..steps).map(|step| all[number / all.len().pow(step) % all.len()]);
            let fake = Fake::new(fates.clone());
            let (mut wire, pool) = pool(&fake);
            let pool = pool.max_connections(1);
            let pending = match repeated {
                true => pool.retry_interaction(|link| link.write(1)),
                false => pool.run_interaction(|link| link.write(1)),
            };
            let outcome = Outcome::of(wire.reactor(), pending);
            // One that is expected whatever the fates are.
            wire.reactor().call_later(Duration::ZERO, || panic!("fate"));
            expect_panic("fate", || wire.advance(LONG));
            let (outcome, committed) = (outcome.get(), fake.committed());
            let told = || format!("{outcome} by {:?}: {}", fates.clone().collect::<Vec<_>>(), fake.steps());
            match &*outcome {
                "Ok(1)" => assert_eq!(committed, [1], "{}", told()),
                uncertain if uncertain.contains("Uncertain") => assert!(committed.len() <= 1, "{}", told()),
                _ => assert!(committed.is_empty(), "{}", told()),
            }
            assert!(fake.is_clean(), "{}", told());
            let stats = pool.stats();
            assert_eq!((stats.running, stats.waiting, stats.succeeded + stats.failed), (0, 0, 1), "{}", told());
            assert_eq!(stats.connections, fake.connections(), "{}", told());
        }
    }
}

#[test]
fn errors_are_sentences() {
    let driver = || DriverError::from(Box::from("connection refused"));
    for (error, text) in [
        (PoolError::Full(1024), "1024 interactions are waiting for a connection to the database already"),
        (PoolError::NoConnection(Duration::from_secs(30), None), "no connection to the database was free within 30s"),
        (
            PoolError::NoConnection(Duration::from_secs(30), Some(driver())),
            "no connection to the database could be made within 30s: connection refused",
        ),
        (PoolError::Begin(driver()), "the transaction could not begin: connection refused"),
        (PoolError::Commit(driver()), "the database refused to commit: connection refused"),
        (
            PoolError::Uncertain(driver()),
            "the connection was lost during the commit, which may have taken place: connection refused",
        ),
    ] {
        assert_eq!(InteractionError::<String>::from(error).to_string(), text);
    }
    let panicked = InteractionError::<String>::Panicked("\x1b[2J".to_owned());
    assert_eq!(panicked.to_string(), "the interaction panicked: \\x1b[2J");
    assert_eq!(InteractionError::Failed("no such user").to_string(), "no such user");
}
