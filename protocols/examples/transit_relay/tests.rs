use reactor::testing::{Link, Simulation};
use reactor::{Protocol, Transport};

use super::*;

/// A client whose words the test chooses.
struct Peer(Rc<RefCell<Seen>>);

#[derive(Default)]
struct Seen {
    transport: Option<Transport>,
    received: Vec<u8>,
    lost: Option<CloseReason>,
}

impl Protocol for Peer {
    fn data_received(&mut self, data: &[u8]) {
        self.0.borrow_mut().received.extend(data);
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.0.borrow_mut().lost = Some(reason);
    }
}

/// The test's side of a client.
#[derive(Clone, Default)]
struct Hand(Rc<RefCell<Seen>>);

impl Hand {
    fn transport(&self) -> Transport {
        self.0.borrow().transport.clone().unwrap()
    }

    fn received(&self) -> String {
        String::from_utf8(self.0.borrow().received.clone()).unwrap()
    }

    fn has_ended(&self) -> bool {
        self.0.borrow().lost.is_some()
    }

    fn is_open(&self) -> bool {
        let seen = self.0.borrow();
        seen.transport.is_some() && seen.lost.is_none()
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Plain,
    Web,
}

/// A relay on a simulated network, and what it has reported.
struct World {
    sim: Simulation,
    reports: Rc<RefCell<Vec<Usage>>>,
}

impl World {
    fn new(sim: &Simulation) -> Self {
        let reports = Rc::<RefCell<Vec<Usage>>>::default();
        let reporting = Rc::clone(&reports);
        let reactor = sim.host("relay");
        let endpoints = ["sim:relay:4001", "sim:relay:4002"].map(str::to_owned);
        let services = services(&reactor, &endpoints, move |usage| reporting.borrow_mut().push(usage)).unwrap();
        // Not `run_on`, which would run the simulation to its end.
        reactor.spawn({
            let reactor = reactor.clone();
            async move {
                use reactor::service::Service as _;
                services.start().await.unwrap();
                reactor.before_shutdown(async move || services.stop().await);
            }
        });
        sim.run_for(Duration::ZERO);
        Self { sim: sim.clone(), reports }
    }

    /// A client that says `hello`, a second later.
    fn client(&self, host: &str, way: Way, hello: &str) -> Hand {
        let hand = Hand::default();
        let (hello, seen) = (hello.to_owned(), Rc::clone(&hand.0));
        let peer = move |transport: Transport| {
            transport.write(&hello);
            seen.borrow_mut().transport = Some(transport);
            Peer(Rc::clone(&seen))
        };
        let reactor = self.sim.host(host);
        match way {
            Way::Plain => reactor.connect_tcp("relay:4001", peer),
            Way::Web => reactor.connect_tcp("relay:4002", WebSocket::client("ws://relay:4002/", peer)),
        };
        self.sim.run_for(Duration::from_secs(1));
        hand
    }

    fn moods(&self) -> Vec<Mood> {
        self.reports.borrow().iter().map(|usage| usage.mood).collect()
    }
}

fn token(letter: char) -> String {
    letter.to_string().repeat(64)
}

fn please(letter: char, side: char) -> String {
    format!("please relay {} for side {}\n", token(letter), side.to_string().repeat(16))
}

const EVERY_WAY: [(Way, Way); 4] =
    [(Way::Plain, Way::Plain), (Way::Plain, Way::Web), (Way::Web, Way::Plain), (Way::Web, Way::Web)];

#[test]
fn two_clients_of_one_token_are_joined_and_all_arrives_before_the_end() {
    for (one, other) in EVERY_WAY {
        let world = World::new(&Simulation::new(1));
        let alice = world.client("alice", one, &please('t', 'a'));
        assert_eq!(alice.received(), "");
        let bob = world.client("bob", other, &please('t', 'b'));
        assert_eq!((alice.received(), bob.received()), ("ok\n".to_owned(), "ok\n".to_owned()));
        bob.transport().write("how are you?");
        world.sim.run_for(Duration::from_secs(1));
        alice.transport().write("fine");
        alice.transport().lose_connection();
        world.sim.run_for(Duration::from_secs(60));
        assert_eq!((alice.received(), bob.received()), ("ok\nhow are you?".to_owned(), "ok\nfine".to_owned()));
        assert!(alice.has_ended() && bob.has_ended());
        let [usage] = world.reports.borrow()[..] else { panic!("{:?}", world.reports) };
        assert_eq!((usage.mood, usage.bytes), (Mood::Happy, 16));
        assert!((0.9..1.1).contains(&usage.waiting.unwrap().as_secs_f64()), "{usage}");
    }
}

#[test]
fn what_follows_the_handshake_at_once_is_passed_on_if_the_partner_is_there() {
    let world = World::new(&Simulation::new(1));
    let alice = world.client("alice", Way::Plain, &please('t', 'a'));
    let bob = world.client("bob", Way::Plain, &(please('t', 'b') + "I talk much"));
    assert_eq!((alice.received(), bob.received()), ("ok\nI talk much".to_owned(), "ok\n".to_owned()));
}

#[test]
fn clients_that_do_not_wait_for_their_partner_are_told() {
    for way in [Way::Plain, Way::Web] {
        let world = World::new(&Simulation::new(1));
        let hasty = world.client("hasty", way, &(please('t', 'a') + "are you there?"));
        assert_eq!(hasty.received(), "impatient\n");
        let late = world.client("late", way, &please('t', 'b'));
        assert_eq!(late.received(), "");
        assert_eq!(world.moods(), [Mood::Impatient]);
    }
}

#[test]
fn clients_that_name_no_token_are_told() {
    let long = "x".repeat(1025);
    let [short, wrong] = [&token('t')[1..], &token('-')];
    for hello in [
        "GET / HTTP/1.1\r\n",
        "please relay\n",
        &format!("please relay {short}\n"),
        &format!("please relay {wrong}\n"),
        &format!("please relay {}\r\n", token('t')),
        &format!("please relay {} for side {}\n", token('t'), "a".repeat(15)),
        &format!(" {}", please('t', 'a')),
        &long,
    ] {
        let world = World::new(&Simulation::new(1));
        let client = world.client("client", Way::Plain, hello);
        assert_eq!(client.received(), "bad handshake\n", "{hello:?}");
        assert!(client.has_ended());
        assert_eq!(world.moods(), [Mood::Errory]);
    }
}

#[test]
fn one_side_is_never_joined_with_itself_and_its_spare_connections_are_closed() {
    let world = World::new(&Simulation::new(1));
    let hands = ["one", "two", "three"].map(|host| world.client(host, Way::Plain, &please('t', 'a')));
    assert!(hands.iter().all(|hand| hand.is_open() && hand.received().is_empty()));
    let bob = world.client("bob", Way::Plain, &please('t', 'b'));
    assert_eq!(bob.received(), "ok\n");
    assert_eq!(hands.each_ref().map(Hand::received), ["", "", "ok\n"]);
    assert_eq!(hands.each_ref().map(Hand::is_open), [false, false, true]);
    assert_eq!(world.moods(), [Mood::Redundant, Mood::Redundant]);
}

#[test]
fn old_clients_which_name_no_side_are_joined_with_anyone() {
    for hello in [format!("please relay {}\n", token('t')), please('t', 'b')] {
        let world = World::new(&Simulation::new(1));
        let old = world.client("old", Way::Plain, &format!("please relay {}\n", token('t')));
        let other = world.client("other", Way::Plain, &hello);
        assert_eq!((old.received(), other.received()), ("ok\n".to_owned(), "ok\n".to_owned()));
    }
}

#[test]
fn clients_that_leave_or_are_silent_are_not_waited_for() {
    let world = World::new(&Simulation::new(1));
    let gone = world.client("gone", Way::Plain, &please('t', 'a'));
    gone.transport().lose_connection();
    let silent = world.client("silent", Way::Plain, "please");
    let lonely = world.client("lonely", Way::Plain, &please('t', 'b'));
    assert_eq!(lonely.received(), "");
    world.sim.run_for(HANDSHAKE);
    assert!(silent.has_ended() && lonely.is_open());
    world.sim.run_for(PATIENCE);
    assert!(lonely.has_ended());
    assert_eq!(world.moods(), [Mood::Lonely, Mood::Empty, Mood::Lonely]);
}

#[test]
fn the_sender_is_no_faster_than_the_receiver() {
    const LENGTH: usize = 8 << 20;
    for (one, other) in EVERY_WAY {
        let world = World::new(&Simulation::new(1));
        let sender = world.client("sender", one, &please('t', 'a'));
        let receiver = world.client("receiver", other, &please('t', 'b'));
        receiver.transport().pause_reading();
        for _ in 0..LENGTH / 4096 {
            sender.transport().write([b'x'; 4096]);
        }
        world.sim.run_for(Duration::from_secs(30));
        // The network takes 256 KiB for each connection; the rest is in the relay, and in the sender's own layers.
        let underway = LENGTH - sender.transport().unsent_bytes();
        println!("{one:?} to {other:?}: {underway} bytes are under way");
        assert!(underway < 3 << 19, "{one:?} to {other:?}: {underway} bytes are under way");
        receiver.transport().resume_reading();
        world.sim.run_for(Duration::from_secs(30));
        assert_eq!(receiver.received().len(), "ok\n".len() + LENGTH);
    }
}

#[test]
fn a_transfer_that_stands_still_ends() {
    for (one, other) in EVERY_WAY {
        let world = World::new(&Simulation::new(1));
        let sender = world.client("sender", one, &please('t', 'a'));
        let receiver = world.client("receiver", other, &please('t', 'b'));
        receiver.transport().pause_reading();
        sender.transport().write(vec![b'x'; 4 << 20]);
        world.sim.run_for(3 * PATIENCE);
        assert_eq!(world.sim.host("relay").connection_count(), 0, "{one:?} to {other:?}");
        assert_eq!(world.moods(), [Mood::Happy]);
    }
}

#[test]
fn a_relay_that_stops_lets_transfers_end_and_nobody_wait() {
    for (one, other) in EVERY_WAY {
        let world = World::new(&Simulation::new(1));
        let alice = world.client("alice", one, &please('t', 'a'));
        let bob = world.client("bob", other, &please('t', 'b'));
        let lonely = world.client("lonely", one, &please('u', 'a'));
        world.sim.host("relay").stop();
        world.sim.run_for(Duration::from_secs(30));
        assert!(lonely.has_ended());
        alice.transport().write("to the end");
        alice.transport().lose_connection();
        world.sim.run_for(Duration::from_secs(20));
        assert_eq!(bob.received(), "ok\nto the end");
        assert!(bob.has_ended());
    }
}

/// Sixteen connections for four tokens, on a network that loses, delays and resets.
#[test]
fn on_any_network_nobody_hears_another_token_and_everyone_is_reported_once() {
    Simulation::for_seeds(0..100, |sim| {
        let dice = sim.host("dice");
        let resets = dice.random() % 2 == 0;
        sim.set_link(Link::rough().resets(if resets { 0.02 } else { 0.0 }));
        let world = World::new(sim);
        let mut hands = Vec::new();
        for number in 0..16 {
            let letter = ['t', 'u', 'v', 'w'][dice.random() as usize % 4];
            let side = ['a', 'b'][dice.random() as usize % 2];
            let way = [Way::Plain, Way::Web][dice.random() as usize % 2];
            let hand = world.client(&format!("client{number}"), way, &please(letter, side));
            if hand.received() == "ok\n" {
                hand.transport().write(format!("{letter}{side}"));
            }
            sim.run_for(Duration::from_millis(dice.random() % 3_000));
            hands.push((letter, side, hand));
        }
        sim.run_for(3 * PATIENCE);
        assert_eq!(sim.host("relay").connection_count(), 0);
        for (letter, side, hand) in &hands {
            let received = hand.received();
            let heard = received.strip_prefix("ok\n").unwrap_or(&received);
            let partner = if *side == 'a' { 'b' } else { 'a' };
            assert!(heard.is_empty() || format!("ok\n{letter}{partner}").contains(heard), "{received:?}");
        }
        let pairs = world.moods().iter().filter(|mood| **mood == Mood::Happy).count();
        let reported = world.reports.borrow().len() + pairs;
        // A web socket that is reset in its handshake never reaches the relay.
        assert!(if resets { reported <= hands.len() } else { reported == hands.len() }, "{reported} were reported");
    });
}
