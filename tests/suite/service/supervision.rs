//! Services: the order in which they start and stop, what happens to failed ones, and how they are built.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{Either, join_all, select};
use reactor::Reactor;
use reactor::service::{MultiService, Service, ServiceError};
use reactor::testing::{Simulation, expect_panic};
use tokio::sync::Notify;

use crate::support::Log;

/// A service that logs its calls. It takes a second to start and another to stop.
struct Probe {
    name: &'static str,
    log: Log,
    reactor: Reactor,
    /// The results of its next starts; later ones succeed.
    starts: RefCell<Vec<Start>>,
    panics_in: Cell<&'static str>,
    has_failed: Cell<bool>,
    failed: Notify,
    is_unreadable: Cell<bool>,
}

#[derive(Clone, Copy, PartialEq)]
enum Start {
    Fails,
    Panics,
}

impl Probe {
    fn new(reactor: &Reactor, log: &Log, name: &'static str) -> Rc<Self> {
        Rc::new(Self {
            name,
            log: log.clone(),
            reactor: reactor.clone(),
            starts: RefCell::default(),
            panics_in: Cell::new(""),
            has_failed: Cell::new(false),
            failed: Notify::new(),
            is_unreadable: Cell::new(false),
        })
    }

    fn with_starts(self: Rc<Self>, starts: &[Start]) -> Rc<Self> {
        self.starts.replace(starts.iter().rev().copied().collect());
        self
    }

    fn panicking_in(self: Rc<Self>, method: &'static str) -> Rc<Self> {
        self.panics_in.set(method);
        self
    }

    fn fail(&self) {
        self.has_failed.set(true);
        self.failed.notify_waiters();
    }

    fn tell(&self, what: &str) {
        self.log.add(format!("{what} {}", self.name));
    }

    fn panic_in(&self, method: &'static str) {
        if self.panics_in.get() == method {
            self.panics_in.set("");
            panic!("{method} is broken");
        }
    }
}

#[async_trait::async_trait(?Send)]
impl Service for Probe {
    fn name(&self) -> &str {
        self.name
    }

    async fn start(&self) -> Result<(), ServiceError> {
        self.tell("start");
        self.reactor.sleep(Duration::from_secs(1)).await;
        let start = self.starts.borrow_mut().pop();
        match start {
            Some(Start::Fails) => return Err(format!("{} does not start", self.name).into()),
            Some(Start::Panics) => panic!("start is broken"),
            None => {}
        }
        self.tell("started");
        Ok(())
    }

    async fn stop(&self) {
        self.tell("stop");
        self.panic_in("stop");
        self.reactor.sleep(Duration::from_secs(1)).await;
        self.has_failed.set(false);
        self.tell("stopped");
    }

    async fn failed(&self) -> ServiceError {
        loop {
            let failed = self.failed.notified();
            self.panic_in("failed");
            if self.has_failed.get() {
                return format!("{} has failed", self.name).into();
            }
            failed.await;
        }
    }

    async fn reload(&self) -> Result<(), ServiceError> {
        self.tell("reload");
        self.panic_in("reload");
        if self.is_unreadable.get() { Err("there is nothing to read".into()) } else { Ok(()) }
    }
}

/// A host with services, and their log.
struct Scene {
    sim: Simulation,
    reactor: Reactor,
    log: Log,
    failure: Rc<RefCell<Option<String>>>,
}

impl Scene {
    fn new() -> Self {
        let sim = Simulation::new(0);
        let reactor = sim.host("host");
        Self { sim, reactor, log: Log::default(), failure: Rc::default() }
    }

    fn probe(&self, name: &'static str) -> Rc<Probe> {
        Probe::new(&self.reactor, &self.log, name)
    }

    fn multi(&self, name: &str) -> MultiService {
        MultiService::new(&self.reactor, name)
    }

    /// Runs the simulation until the future is ready.
    #[track_caller]
    fn wait<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> T {
        let output = Rc::new(RefCell::new(None));
        let kept = Rc::clone(&output);
        self.reactor.spawn(async move {
            let output = future.await;
            kept.replace(Some(output));
        });
        assert!(self.sim.run_until(|| output.borrow().is_some()), "it never comes to an end");
        output.take().unwrap()
    }

    #[track_caller]
    fn start(&self, service: &Rc<MultiService>) -> Result<(), String> {
        let service = Rc::clone(service);
        self.wait(async move { service.start().await.map_err(|error| error.to_string()) })
    }

    #[track_caller]
    fn stop(&self, service: &Rc<MultiService>) {
        let service = Rc::clone(service);
        self.wait(async move { service.stop().await });
    }

    /// Starts it and handles its failures from then on.
    #[track_caller]
    fn run(&self, service: &Rc<MultiService>) {
        self.start(service).unwrap();
        let (service, failure) = (Rc::clone(service), Rc::clone(&self.failure));
        self.reactor.spawn(async move {
            let error = service.failed().await;
            failure.replace(Some(error.to_string()));
        });
        self.told();
    }

    /// The log since the last call.
    fn told(&self) -> Vec<String> {
        self.sim.run_for(Duration::from_secs(20));
        self.log.take()
    }

    fn failure(&self) -> Option<String> {
        self.failure.borrow().clone()
    }
}

#[test]
fn services_start_in_their_order_and_stop_in_reverse_one_when_the_other_is_done() {
    let scene = Scene::new();
    let inner = scene.multi("inner").with(scene.probe("b")).with(scene.probe("c"));
    let outer = Rc::new(scene.multi("outer").with(scene.probe("a")).with(inner).with(scene.probe("d")));
    scene.start(&outer).unwrap();
    let started = ["start a", "started a", "start b", "started b", "start c", "started c", "start d", "started d"];
    assert_eq!(scene.told(), started);
    scene.stop(&outer);
    assert_eq!(
        scene.told(),
        ["stop d", "stopped d", "stop c", "stopped c", "stop b", "stopped b", "stop a", "stopped a"]
    );
    scene.start(&outer).unwrap();
    assert_eq!(scene.told(), started, "as often as one likes");
}

#[test]
fn services_that_do_not_need_each_other_are_stopped_at_once() {
    let scene = Scene::new();
    let all = ["a", "b", "c"].into_iter().fold(scene.multi("all"), |all, name| all.with(scene.probe(name)));
    let all = Rc::new(all.independent());
    scene.start(&all).unwrap();
    scene.told();
    scene.stop(&all);
    assert_eq!(scene.told(), ["stop c", "stop b", "stop a", "stopped c", "stopped b", "stopped a"]);
}

#[test]
fn a_service_that_does_not_start_has_those_before_it_stopped_in_reverse() {
    for (start, error) in [(Start::Fails, "c does not start"), (Start::Panics, "c panicked in start: start is broken")]
    {
        let scene = Scene::new();
        let inner = scene.multi("inner").with(scene.probe("b")).with(scene.probe("c").with_starts(&[start]));
        let outer = Rc::new(scene.multi("outer").with(scene.probe("a")).with(inner).with(scene.probe("d")));
        let started = match start {
            Start::Fails => scene.start(&outer),
            Start::Panics => expect_panic("is broken", || scene.start(&outer)),
        };
        assert_eq!(started, Err(error.to_owned()));
        let told = scene.told();
        let (before, after) = told.split_at(5);
        assert_eq!(before, ["start a", "started a", "start b", "started b", "start c"]);
        assert_eq!(after, ["stop c", "stopped c", "stop b", "stopped b", "stop a", "stopped a"]);
        scene.stop(&outer);
        assert_eq!(scene.told(), Vec::<String>::new(), "there is nothing left to stop");
        assert_eq!(scene.start(&outer), Ok(()));
    }
}

#[test]
fn a_stop_is_safe_before_the_start_and_twice_and_every_one_waits() {
    let scene = Scene::new();
    let all = Rc::new(scene.multi("all").with(scene.probe("a")).with(scene.probe("b")));
    scene.stop(&all);
    scene.start(&all).unwrap();
    assert_eq!(scene.told(), ["start a", "started a", "start b", "started b"]);
    let stops = ["one", "other"].map(|who| {
        let (all, log) = (Rc::clone(&all), scene.log.clone());
        async move {
            all.stop().await;
            log.add(who);
        }
    });
    scene.wait(join_all(stops));
    scene.stop(&all);
    assert_eq!(scene.told(), ["stop b", "stopped b", "stop a", "stopped a", "one", "other"]);
}

#[test]
fn what_has_started_halfway_is_stopped() {
    let scene = Scene::new();
    let all = Rc::new(scene.multi("all").with(scene.probe("a")).with(scene.probe("b")).with(scene.probe("c")));
    let starting = Rc::clone(&all);
    let start = async move { starting.start().await.is_ok() }.boxed_local();
    let pause = scene.reactor.sleep(Duration::from_millis(1500)).boxed_local();
    let dropped = scene.wait(async move { matches!(select(start, pause).await, Either::Right(_)) });
    assert!(dropped);
    scene.stop(&all);
    assert_eq!(scene.told(), ["start a", "started a", "start b", "stop b", "stopped b", "stop a", "stopped a"]);
    scene.start(&all).unwrap();
    assert!(scene.log.has("started c"));
}

#[test]
fn a_service_that_fails_is_restarted_without_the_others() {
    let scene = Scene::new();
    let (a, b) = (scene.probe("a"), scene.probe("b"));
    let all = scene.multi("all").restarts(1, Duration::from_secs(5)).with(Rc::clone(&a)).with(Rc::clone(&b));
    scene.run(&Rc::new(all));
    for failing in [&a, &b, &a] {
        failing.fail();
        let name = failing.name;
        let wanted = ["stop", "stopped", "start", "started"].map(|what| format!("{what} {name}"));
        assert_eq!(scene.told(), wanted);
    }
    assert_eq!(scene.failure(), None, "no two of them were within five seconds");
}

#[test]
fn a_service_that_fails_too_often_has_all_stopped_in_reverse_and_the_parent_told() {
    let scene = Scene::new();
    let (a, b) = (scene.probe("a"), scene.probe("b"));
    let all = scene.multi("all").restarts(2, Duration::from_secs(5)).with(Rc::clone(&a)).with(Rc::clone(&b));
    let all = Rc::new(all);
    scene.run(&all);
    // A restart takes two seconds: the third failure is within five of the first.
    for failing in [&a, &b] {
        failing.fail();
        scene.sim.run_for(Duration::from_secs(2));
    }
    b.fail();
    let told = scene.told();
    assert_eq!(told[..8].iter().filter(|line| line.starts_with("started")).count(), 2);
    assert_eq!(told[8..], ["stop b", "stopped b", "stop a", "stopped a"]);
    assert_eq!(scene.failure().as_deref(), Some("b has failed"));
    let asked_again = Rc::clone(&all);
    assert_eq!(scene.wait(async move { asked_again.failed().await.to_string() }), "b has failed");
    scene.stop(&all);
    assert_eq!(scene.told(), Vec::<String>::new(), "nobody is stopped twice");
    // After a new start, earlier failures do not count.
    scene.run(&all);
    a.fail();
    assert_eq!(scene.told().last().unwrap(), "started a");
}

#[test]
fn a_failure_that_a_service_does_not_deal_with_is_its_own_and_its_parents_to_deal_with() {
    let scene = Scene::new();
    let c = scene.probe("c");
    let inner = scene.multi("inner").with(scene.probe("b")).with(Rc::clone(&c));
    let outer = scene.multi("outer").restarts(1, Duration::from_secs(60)).with(scene.probe("a")).with(inner);
    let outer = Rc::new(outer);
    scene.run(&outer);
    c.fail();
    assert_eq!(
        scene.told(),
        ["stop c", "stopped c", "stop b", "stopped b", "start b", "started b", "start c", "started c"]
    );
    c.fail();
    assert_eq!(scene.told(), ["stop c", "stopped c", "stop b", "stopped b", "stop a", "stopped a"]);
    assert_eq!(scene.failure().as_deref(), Some("c has failed"));
}

#[test]
fn a_restart_that_fails_is_one_more_failure() {
    for (most, is_up) in [(3, true), (2, false)] {
        let scene = Scene::new();
        let a = scene.probe("a");
        let all = scene.multi("all").restarts(most, Duration::from_secs(60)).with(Rc::clone(&a));
        scene.run(&Rc::new(all));
        a.clone().with_starts(&[Start::Fails, Start::Panics]).fail();
        let told = expect_panic("start is broken", || scene.told());
        assert_eq!(told.iter().filter(|line| *line == "start a").count(), most);
        assert_eq!(told.last().unwrap(), if is_up { "started a" } else { "stopped a" });
        assert_eq!(scene.failure().is_none(), is_up);
    }
}

#[test]
fn a_panic_in_any_method_is_a_failure_and_no_more() {
    for (method, outcome) in
        [("failed", "a panicked in failed: failed is broken"), ("reload", "a panicked in reload: reload is broken")]
    {
        let scene = Scene::new();
        let a = scene.probe("a");
        let all = scene.multi("all").restarts(1, Duration::from_secs(60)).with(Rc::clone(&a)).with(scene.probe("b"));
        let all = Rc::new(all);
        scene.run(&all);
        for restarted in [true, false] {
            a.clone().panicking_in(method).failed.notify_waiters();
            let reloading = Rc::clone(&all);
            expect_panic("is broken", || scene.wait(async move { drop(reloading.reload().await) }));
            assert_eq!(scene.told().contains(&"started a".to_owned()), restarted, "{method}");
        }
        assert_eq!(scene.failure().as_deref(), Some(outcome));
    }
    // A service that panics while it stops counts as stopped.
    let scene = Scene::new();
    let all = Rc::new(scene.multi("all").with(scene.probe("a")).with(scene.probe("b").panicking_in("stop")));
    scene.run(&all);
    expect_panic("is broken", || scene.stop(&all));
    assert_eq!(scene.told(), ["stop b", "stop a", "stopped a"]);
}

#[test]
fn a_service_that_is_added_to_one_that_runs_is_started_and_supervised() {
    let scene = Scene::new();
    let all = Rc::new(scene.multi("all").restarts(1, Duration::from_secs(60)));
    scene.run(&all);
    let b = scene.probe("b");
    let bad = scene.probe("bad").with_starts(&[Start::Fails]);
    for (service, error) in [(&b, None), (&bad, Some("bad does not start".to_owned())), (&scene.probe("c"), None)] {
        let (all, service) = (Rc::clone(&all), Rc::clone(service));
        assert_eq!(scene.wait(async move { all.add(service).await.err().map(|error| error.to_string()) }), error);
    }
    scene.told();
    b.fail();
    assert_eq!(scene.told(), ["stop b", "stopped b", "start b", "started b"]);
    scene.stop(&all);
    assert_eq!(scene.told(), ["stop c", "stopped c", "stop b", "stopped b"], "what did not start is not there");
    let (later, adding) = (scene.probe("later"), Rc::clone(&all));
    scene.wait(async move { adding.add(later).await.unwrap() });
    assert_eq!(scene.told(), Vec::<String>::new());
    scene.start(&all).unwrap();
    assert_eq!(scene.told().last().unwrap(), "started later");
}

#[test]
fn a_service_that_is_removed_is_stopped_and_dropped_and_its_failures_are_nobodys() {
    let scene = Scene::new();
    let (a, b) = (scene.probe("a"), scene.probe("b"));
    let all = Rc::new(scene.multi("all").restarts(1, Duration::from_secs(60)).with(a.clone()).with(b.clone()));
    scene.run(&all);
    for found in [true, false] {
        let removing = Rc::clone(&all);
        assert_eq!(scene.wait(async move { removing.remove("a").await }), found);
    }
    assert_eq!(scene.told(), ["stop a", "stopped a"]);
    assert_eq!(Rc::strong_count(&a), 1);
    a.fail();
    b.fail();
    assert_eq!(scene.told(), ["stop b", "stopped b", "start b", "started b"]);
    // One that is being restarted stays stopped.
    b.fail();
    let removing = Rc::clone(&all);
    scene.wait(async move { removing.remove("b").await });
    scene.told();
    assert_eq!(Rc::strong_count(&b), 1);
    scene.stop(&all);
    assert!(scene.told().is_empty());
}

#[test]
fn services_that_are_added_while_others_start_wait_for_their_turn() {
    let scene = Scene::new();
    let all = Rc::new(scene.multi("all").with(scene.probe("a")).with(scene.probe("b")));
    let (first, second) = (scene.probe("c").with_starts(&[Start::Fails]), scene.probe("d"));
    first.has_failed.set(true);
    let (starting, adding, more) = (Rc::clone(&all), Rc::clone(&all), Rc::clone(&all));
    let supervising = Rc::clone(&all);
    scene.reactor.spawn(async move {
        starting.start().await.unwrap();
        supervising.failed().await;
    });
    scene.reactor.spawn(async move { assert!(adding.add(first).await.is_err()) });
    scene.reactor.spawn(async move { more.add(second).await.unwrap() });
    let told = scene.told();
    let stops_of_c = ["start c", "stop c", "stopped c"];
    assert_eq!(told[..4], ["start a", "started a", "start b", "started b"]);
    assert_eq!(told[4..7], stops_of_c, "one that does not start is not restarted");
    assert_eq!(told[7..], ["start d", "started d"]);
}

#[test]
fn a_stop_that_comes_during_a_restart_wins() {
    let scene = Scene::new();
    let a = scene.probe("a");
    let all = Rc::new(scene.multi("all").restarts(9, Duration::from_secs(60)).with(Rc::clone(&a)));
    scene.run(&all);
    for halfway in [500, 1500] {
        a.fail();
        scene.sim.run_for(Duration::from_millis(halfway));
        scene.stop(&all);
        assert_eq!(scene.told().last().unwrap(), "stopped a");
        scene.start(&all).unwrap();
        scene.told();
    }
}

#[test]
fn a_reload_reaches_all_that_have_started_in_their_order() {
    let scene = Scene::new();
    let inner = scene.multi("inner").with(scene.probe("b"));
    let all = Rc::new(scene.multi("all").with(scene.probe("a")).with(inner).with(scene.probe("c")));
    for wanted in [&[][..], &["reload a", "reload b", "reload c"]] {
        let reloading = Rc::clone(&all);
        scene.wait(async move { reloading.reload().await.unwrap() });
        assert_eq!(scene.told(), wanted);
        scene.start(&all).unwrap();
        scene.told();
    }
}

#[test]
fn a_reload_goes_on_behind_one_that_fails_and_names_each_that_did() {
    let scene = Scene::new();
    let [a, b, c] = ["a", "b", "c"].map(|name| scene.probe(name));
    for probe in [&a, &b] {
        probe.is_unreadable.set(true);
    }
    let all = Rc::new(scene.multi("all").with(a).with(scene.multi("inner").with(b)).with(c));
    scene.start(&all).unwrap();
    scene.told();
    let error = scene.wait(async move { all.reload().await.unwrap_err().to_string() });
    assert_eq!(error, "a: there is nothing to read; inner: b: there is nothing to read");
    assert_eq!(scene.told(), ["reload a", "reload b", "reload c"]);
}
