use std::collections::BTreeMap;
use std::net::IpAddr;

use reactor::Connector;
use reactor::datagram::DatagramTransport;
use reactor::testing::{Link, Simulation};

use super::*;

/// Where metrics end: a store's lines, whatever becomes of its host.
#[derive(Clone, Default)]
struct Store(Rc<RefCell<Stored>>);

#[derive(Default)]
struct Stored {
    lines: Vec<String>,
    connections: Vec<Lines>,
    is_deaf: bool,
    /// How many lines the clients had sent when the last connection was made.
    sent_before: usize,
    sent: Rc<Cell<usize>>,
}

struct StoreConnection {
    lines: Lines,
    store: Store,
}

impl LineHandler for StoreConnection {
    fn connection_made(&mut self) {
        let mut stored = self.store.0.borrow_mut();
        if stored.is_deaf {
            self.lines.pause_reading();
        }
        stored.connections.push(self.lines.clone());
        stored.sent_before = stored.sent.get();
    }

    fn line_received(&mut self, line: &[u8]) {
        self.store.0.borrow_mut().lines.push(String::from_utf8(line.to_vec()).unwrap());
    }
}

impl Store {
    fn listen(&self, sim: &Simulation, host: &str) {
        let store = self.clone();
        let factory = LineReceiver::factory(move |lines| StoreConnection { lines, store: store.clone() });
        sim.host(host).listen_tcp(2003, factory.delimiter("\n")).unwrap();
    }

    fn set_deaf(&self, is_deaf: bool) {
        let mut stored = self.0.borrow_mut();
        stored.is_deaf = is_deaf;
        stored
            .connections
            .iter()
            .for_each(|lines| if is_deaf { lines.pause_reading() } else { lines.resume_reading() });
    }

    fn count(&self) -> usize {
        self.0.borrow().lines.len()
    }
}

struct Client;

impl Protocol for Client {
    fn data_received(&mut self, _data: &[u8]) {}
}

const STORES: [&str; 3] = ["one", "two", "three"];

struct World {
    sim: Simulation,
    relay: Rc<Relay>,
    stores: [Store; 3],
}

impl World {
    fn new(sim: &Simulation) -> Self {
        let stores = STORES.map(|host| {
            let store = Store::default();
            store.listen(sim, host);
            store
        });
        let reactor = sim.host("relay");
        let relay = Rc::new(Relay::new(&reactor, &STORES.map(|host| format!("{host}:2003:a"))).unwrap());
        let services = services(&reactor, "0.0.0.0:2013", &relay);
        let stopping = reactor.clone();
        reactor.spawn(async move {
            services.start().await.unwrap();
            stopping.before_shutdown(async move || services.stop().await);
        });
        sim.run_for(Duration::from_secs(1));
        Self { sim: sim.clone(), relay, stores }
    }

    fn client(&self, host: &str) -> Transport {
        let connector: Connector = self.sim.host(host).connect_tcp("relay:2013", |_| Client);
        assert!(self.sim.run_until(|| connector.transport().is_some()));
        connector.transport().unwrap()
    }

    fn queue<R>(&self, index: usize, look: impl FnOnce(&QueueState) -> R) -> R {
        let queue = &self.relay.destinations[index].queue;
        queue.look();
        look(&queue.state.borrow())
    }

    /// Accepted lines, dropped lines, and bytes that wait.
    fn counts(&self) -> (u64, u64, usize) {
        let all = (0..STORES.len())
            .map(|index| self.queue(index, |queue| (queue.accepted_lines, queue.dropped_lines, queue.waiting.len())));
        all.fold((0, 0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1, sum.2 + one.2))
    }

    fn stored(&self) -> usize {
        self.stores.iter().map(Store::count).sum()
    }
}

#[test]
fn lines_that_are_no_metrics_are_counted_and_the_others_passed_on() {
    let world = World::new(&Simulation::new(1));
    let client = world.client("client");
    client.write(b"a.b 1 1700000000\r\n  c.d\t-2.5e3 1700000000.5 \n\ne 1\nf 1 2 3\ng x 1\nh nan 1\ni 1 inf\n\xff 1 1\nj inf -1\n");
    world.sim.run_for(Duration::from_secs(1));
    let mut lines: Vec<_> = world.stores.iter().flat_map(|store| store.0.borrow().lines.clone()).collect();
    lines.sort();
    assert_eq!(lines, ["a.b 1 1700000000", "c.d\t-2.5e3 1700000000.5", "j inf -1"]);
    assert_eq!(world.relay.invalid_lines.get(), 7);
}

#[test]
fn destinations_are_read_as_carbon_writes_them() {
    assert_eq!(destination("10.0.0.1:2004"), Some(("10.0.0.1", 2004, None)));
    assert_eq!(destination("store:2004:a"), Some(("store", 2004, Some("a"))));
    assert_eq!(destination("[::1]:2004:b"), Some(("::1", 2004, Some("b"))));
    for wrong in ["", "store", "store:", "store:x", "store:65536", "[::1:2004"] {
        assert_eq!(destination(wrong), None, "{wrong:?}");
    }
}

/// Lines of 64 bytes, all for one store.
fn lines_for(world: &World, index: usize, count: usize) -> String {
    let queue = &world.relay.destinations[index].queue;
    let names = (0..).map(|number| format!("metric.{number:0>43}"));
    let names = names.filter(|name| Rc::ptr_eq(world.relay.ring.node(name), queue));
    names.take(count).map(|name| format!("{name} 1 1700000000\n")).collect()
}

#[test]
fn nothing_is_read_while_a_queue_is_full_and_datagrams_are_dropped_and_counted() {
    const LINES: usize = 100_000;
    let world = World::new(&Simulation::new(1));
    let (client, bystander) = (world.client("client"), world.client("bystander"));
    world.stores[0].set_deaf(true);
    let lines = lines_for(&world, 0, LINES);
    client.write(&lines);
    world.sim.run_for(Duration::from_secs(60));
    let (accepted, dropped, waiting) = world.counts();
    assert!((QUEUE..QUEUE + 64).contains(&waiting) && accepted < LINES as u64, "{waiting} bytes wait");
    assert_eq!(dropped, 0);
    // Neither is another connection read, made before or later; but a datagram cannot be held back.
    bystander.write("other 1 1\n");
    world.client("late").write("other 2 2\n");
    let line = lines.lines().next().unwrap().to_owned();
    let relay = world.sim.addresses_of("relay").into_iter().find(IpAddr::is_ipv4).unwrap();
    world
        .sim
        .host("sensor")
        .listen_udp(0, move |transport: DatagramTransport| {
            transport.write(format!("{line}\n{line}"), SocketAddr::new(relay, 2013)).unwrap();
            Sensor
        })
        .unwrap();
    world.sim.run_for(Duration::from_secs(60));
    assert_eq!(world.counts(), (accepted, 2, waiting));
    world.stores[0].set_deaf(false);
    world.sim.run_for(Duration::from_secs(60));
    assert_eq!(world.counts(), (LINES as u64 + 2, 2, 0));
    assert_eq!(world.stored(), LINES + 2);
}

struct Sensor;

impl DatagramProtocol for Sensor {
    fn datagram_received(&mut self, _data: &[u8], _peer: SocketAddr) {}
}

#[test]
fn what_the_system_has_not_taken_goes_to_the_next_connection_and_nothing_twice() {
    const LINES: usize = 15_000;
    let world = World::new(&Simulation::new(1));
    let client = world.client("client");
    world.stores[0].set_deaf(true);
    client.write(lines_for(&world, 0, LINES));
    world.sim.run_for(Duration::from_secs(60));
    world.stores[0].set_deaf(false);
    world.sim.reset_connections("relay", STORES[0]);
    world.sim.run_for(Duration::from_secs(60));
    assert_eq!(world.counts(), (LINES as u64, 0, 0));
    let stored = &mut world.stores[0].0.borrow_mut().lines;
    assert_eq!(stored.len(), LINES);
    stored.sort();
    assert!(stored.windows(2).all(|two| two[0] != two[1]), "a line has arrived twice");
}

#[test]
fn a_stop_waits_for_a_destination_that_comes_back_but_not_forever() {
    for comes_back in [true, false] {
        let world = World::new(&Simulation::new(1));
        let client = world.client("client");
        world.sim.crash(STORES[0]);
        world.sim.reset_connections("relay", STORES[0]);
        world.sim.run_for(Duration::from_secs(1));
        client.write(lines_for(&world, 0, 100));
        world.sim.run_for(Duration::from_secs(1));
        world.sim.host("relay").stop();
        world.sim.run_for(Duration::from_secs(1));
        assert!(world.sim.host("relay").is_running());
        if comes_back {
            world.stores[0].listen(&world.sim, STORES[0]);
        }
        world.sim.run_for(3 * FLUSH);
        assert!(!world.sim.host("relay").is_running());
        assert_eq!(world.stored(), if comes_back { 100 } else { 0 });
        assert_eq!(world.counts(), (100, 0, if comes_back { 0 } else { 6400 }));
    }
}

/// Three stores that crash, are cut off and slow, while two clients and a sensor send metrics; then everything is well.
#[test]
fn every_metric_arrives_once_where_it_belongs_or_is_counted() {
    const LINES: usize = 200;
    Simulation::for_seeds(0..1000, |sim| {
        let world = World::new(sim);
        let dice = sim.host("dice");
        let roll = |sides: u64| (dice.random() % sides) as usize;
        // In half of the runs no connection breaks, and so nothing may be missing.
        let breaks = roll(2) == 0;
        let clients = [world.client("client"), world.client("other")];
        let sent = Rc::<Cell<usize>>::default();
        world.stores.iter().for_each(|store| store.0.borrow_mut().sent = Rc::clone(&sent));
        let mut up = [true; 3];
        for number in 0..LINES {
            clients[roll(2)].write(format!("metric.{number} {number} 1700000000\n"));
            sent.set(number + 1);
            sim.run_for(Duration::from_millis(dice.random() % 200));
            let index = roll(3);
            let store = STORES[index];
            match roll(if breaks { 40 } else { 30 }) {
                0 => sim.partition("relay", store),
                1..4 => sim.heal("relay", store),
                4 => sim.set_link_between("relay", store, Link::rough().bandwidth(Some(100))),
                5 => sim.set_link_between("relay", store, Link::new()),
                30 => sim.reset_connections("relay", store),
                31 if up[index] => {
                    sim.crash(store);
                    up[index] = false;
                }
                32..35 if !up[index] => {
                    world.stores[index].listen(sim, store);
                    up[index] = true;
                }
                _ => {}
            }
        }
        for (index, store) in STORES.into_iter().enumerate() {
            sim.heal("relay", store);
            sim.set_link_between("relay", store, Link::new());
            if !up[index] {
                world.stores[index].listen(sim, store);
            }
        }
        sim.run_for(Duration::from_secs(3600));
        assert_eq!(world.counts(), (LINES as u64, 0, 0));
        let mut arrivals = BTreeMap::new();
        for (index, store) in world.stores.iter().enumerate() {
            for line in &store.0.borrow().lines {
                let metric = line.split(' ').next().unwrap().to_owned();
                assert!(Rc::ptr_eq(world.relay.ring.node(&metric), &world.relay.destinations[index].queue), "{line}");
                *arrivals.entry(metric).or_insert(0) += 1;
            }
        }
        for number in 0..LINES {
            let metric = format!("metric.{number}");
            let queue = world.relay.ring.node(&metric);
            let index = world.relay.destinations.iter().position(|one| Rc::ptr_eq(&one.queue, queue)).unwrap();
            let arrived = arrivals.get(&metric).copied().unwrap_or(0);
            // TCP does not tell what of the last bytes has arrived before a connection breaks.
            let stored = world.stores[index].0.borrow();
            let may_be_missing = stored.connections.len() > 1 && number < stored.sent_before;
            assert!(breaks || stored.connections.len() == 1);
            assert!(arrived == 1 || (arrived == 0 && may_be_missing), "{metric} has arrived {arrived} times");
        }
        sim.host("relay").stop();
        sim.run_for(Duration::from_secs(60));
        assert!(!sim.host("relay").is_running());
    });
}
