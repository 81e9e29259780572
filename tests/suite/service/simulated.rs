//! Services that fail at random, on a host that crashes and comes back.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use reactor::Reactor;
use reactor::service::{EndpointService, MultiService, Service, ServiceError};
use reactor::testing::{Link, Simulation, expect_panic};

use crate::support::{Log, Recorder, echo};

const SECOND: Duration = Duration::from_secs(1);

/// Around a service: checks that it is started and stopped in turns, and that its parent does not restart too often.
struct Checked<S> {
    service: S,
    name: &'static str,
    world: Rc<World>,
    siblings: Rc<Siblings>,
    /// Those inside, if there are any.
    children: Option<Rc<Siblings>>,
    is_up: Cell<bool>,
    /// The number of the start of its parent in which it was last started.
    life: Cell<u32>,
}

/// Services with one parent.
struct Siblings {
    most: usize,
    period: Duration,
    /// How often the parent was started.
    life: Cell<u32>,
    /// When one of them was restarted, in this life.
    restarts: RefCell<Vec<Instant>>,
}

/// The events between two crashes of the host.
struct World {
    reactor: Reactor,
    /// From here on nothing fails.
    is_calm: Cell<bool>,
    log: Log,
    seen: Rc<Seen>,
}

/// What outlives the crashes of a host.
#[derive(Default)]
struct Seen {
    restarts: Cell<u32>,
    /// By services, whose panics are contained.
    wrong: Log,
}

impl Siblings {
    fn new(most: usize, period: Duration) -> Rc<Self> {
        Rc::new(Self { most, period, life: Cell::new(0), restarts: RefCell::default() })
    }

    fn parent_starts(&self) {
        self.life.set(self.life.get() + 1);
        self.restarts.take();
    }

    /// Whether another restart is one too many.
    fn restarted(&self, now: Instant) -> bool {
        let mut restarts = self.restarts.borrow_mut();
        restarts.push(now);
        // What counts is when they failed; stopping, which comes first, takes less than a second.
        let recent = restarts.iter().filter(|at| now - **at < self.period - SECOND).count();
        recent > self.most
    }
}

#[async_trait::async_trait(?Send)]
impl<S: Service> Service for Checked<S> {
    fn name(&self) -> &str {
        self.name
    }

    async fn start(&self) -> Result<(), ServiceError> {
        let seen = &self.world.seen;
        if self.is_up.replace(true) {
            seen.wrong.add(format!("{} is started twice", self.name));
        }
        let life = self.siblings.life.get();
        if self.life.replace(life) == life {
            seen.restarts.set(seen.restarts.get() + 1);
            if self.siblings.restarted(self.world.reactor.now()) {
                seen.wrong.add(format!("{} is restarted too often", self.name));
            }
        }
        if let Some(children) = &self.children {
            children.parent_starts();
        }
        self.world.log.add(format!("start {}", self.name));
        self.service.start().await
    }

    async fn stop(&self) {
        if !self.is_up.get() {
            self.world.seen.wrong.add(format!("{} is stopped twice", self.name));
        }
        self.world.log.add(format!("stop {}", self.name));
        self.service.stop().await;
        self.world.log.add(format!("stopped {}", self.name));
        if !self.is_up.replace(false) {
            self.world.seen.wrong.add(format!("{} is stopped twice at once", self.name));
        }
    }

    async fn failed(&self) -> ServiceError {
        self.service.failed().await
    }
}

/// Takes a random time, and fails at random.
struct Moody {
    world: Rc<World>,
    has_failed: Cell<bool>,
}

impl Moody {
    async fn pause(&self, most_milliseconds: u64) {
        let pause = Duration::from_millis(self.world.reactor.random() % most_milliseconds);
        self.world.reactor.sleep(pause).await;
    }

    fn is_bad(&self, one_in: u64) -> bool {
        self.world.reactor.random().is_multiple_of(one_in) && !self.world.is_calm.get()
    }
}

#[async_trait::async_trait(?Send)]
impl Service for Moody {
    fn name(&self) -> &str {
        "moody"
    }

    async fn start(&self) -> Result<(), ServiceError> {
        self.pause(200).await;
        match (self.is_bad(10), self.is_bad(50)) {
            (true, _) => Err("not in the mood".into()),
            (_, true) => panic!("in a very bad mood"),
            _ => Ok(()),
        }
    }

    async fn stop(&self) {
        self.pause(200).await;
        self.has_failed.set(false);
    }

    async fn failed(&self) -> ServiceError {
        while !self.has_failed.get() {
            self.pause(5000).await;
            self.has_failed.set(self.is_bad(3));
        }
        "lost the mood".into()
    }
}

/// The host between two crashes.
struct Life {
    world: Rc<World>,
    root: Rc<Checked<MultiService>>,
    port: Rc<EndpointService>,
}

impl Life {
    fn begin(sim: &Simulation, seen: &Rc<Seen>) -> Self {
        let reactor = sim.host("server");
        let world = Rc::new(World {
            reactor: reactor.clone(),
            is_calm: Cell::new(false),
            log: Log::default(),
            seen: Rc::clone(seen),
        });
        let (alone, outer, inner) =
            (Siblings::new(0, SECOND), Siblings::new(3, 10 * SECOND), Siblings::new(2, 5 * SECOND));
        alone.parent_starts();
        let listening = reactor.clone();
        let listen = async move || listening.listen_tcp(7, |transport| echo(Recorder::new(transport, Log::default())));
        let port = Rc::new(EndpointService::from_fn("port", listen));
        let leaf = |name, siblings: &Rc<Siblings>| {
            let moody = Moody { world: Rc::clone(&world), has_failed: Cell::new(false) };
            checked(&world, name, siblings, None, moody)
        };
        let group = MultiService::new(&reactor, "group").restarts(inner.most, inner.period);
        let group = group.with(leaf("b", &inner)).with(leaf("c", &inner));
        let root = MultiService::new(&reactor, "root").restarts(outer.most, outer.period);
        let root = root
            .with(leaf("a", &outer))
            .with(checked(&world, "group", &outer, Some(inner), group))
            .with(checked(&world, "port", &outer, None, Rc::clone(&port)));
        let root = Rc::new(checked(&world, "root", &alone, Some(outer), root));
        let (stopping, starting, stop) = (Rc::clone(&root), Rc::clone(&root), reactor.clone());
        reactor.before_shutdown(async move || {
            // Here it may have stopped already, and only once a start is stopped.
            if stopping.is_up.get() {
                stopping.stop().await;
            }
        });
        reactor.spawn(async move {
            match starting.start().await {
                Ok(()) => drop(starting.failed().await),
                Err(_) => starting.world.log.add("not started"),
            }
            stop.stop();
        });
        Self { world, root, port }
    }

    fn is_running(&self) -> bool {
        self.world.reactor.is_running()
    }

    /// Checks that everything has stopped.
    fn check_end(&self) {
        let log = self.world.log.lines();
        assert!(!self.is_running(), "{log:?}");
        assert!(!self.root.is_up.get(), "{log:?}");
        assert!(self.port.port().is_none(), "{log:?}");
        for name in ["root", "group", "port", "a", "b", "c"] {
            let count = |what: &str| log.iter().filter(|line| **line == format!("{what} {name}")).count();
            assert_eq!(count("start"), count("stop"), "{name}: {log:?}");
            assert_eq!(count("start"), count("stopped"), "{name}: {log:?}");
        }
    }
}

fn checked<S: Service>(
    world: &Rc<World>,
    name: &'static str,
    siblings: &Rc<Siblings>,
    children: Option<Rc<Siblings>>,
    service: S,
) -> Checked<S> {
    Checked {
        service,
        name,
        world: Rc::clone(world),
        siblings: Rc::clone(siblings),
        children,
        is_up: Cell::new(false),
        life: Cell::new(0),
    }
}

/// Whether the server accepts a connection.
fn is_served(sim: &Simulation) -> bool {
    let log = Log::default();
    let told = log.clone();
    let connector = sim.host("client").connect_tcp("server:7", move |transport| Recorder::new(transport, told.clone()));
    sim.run_for(SECOND);
    connector.disconnect();
    log.has("made")
}

#[test]
fn whatever_fails_and_crashes_services_start_and_stop_in_order_and_once() {
    expect_panic("in a very bad mood", || {
        let (orderly, escalated, crashed, restarts) = (Cell::new(0), Cell::new(0), Cell::new(0), Cell::new(0));
        let count = |counter: &Cell<u32>| counter.set(counter.get() + 1);
        Simulation::for_seeds(0..1000, |sim| {
            sim.set_link(Link::new().latency(Duration::from_millis(10)).splits(0.3));
            let client = sim.host("client");
            let connecting = client.clone();
            let load = client.call_every(SECOND, move |_tick| {
                connecting.connect_tcp("server:7", |transport| Recorder::new(transport, Log::default()));
            });
            let seen = Rc::new(Seen::default());
            let mut life = Life::begin(sim, &seen);
            for _ in 0..3 {
                sim.run_for(Duration::from_millis(client.random() % 8000));
                if life.is_running() && client.random().is_multiple_of(3) {
                    sim.crash("server");
                    sim.run_for(Duration::from_millis(client.random() % 3000));
                    life = Life::begin(sim, &seen);
                    count(&crashed);
                } else if !life.is_running() {
                    life.check_end();
                    life = Life::begin(sim, &seen);
                    count(&escalated);
                }
            }
            life.world.is_calm.set(true);
            sim.run_for(20 * SECOND);
            if life.is_running() {
                assert!(is_served(sim), "{:?}", life.world.log.lines());
                load.stop();
                life.world.log.take();
                life.world.reactor.stop();
                sim.run_for(20 * SECOND);
                let told = life.world.log.lines();
                let stops = ["stop root", "stop port", "stopped port", "stop group", "stop c", "stopped c", "stop b"];
                let rest = ["stopped b", "stopped group", "stop a", "stopped a", "stopped root"];
                assert_eq!(told, [&stops[..], &rest].concat());
                count(&orderly);
            } else {
                life.check_end();
                count(&escalated);
            }
            assert!(!is_served(sim));
            assert!(!life.is_running() && life.port.port().is_none());
            assert_eq!(seen.wrong.lines(), Vec::<String>::new());
            restarts.set(restarts.get() + seen.restarts.get());
        });
        let seen = [orderly.get(), escalated.get(), crashed.get(), restarts.get()];
        assert!(
            std::env::var("REACTOR_SEED").is_ok()
                || seen.iter().zip([300, 100, 300, 1000]).all(|(seen, least)| *seen >= least),
            "too little has happened: {seen:?} stops, escalations, crashes and restarts"
        );
    });
}
