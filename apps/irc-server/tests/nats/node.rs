use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::time::Duration;

use irc_server::cluster::bus::{BusEvent, Nats};
use irc_server::cluster::{Bus, Link, NodeName, Options, Output};
use reactor::Reactor;
use tokio::sync::Notify;

use crate::toy::Toy;

/// A toy on a link over NATS. Its times are a tenth of the usual ones.
#[derive(Clone)]
pub(crate) struct Node(Rc<Parts>);

struct Parts {
    reactor: Reactor,
    bus: Nats,
    state: RefCell<(Toy, Link)>,
    random: RefCell<fastrand::Rng>,
    /// Something has come, or time has passed.
    changed: Notify,
    events: RefCell<Vec<BusEvent>>,
}

impl Node {
    pub(crate) async fn start(reactor: &Reactor, urls: &str, name: &str, epoch: u64) -> Self {
        let node = Self::start_deaf(reactor, urls, name, epoch).await;
        node.listen();
        node
    }

    /// The same, but it does not take what its bus has until it [listens](Self::listen).
    pub(crate) async fn start_deaf(reactor: &Reactor, urls: &str, name: &str, epoch: u64) -> Self {
        let name = NodeName::new(name).expect("it is a name");
        let bus = Nats::connect(reactor, urls, "Test", name.clone()).await.expect("the URLs are right");
        let options = Options {
            heartbeat: Duration::from_millis(100),
            silence: Duration::from_secs(1),
            repeat: Duration::from_millis(100),
            ..Options::new(name.clone(), epoch)
        };
        let state = RefCell::new((Toy::new(name, epoch), Link::new(options, reactor.now())));
        let random = RefCell::new(fastrand::Rng::with_seed(epoch));
        let changed = Notify::new();
        Self(Rc::new(Parts { reactor: reactor.clone(), bus, state, random, changed, events: RefCell::default() }))
    }

    pub(crate) fn listen(&self) {
        let (node, ticked) = (Rc::downgrade(&self.0), Rc::downgrade(&self.0));
        self.0.reactor.spawn(async move {
            let next = || {
                let node = node.clone();
                poll_fn(move |context| match node.upgrade() {
                    Some(parts) => parts.bus.poll_event(context).map(Some),
                    None => std::task::Poll::Ready(None),
                })
            };
            while let (Some(event), Some(parts)) = (next().await, node.upgrade()) {
                Self(parts).heard(event);
            }
        });
        self.0.reactor.call_every(Duration::from_millis(20), move |_| {
            if let Some(parts) = ticked.upgrade() {
                Self(parts).tick();
            }
        });
    }

    pub(crate) fn publish(&self, count: u32) {
        let (toy, link) = &mut *self.0.state.borrow_mut();
        for _ in 0..count {
            let event = toy.change(&mut self.0.random.borrow_mut(), 0);
            link.publish(event).expect("it is short");
            self.carry_out(toy, link);
        }
    }

    /// Resolves when `condition` holds for what the node believes and has seen of its bus.
    pub(crate) async fn until(&self, condition: impl Fn(&Toy, &Link, &[BusEvent]) -> bool) {
        loop {
            {
                let (toy, link) = &*self.0.state.borrow();
                if condition(toy, link, &self.0.events.borrow()) {
                    return;
                }
            }
            self.0.changed.notified().await;
        }
    }

    /// Resolves when this node and the others believe the same, and each that all are up.
    pub(crate) async fn until_agreed(&self, others: &[&Self]) {
        for other in others {
            self.until(|toy, link, _| {
                let theirs = other.0.state.borrow();
                toy.view() == theirs.0.view() && link.stats().nodes_up == others.len()
            })
            .await;
        }
    }

    /// Resolves when what was published has left.
    pub(crate) async fn flush(&self) {
        self.0.bus.flush().await;
    }

    pub(crate) fn has_seen(&self, event: &BusEvent) -> bool {
        self.0.events.borrow().contains(event)
    }

    fn heard(&self, event: BusEvent) {
        if !matches!(event, BusEvent::Message(_)) {
            self.0.events.borrow_mut().push(event.clone());
        }
        let (toy, link) = &mut *self.0.state.borrow_mut();
        link.heard(self.0.reactor.now(), event, toy);
        self.carry_out(toy, link);
    }

    fn tick(&self) {
        let (toy, link) = &mut *self.0.state.borrow_mut();
        link.tick(self.0.reactor.now(), toy);
        self.carry_out(toy, link);
    }

    fn carry_out(&self, toy: &mut Toy, link: &mut Link) {
        for output in link.outputs() {
            match output {
                Output::Send(topic, message) => self.0.bus.publish(&topic, message),
                Output::Deliver(delivery) => toy.delivered(delivery),
            }
        }
        self.0.changed.notify_waiters();
    }
}

/// Runs a test on a reactor of its own, with a deadline.
pub(crate) fn run<F: Future<Output = ()>>(test: impl FnOnce(Reactor) -> F) {
    let reactor = Reactor::new().expect("there is a reactor");
    let limited = reactor.time_out(Duration::from_secs(60), test(reactor.clone()));
    reactor.run_until(limited).expect("it runs once").expect("what the test waits for happens");
}
