use std::time::Duration;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A node whose state is a text, and which has one register.
#[derive(Default)]
struct Node {
    state: &'static str,
    register: u32,
}

impl Owner for Node {
    fn snapshot(&self) -> Bytes {
        self.state.into()
    }

    fn digests(&self) -> Vec<u32> {
        vec![self.register]
    }

    fn registers(&self, _part: usize) -> Vec<Bytes> {
        vec![self.register.to_string().into()]
    }
}

/// A link, and the time that passes for it.
struct Seat {
    link: Link,
    now: Instant,
    node: Node,
    delivered: Vec<Delivery>,
}

#[expect(clippy::disallowed_methods, reason = "it is some moment")]
fn start() -> Instant {
    Instant::now()
}

fn name(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

impl Seat {
    fn new(node: &str) -> Self {
        Self::with(Options::new(name(node), 1), start())
    }

    fn with(options: Options, now: Instant) -> Self {
        Self { link: Link::new(options, now), now, node: Node::default(), delivered: Vec::new() }
    }

    fn tick(&mut self, passed: Duration) {
        self.now += passed;
        self.link.tick(self.now, &self.node);
    }

    /// A message from a node of this name and epoch.
    fn hear(&mut self, node: &str, epoch: u64, body: Body) {
        let message = Envelope { node: name(node), epoch, body }.encode();
        self.link.heard(self.now, BusEvent::Message(message), &self.node);
    }

    fn event(&mut self, sequence: u64) {
        self.hear("b", 1, Body::Event { sequence, payload: sequence.to_string().into() });
    }

    /// Node `b` is up, and its next event has this number.
    fn snapshot(&mut self, number: u64, next: u64) {
        self.hear("b", 1, Body::Snapshot { number, next, part: 0, parts: 1, payload: "state".into() });
    }

    /// What it has sent, and keeps what it has delivered.
    fn sent(&mut self) -> Vec<Body> {
        let mut sent = Vec::new();
        for output in self.link.outputs() {
            match output {
                Output::Send(_, message) => sent.push(Envelope::decode(&message).unwrap().body),
                Output::Deliver(delivery) => self.delivered.push(delivery),
            }
        }
        sent
    }

    /// What it has delivered, in short.
    fn delivered(&mut self) -> Vec<String> {
        self.sent();
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let short = |delivery| match delivery {
            Delivery::Up { node, snapshot } => format!("{node} up: {}", text(&snapshot)),
            Delivery::Event { node, payload } => format!("{node}: {}", text(&payload)),
            Delivery::Down { node } => format!("{node} down"),
            Delivery::Registers { node, registers } => format!("{node} registers: {}", text(&registers)),
            Delivery::Replaced => "replaced".to_owned(),
        };
        self.delivered.drain(..).map(short).collect()
    }
}

#[test]
fn events_before_the_snapshot_are_part_of_it_and_those_after_it_follow_once_in_order() {
    let mut a = Seat::new("a");
    for sequence in [3, 1, 5, 4, 4] {
        a.event(sequence);
    }
    assert_eq!(a.delivered(), [""; 0]);
    a.snapshot(1, 4);
    a.event(6);
    a.event(5);
    assert_eq!(a.delivered(), ["b up: state", "b: 4", "b: 5", "b: 6"]);
}

#[test]
fn a_gap_is_asked_for_once_and_again_after_a_while() {
    let mut a = Seat::new("a");
    a.snapshot(1, 1);
    a.sent();
    let wanted = Body::WantEvents { epoch: 1, from: 1, until: 3 };
    a.event(3);
    assert_eq!(a.sent(), std::slice::from_ref(&wanted));
    a.event(4);
    assert_eq!(a.sent(), []);
    a.tick(SECOND);
    assert!(a.sent().contains(&wanted));
    a.event(1);
    a.event(2);
    assert_eq!(a.delivered(), ["b up: state", "b: 1", "b: 2", "b: 3", "b: 4"]);
}

#[test]
fn a_loss_at_the_end_is_noticed_by_the_next_heartbeat() {
    let mut a = Seat::new("a");
    a.snapshot(1, 1);
    a.sent();
    a.hear("b", 1, Body::Heartbeat { next: 3, digests: Vec::new(), wants_answer: false });
    assert_eq!(a.sent(), [Body::WantEvents { epoch: 1, from: 1, until: 3 }]);
}

#[test]
fn what_is_no_longer_kept_is_answered_by_a_snapshot() {
    let mut a = Seat::with(Options { kept_events: 2, ..Options::new(name("a"), 1) }, start());
    a.node.state = "mine";
    for _ in 0..5 {
        a.link.publish("event".into()).unwrap();
    }
    a.sent();
    a.hear("b", 1, Body::WantEvents { epoch: 1, from: 4, until: 6 });
    assert!(a.sent().contains(&Body::Event { sequence: 4, payload: "event".into() }));
    a.hear("b", 1, Body::WantEvents { epoch: 1, from: 3, until: 6 });
    let snapshot = Body::Snapshot { number: 1, next: 6, part: 0, parts: 1, payload: "mine".into() };
    assert_eq!(a.sent(), [snapshot]);
}

#[test]
fn a_silent_node_is_down_and_an_old_snapshot_does_not_bring_its_events_back() {
    let mut a = Seat::new("a");
    a.snapshot(1, 1);
    a.event(1);
    a.event(2);
    for _ in 0..10 {
        a.tick(SECOND);
    }
    assert_eq!(a.delivered(), ["b up: state", "b: 1", "b: 2", "b down"]);
    a.snapshot(1, 1);
    a.event(1);
    assert_eq!(a.delivered(), [""; 0]);
    a.snapshot(2, 3);
    assert_eq!(a.delivered(), ["b up: state"]);
}

#[test]
fn a_node_that_was_stopped_does_not_take_the_others_for_dead() {
    let mut a = Seat::new("a");
    a.snapshot(1, 1);
    a.tick(SECOND);
    a.tick(3600 * SECOND);
    assert_eq!(a.delivered(), ["b up: state"]);
    for _ in 0..10 {
        a.tick(SECOND);
    }
    assert_eq!(a.delivered(), ["b down"]);
}

#[test]
fn a_later_life_of_a_node_replaces_the_one_before_and_an_earlier_one_is_ignored() {
    let mut a = Seat::new("a");
    a.snapshot(1, 8);
    a.hear("b", 2, Body::Snapshot { number: 1, next: 1, part: 0, parts: 1, payload: "new".into() });
    a.event(8);
    a.hear("b", 2, Body::Event { sequence: 1, payload: "1".into() });
    assert_eq!(a.delivered(), ["b up: state", "b down", "b up: new", "b: 1"]);
}

#[test]
fn a_node_that_leaves_is_down_at_once_and_for_good() {
    let mut a = Seat::new("a");
    a.snapshot(1, 1);
    a.hear("b", 1, Body::Leave);
    a.event(1);
    a.snapshot(2, 2);
    a.tick(SECOND);
    assert_eq!(a.delivered(), ["b up: state", "b down"]);
    a.link.leave();
    assert_eq!(a.sent(), [Body::Leave]);
    a.tick(SECOND);
    assert_eq!(a.sent(), []);
}

#[test]
fn a_node_hears_of_a_later_process_with_its_name_once_and_is_silent_then() {
    let mut a = Seat::new("a");
    let heartbeat = || Body::Heartbeat { next: 1, digests: Vec::new(), wants_answer: false };
    a.hear("a", 1, heartbeat());
    assert_eq!(a.delivered(), [""; 0]);
    a.hear("a", 2, heartbeat());
    a.hear("a", 2, heartbeat());
    assert_eq!(a.delivered(), ["replaced"]);
    a.tick(SECOND);
    assert_eq!(a.sent(), []);
}

#[test]
fn a_node_comes_back_in_a_new_life_when_the_process_with_its_name_has_left() {
    let mut a = Seat::new("a");
    a.snapshot(1, 1);
    a.hear("a", 5, Body::Heartbeat { next: 1, digests: Vec::new(), wants_answer: false });
    assert_eq!((a.link.replaced_for(a.now), a.link.vacant(a.now)), (Some(Duration::ZERO), None));
    let silence = Options::new(name("a"), 1).silence;
    assert_eq!((a.link.replaced_for(a.now + silence), a.link.vacant(a.now + silence)), (Some(silence), Some(5)));
    a.hear("a", 5, Body::Leave);
    assert_eq!(a.link.vacant(a.now), Some(5));
    a.link.come_back(6, a.now);
    assert_eq!(a.link.replaced_for(a.now), None);
    a.delivered();
    a.tick(SECOND);
    assert!(matches!(a.sent()[..], [Body::Heartbeat { next: 1, .. }]));
    // What it knows of others it still knows.
    a.event(1);
    assert_eq!(a.delivered(), ["b: 1"]);
    a.hear("a", 6, Body::Heartbeat { next: 1, digests: Vec::new(), wants_answer: false });
    assert_eq!(a.link.replaced_for(a.now), None);
}

#[test]
fn registers_that_differ_for_a_while_are_exchanged_and_those_that_change_are_not() {
    let mut a = Seat::new("a");
    a.snapshot(1, 1);
    a.node.register = 7;
    let exchanged = |sent: &[Body]| sent.contains(&Body::WantRegisters { part: 0 });
    for digest in [1, 2, 3, 4, 5, 6] {
        a.tick(SECOND);
        a.hear("b", 1, Body::Heartbeat { next: 1, digests: vec![digest], wants_answer: false });
        assert!(!exchanged(&a.sent()), "{digest}");
    }
    let mut exchanges = 0;
    for _ in 0..3 {
        a.tick(SECOND);
        a.hear("b", 1, Body::Heartbeat { next: 1, digests: vec![6], wants_answer: false });
        exchanges += u32::from(exchanged(&a.sent()));
    }
    assert_eq!(exchanges, 1);
}

#[test]
fn a_snapshot_that_is_too_large_is_not_collected() {
    let mut a = Seat::with(Options { snapshot_bytes: 1000, ..Options::new(name("a"), 1) }, start());
    for part in 0..100 {
        a.hear("b", 1, Body::Snapshot { number: 1, next: 1, part, parts: 100, payload: vec![0; 100].into() });
        assert!(a.link.stats().held_bytes <= 1000);
    }
    assert_eq!(a.delivered(), [""; 0]);
}

#[test]
fn no_more_nodes_are_listed_than_allowed_and_those_that_are_down_give_way() {
    let mut a = Seat::with(Options { nodes: 2, ..Options::new(name("a"), 1) }, start());
    a.snapshot(1, 1);
    for number in 0..50 {
        a.hear(&format!("n{number}"), 1, Body::WantRegisters { part: 9 });
        assert!(a.link.nodes().count() <= 2);
    }
    assert!(a.link.nodes().any(|(node, is_up)| node.as_str() == "b" && is_up));
}

#[test]
fn an_event_that_is_too_long_is_refused_with_a_sentence() {
    let mut a = Seat::with(Options { payload_bytes: 10, ..Options::new(name("a"), 1) }, start());
    let error = a.link.publish(vec![0; 11].into()).unwrap_err();
    assert_eq!(error.to_string(), "an event of 11 bytes cannot be sent to other nodes: 10 is the most");
    assert_eq!(a.sent(), []);
}

#[test]
fn whatever_comes_is_borne_within_bounds() {
    let mut random = fastrand::Rng::with_seed(1);
    let options = Options { kept_bytes: 2_000, snapshot_bytes: 2_000, nodes: 4, ..Options::new(name("a"), 5) };
    let mut a = Seat::with(options, start());
    for _ in 0..50_000 {
        let mut number = || *random.choice(&[0, 1, 2, 3, 100, u64::MAX - 1, u64::MAX]).unwrap();
        let (first, second, third) = (number(), number(), number());
        let payload = Bytes::from(vec![0; random.usize(..1000)]);
        let body = match random.u8(..8) {
            0 | 1 => Body::Event { sequence: first, payload },
            2 => Body::Heartbeat { next: first, digests: vec![second as u32; random.usize(..400)], wants_answer: true },
            3 => Body::WantEvents { epoch: 5, from: first, until: second },
            4 => Body::WantSnapshot { epoch: 5 },
            5 | 6 => {
                let (part, parts) = (second as u32, third as u32);
                Body::Snapshot { number: first, next: second, part, parts, payload }
            }
            _ => Body::WantRegisters { part: first as u32 },
        };
        let mut message =
            Envelope { node: name(&format!("n{}", random.u8(..6))), epoch: random.u64(..3), body }.encode().to_vec();
        if random.bool() {
            let place = random.usize(..message.len());
            message[place] = random.u8(..);
        }
        a.link.heard(a.now, BusEvent::Message(message.into()), &a.node);
        if random.u8(..10) == 0 {
            a.tick(Duration::from_millis(random.u64(..3_000)));
            a.link.publish("event".into()).unwrap();
        }
        a.sent();
        a.delivered.clear();
        assert!(a.link.stats().held_bytes <= 2_000 + 4 * 4_000);
    }
}
