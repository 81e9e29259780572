//! Links with the smallest owners that notice every mistake.

use std::task::{Context, Poll, Waker};
use std::time::Instant;

use irc_server::cluster::bus::{Bus, SimulatedBus};
use irc_server::cluster::{Link, NodeName, Options, Output, Stats};

use crate::storm::{Moment, Outcome, Player, Storm};
use crate::toy::{Toy, View};

struct Node {
    toy: Toy,
    link: Link,
    bus: SimulatedBus,
}

/// Plays one seed.
///
/// # Panics
///
/// If an event is delivered twice, out of order or not at all, if a link holds too much, or if not all nodes agree in the end.
pub(crate) fn play(seed: u64, began: Instant) -> Outcome {
    let mut storm = Storm::<Node>::new(seed, began);
    storm.play();
    check_agreement(storm.players().map(|(name, node)| (name.clone(), node.toy.view())).collect());
    storm.outcome()
}

fn check_agreement(views: Vec<(NodeName, View)>) {
    let Some((first, agreed)) = views.first() else { return };
    let running = views.iter().map(|(name, _)| name);
    assert!(agreed.lives.keys().eq(running), "{first} knows others than those that run: {agreed:?}");
    for (name, view) in &views {
        assert_eq!(view, agreed, "{name} differs from {first}");
    }
}

impl Player for Node {
    const SNAPSHOT_BYTES: usize = 2_500;

    fn start(options: Options, bus: SimulatedBus, _random: &mut fastrand::Rng, now: Moment) -> Self {
        let toy = Toy::new(options.node.clone(), options.epoch);
        Self { toy, link: Link::new(options, now.instant), bus }
    }

    fn act(&mut self, random: &mut fastrand::Rng, now: Moment) {
        let count = if random.u8(..10) == 0 { random.u32(..100) } else { random.u32(..4) };
        for _ in 0..count {
            let event = self.toy.change(random, now.elapsed.as_millis() as u64);
            self.link.publish(event).expect("it is short");
        }
        self.carry_out();
    }

    fn run(&mut self, now: Moment) {
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(event) = self.bus.poll_event(&mut context) {
            self.link.heard(now.instant, event, &self.toy);
            self.carry_out();
        }
    }

    fn tick(&mut self, now: Moment) {
        self.link.tick(now.instant, &self.toy);
        self.carry_out();
    }

    fn leave(&mut self, _now: Moment) {
        self.link.leave();
        self.carry_out();
    }

    fn stats(&self) -> Stats {
        self.link.stats()
    }
}

impl Node {
    fn carry_out(&mut self) {
        for output in self.link.outputs() {
            match output {
                Output::Send(topic, message) => self.bus.publish(&topic, message),
                Output::Deliver(delivery) => self.toy.delivered(delivery),
            }
        }
    }
}
