use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::IpAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::hub::Hub;
use crate::hub::buffers::ReadBuffer;
use crate::reactor::core::{Backend, Core, MemoryBackend, Phase, SimHost, SimWorld};
use crate::reactor::{Reactor, run};
use crate::simnet::{HostId, Link, Network};
use crate::time::clock::Clock;
use crate::util::executor::Flag;
use crate::util::panic_watch::pass_on_panics;

/// A network of hosts inside this process, with a clock of its own: whole programs, clients and servers, run in it from
/// a seed, identically each time.
///
/// Each [`host`](Self::host) has a [`Reactor`] of its own, which works like one on sockets: `listen_tcp`,
/// `connect_tcp`, `listen_udp`, timers, `defer`, `spawn` and `stop`. Hosts find each other by name. Time goes from
/// event to event, as fast as the program runs: nothing waits. Network faults occur when the test asks for them, or at
/// random, drawn from the seed: see [`Link`], [`partition`](Self::partition), [`crash`](Self::crash),
/// [`reset_connections`](Self::reset_connections). A client that connects to a port on which nothing listens is
/// refused; one that connects to a host that is down or cut off gets no answer.
///
/// ```
/// use std::time::Duration;
/// use reactor::testing::{Link, Simulation};
/// use reactor::{Protocol, Transport};
/// # struct Echo { transport: Transport }
/// # impl Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
/// # struct Ping { transport: Transport }
/// # impl Protocol for Ping {
/// #     fn connection_made(&mut self) { self.transport.write("ping") }
/// #     fn data_received(&mut self, _: &[u8]) { self.transport.lose_connection() }
/// # }
///
/// let sim = Simulation::new(42);
/// sim.set_link(Link::new().latency(Duration::from_millis(20)).splits(0.5));
/// sim.host("server").listen_tcp(8007, |transport| Echo { transport })?;
///
/// let client = sim.host("client");
/// let connector = client.connect_tcp("server:8007", |transport| Ping { transport });
/// let reason = client.run_until(connector.finished())??;
/// assert!(reason.is_clean());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A future given to `defer` or `spawn` runs without a runtime. If it needs Tokio's (its sockets, its timers), it
/// panics with Tokio's message, which ends the connection. Jobs given to `defer_to_thread` run at once, on this thread.
///
/// Handles only record requests, which take effect while the simulation runs: in [`run_for`](Self::run_for),
/// [`run_until`](Self::run_until), [`run_until_quiet`](Self::run_until_quiet), or when the reactor of any host is run,
/// which runs all of them.
///
/// It is a handle: a clone is another handle of the same network. A handle kept by a program inside keeps the network
/// alive.
#[derive(Clone)]
pub struct Simulation(Rc<World>);

struct World {
    clock: Rc<Clock>,
    network: Rc<Network>,
    started: Instant,
    read_buffer: ReadBuffer,
    /// By host number; `None` for a host that is down.
    hosts: RefCell<Vec<Option<Reactor>>>,
    /// Guards against running inside a callback.
    running: Cell<bool>,
    /// The earliest of all timed calls when last looked up, and whether an earlier one has been added since.
    next_timer: Cell<Option<(Instant, HostId)>>,
    timers_moved: Arc<Flag>,
    timers_waker: Waker,
    me: Weak<Self>,
}

impl Simulation {
    /// Makes an empty network. Equal seeds, with the same hosts and the same programs, give the same events at the same
    /// times.
    pub fn new(seed: u64) -> Self {
        let clock = Rc::new(Clock::manual(seed));
        let timers_moved = Arc::new(Flag::default());
        Self(Rc::new_cyclic(|me| World {
            network: Network::new(Rc::clone(&clock), seed),
            started: clock.now(),
            clock,
            read_buffer: ReadBuffer::default(),
            hosts: RefCell::default(),
            running: Cell::new(false),
            next_timer: Cell::new(None),
            timers_waker: Waker::from(Arc::clone(&timers_moved)),
            timers_moved,
            me: me.clone(),
        }))
    }

    /// The reactor of the host with this name. A new host is added; one that [went down](Self::crash) comes back with a
    /// new reactor, on which its programs are to be started again.
    ///
    /// Hosts have addresses of both families, and resolve each other's names and `localhost` to them.
    pub fn host(&self, name: &str) -> Reactor {
        Reactor(self.0.host(name))
    }

    /// Lets this much time pass.
    pub fn run_for(&self, time: Duration) {
        self.0.run_to(self.0.clock.now() + time);
    }

    /// Runs until `condition` holds, which is checked between events. Returns false if nothing is left to happen before
    /// that.
    pub fn run_until(&self, mut condition: impl FnMut() -> bool) -> bool {
        loop {
            if condition() {
                return true;
            }
            if !self.0.step_until(None) {
                return condition();
            }
        }
    }

    /// Runs until nothing is left to happen: no packet is in flight, and no call will ever be due.
    ///
    /// # Panics
    ///
    /// If this takes more than `limit` of simulated time.
    #[track_caller]
    pub fn run_until_quiet(&self, limit: Duration) {
        let end = self.0.clock.now() + limit;
        while self.0.step_until(Some(end)) {}
        assert!(self.0.next_event().is_none(), "the simulation is not quiet after {limit:?}");
    }

    /// The time that has passed in the simulation.
    pub fn elapsed(&self) -> Duration {
        self.0.clock.now() - self.0.started
    }

    /// Sets the properties of the links between all hosts, except those set by
    /// [`set_link_between`](Self::set_link_between). Applies to what is sent from here on.
    pub fn set_link(&self, link: Link) {
        self.0.network.set_link(link);
    }

    /// Sets the properties of the link between two hosts.
    ///
    /// # Panics
    ///
    /// If there is no host with one of these names.
    #[track_caller]
    pub fn set_link_between(&self, one: &str, other: &str, link: Link) {
        self.0.network.set_link_between(self.id(one), self.id(other), link);
    }

    /// Lets nothing pass between two hosts any more. Their connections stay; what is sent on them waits for
    /// [`heal`](Self::heal). They fail as timed out if that takes more than 15 minutes.
    ///
    /// # Panics
    ///
    /// If there is no host with one of these names.
    #[track_caller]
    pub fn partition(&self, one: &str, other: &str) {
        self.0.network.cut(self.id(one), self.id(other));
    }

    /// Undoes [`partition`](Self::partition).
    ///
    /// # Panics
    ///
    /// If there is no host with one of these names.
    #[track_caller]
    pub fn heal(&self, one: &str, other: &str) {
        self.0.network.heal(self.id(one), self.id(other));
    }

    /// Blocks an address (or, with false, unblocks it): nothing reaches it, and no refusal comes back. So a name can
    /// have one address that answers and one that does not.
    pub fn set_black_hole(&self, address: IpAddr, on: bool) {
        self.0.network.set_black_hole(address, on);
    }

    /// The addresses of a host, the best first; empty if there is no host with this name.
    pub fn addresses_of(&self, name: &str) -> Vec<IpAddr> {
        self.0.network.addresses_of(name)
    }

    /// Resets all connections between two hosts, at both ends.
    ///
    /// # Panics
    ///
    /// If there is no host with one of these names.
    #[track_caller]
    pub fn reset_connections(&self, one: &str, other: &str) {
        self.0.network.reset_between(self.id(one), self.id(other));
    }

    /// Takes the power off a host: its programs are gone without a callback, and no peer is notified. Its connections
    /// are half open at the peers until they send something, which fails when the host is [back](Self::host), or after
    /// 15 minutes; or until keep-alive finds out.
    ///
    /// # Panics
    ///
    /// If there is no host with this name.
    #[track_caller]
    pub fn crash(&self, name: &str) {
        let id = self.id(name);
        self.0.network.crash(id);
        let reactor = self.0.hosts.borrow_mut()[id].take();
        if let Some(reactor) = reactor {
            pass_on_panics(|| reactor.0.power_off());
        }
    }

    /// Everything that has happened in the network so far, one line each, with the time since the beginning. Two runs
    /// with the same seed give the same text.
    pub fn log(&self) -> String {
        self.0.network.log().to_string()
    }

    /// Runs `scenario` with each of these seeds. If it panics, prints the seed and the environment variable,
    /// `REACTOR_SEED`, that runs it with that seed alone.
    ///
    /// ```
    /// use reactor::testing::Simulation;
    ///
    /// Simulation::for_seeds(0..100, |sim| {
    ///     let server = sim.host("server");
    ///     assert_eq!(server.connection_count(), 0);
    /// });
    /// ```
    pub fn for_seeds(seeds: impl IntoIterator<Item = u64>, scenario: impl Fn(&Self)) {
        let only = std::env::var("REACTOR_SEED").ok().and_then(|seed| seed.parse().ok());
        let seeds: Box<dyn Iterator<Item = u64>> = match only {
            Some(seed) => Box::new(std::iter::once(seed)),
            None => Box::new(seeds.into_iter()),
        };
        for seed in seeds {
            let _named = NamesSeed(seed);
            scenario(&Self::new(seed));
        }
    }

    #[track_caller]
    fn id(&self, name: &str) -> HostId {
        match self.0.network.host_named(name) {
            Some(id) => id,
            None => panic!("the simulation has no host {name:?}"),
        }
    }
}

impl World {
    fn run_to(&self, end: Instant) {
        while self.step_until(Some(end)) {}
        self.clock.advance_to(end);
    }

    /// Lets the next event happen, unless it is after `end`: all hosts run as far as they can, or the next packet
    /// arrives, or the calls that are due next are made. Returns false if there is none.
    fn step_until(&self, end: Option<Instant>) -> bool {
        assert!(!self.running.replace(true), "a simulation cannot be run from inside one of its callbacks");
        let _running = Running(&self.running);
        pass_on_panics(|| self.next_step(end))
    }

    fn next_step(&self, end: Option<Instant>) -> bool {
        if self.settle() {
            return true;
        }
        let next = self.next_event().filter(|next| end.is_none_or(|end| next.at <= end));
        if let Some(next) = &next {
            self.clock.advance_to(next.at);
            match next.who {
                Who::Network => self.network.deliver(),
                Who::Timers(host) => {
                    let reactor = self.hosts.borrow()[host].clone();
                    if reactor.is_some_and(|reactor| reactor.0.hub.timers.run_due()) {
                        self.clock.advance_to(self.clock.now() + TIMER_PASS);
                    }
                }
            }
        }
        next.is_some()
    }

    /// Runs all hosts until none can continue; returns false if none could.
    fn settle(&self) -> bool {
        let is_ready = |reactor: &Option<Reactor>| reactor.as_ref().is_some_and(|reactor| is_ready(&reactor.0));
        let mut any = false;
        loop {
            let next = self.hosts.borrow().iter().position(is_ready);
            let Some(host) = next else { return any };
            any = true;
            let reactor = self.hosts.borrow()[host].clone();
            if let Some(reactor) = reactor {
                reactor.0.run_tasks();
                if reactor.0.phase.get() == Phase::Stopped {
                    reactor.0.power_off();
                    self.hosts.borrow_mut()[host] = None;
                }
            }
        }
    }

    fn next_event(&self) -> Option<NextEvent> {
        let network = self.network.next_arrival().map(|at| NextEvent { at, who: Who::Network });
        let timers = self.next_timer().map(|(at, host)| NextEvent { at, who: Who::Timers(host) });
        network.into_iter().chain(timers).min_by_key(|event| event.at)
    }

    /// Searches all hosts only if the answer may have changed since the last time.
    fn next_timer(&self) -> Option<(Instant, HostId)> {
        let hosts = self.hosts.borrow();
        let deadline = |host: HostId| hosts[host].as_ref()?.0.hub.timers.next_deadline(&self.timers_waker);
        let known = self.next_timer.get();
        if self.timers_moved.is_set() || known.is_some_and(|(at, host)| deadline(host) != Some(at)) {
            self.timers_moved.clear();
            let next = (0..hosts.len()).filter_map(|host| Some((deadline(host)?, host))).min();
            self.next_timer.set(next);
        }
        self.next_timer.get()
    }
}

impl SimWorld for World {
    fn step(&self) -> bool {
        self.step_until(None)
    }

    fn is_stepping(&self) -> bool {
        self.running.get()
    }

    fn host(&self, name: &str) -> Rc<Core> {
        let known = self.network.host_named(name);
        if let Some(reactor) = known.and_then(|id| self.hosts.borrow()[id].clone()) {
            return reactor.0;
        }
        let id = self.network.add_host(name);
        let world = self.me.clone();
        let host = SimHost { network: Rc::clone(&self.network), id, world };
        let hub = Hub::new(Rc::clone(&self.clock), Rc::clone(&self.read_buffer));
        let reactor = Reactor::in_memory(hub, Some(host));
        reactor.0.spawn_task(run::in_simulation(Rc::downgrade(&reactor.0)));
        let mut hosts = self.hosts.borrow_mut();
        if id == hosts.len() {
            hosts.push(None);
        }
        hosts[id] = Some(reactor.clone());
        self.timers_waker.wake_by_ref();
        reactor.0
    }
}

struct NextEvent {
    at: Instant,
    who: Who,
}

enum Who {
    Network,
    Timers(HostId),
}

fn is_ready(core: &Core) -> bool {
    matches!(&core.backend, Backend::Memory(MemoryBackend { executor, .. }) if executor.is_ready())
}

struct Running<'a>(&'a Cell<bool>);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// Prints the seed when a test's panic unwinds past it.
struct NamesSeed(u64);

impl Drop for NamesSeed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with seed {0}; to run it alone, set REACTOR_SEED={0}", self.0);
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        pass_on_panics(|| {
            for reactor in self.hosts.take().into_iter().flatten() {
                reactor.0.power_off();
            }
        });
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation").field("elapsed", &self.elapsed()).finish_non_exhaustive()
    }
}

/// How long a pass over due calls takes if more are due at its end: a chain of calls without delay must not stop the
/// clock.
const TIMER_PASS: Duration = Duration::from_micros(1);
