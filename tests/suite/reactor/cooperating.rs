//! Long work in small steps, beside other work.

use std::cell::{Cell, RefCell};
use std::iter::{from_fn, repeat_with};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use reactor::task::{CooperativeTask, Step, TaskEnd};
use reactor::testing::{Simulation, expect_panic};
use reactor::{Reactor, Transport};
use tracing_subscriber::filter::LevelFilter;

use crate::support::{Guard, Log, Recorder, address_of, count_logged, echo, every_reactor, in_time, test_reactor};

const SECOND: Duration = Duration::from_secs(1);

/// Logs its steps, as many as it has.
fn steps(log: &Log, name: &'static str, number: usize) -> impl Iterator<Item = ()> + use<> {
    let log = log.clone();
    (0..number).map(move |step| log.add(format!("{name}{step}")))
}

fn end_of(task: &CooperativeTask) -> Option<TaskEnd> {
    task.finished().now_or_never()
}

#[test]
fn s270_tasks_take_turns_step_by_step_and_none_is_made_before_the_next_turn() {
    every_reactor(|reactor| {
        let log = Log::default();
        let tasks = [("a", 3), ("b", 1), ("c", 2)].map(|(name, number)| reactor.cooperate(steps(&log, name, number)));
        assert_eq!(log.lines(), [""; 0]);
        let ends = tasks.each_ref().map(CooperativeTask::finished);
        let ends = reactor.run_until(futures_util::future::join_all(ends)).unwrap();
        assert_eq!(ends, [TaskEnd::Done, TaskEnd::Done, TaskEnd::Done]);
        assert_eq!(log.lines(), ["a0", "b0", "c0", "a1", "c1", "a2"]);
        assert!(tasks.iter().all(|task| !task.is_active() && !task.pause() && !task.resume() && !task.stop()));
    });
}

#[test]
fn s270_a_task_without_an_end_keeps_out_neither_timers_nor_connections() {
    every_reactor(|reactor| {
        let count = Rc::new(Cell::new(0_u64));
        let counted = Rc::clone(&count);
        let endless = reactor.cooperate(repeat_with(move || counted.set(counted.get() + 1)));
        let port =
            reactor.listen_tcp("127.0.0.1:0", |transport| echo(Recorder::new(transport, Log::default()))).unwrap();
        let answered = Rc::new(Cell::new(0));
        let (seen, stopping) = (Rc::clone(&answered), reactor.clone());
        reactor.connect_tcp(address_of(&port), move |transport: Transport| Ping {
            transport,
            answered: Rc::clone(&seen),
            stopping: stopping.clone(),
        });
        reactor.run().unwrap();
        assert_eq!((answered.get(), end_of(&endless)), (50, Some(TaskEnd::Stopped)));
        assert!(count.get() > 50);
    });
}

/// Says something, waits for the answer and a while, and says it again; stops the reactor when it has had 50 answers.
struct Ping {
    transport: Transport,
    answered: Rc<Cell<u32>>,
    stopping: Reactor,
}

impl reactor::Protocol for Ping {
    fn connection_made(&mut self) {
        self.transport.write("x");
    }

    fn data_received(&mut self, _data: &[u8]) {
        self.answered.set(self.answered.get() + 1);
        if self.answered.get() == 50 {
            self.stopping.stop();
        }
        self.transport.call_later(Duration::from_micros(100), |this: &mut Self| this.transport.write("x"));
    }
}

#[test]
fn s270_a_turn_is_over_after_ten_milliseconds_and_others_have_theirs() {
    in_time(|| {
        let reactor = test_reactor();
        let log = Log::default();
        let (seen, clock) = (log.clone(), reactor.clone());
        let mut left = 5;
        let slow = reactor.cooperate(from_fn(move || {
            let begun = clock.now();
            while clock.now() - begun < Duration::from_millis(10) {}
            left -= 1;
            seen.add("step");
            (left > 0).then_some(())
        }));
        let seen = log.clone();
        fn again(reactor: &Reactor, log: Log) {
            let next = reactor.clone();
            reactor.call_later(Duration::ZERO, move || {
                log.add("timer");
                again(&next, log);
            });
        }
        again(&reactor, seen);
        assert_eq!(reactor.run_until(slow.finished()).unwrap(), TaskEnd::Done);
        let lines = log.lines();
        assert!(!lines.windows(2).any(|pair| pair == ["step", "step"]), "{lines:?}");
    });
}

#[test]
fn s270_in_a_simulation_a_turn_is_over_after_a_thousand_steps_and_takes_a_millisecond() {
    let sim = Simulation::new(1);
    let count = Rc::new(Cell::new(0));
    let counted = Rc::clone(&count);
    sim.host("here").cooperate(repeat_with(move || counted.set(counted.get() + 1)));
    sim.run_for(100 * Duration::from_millis(1));
    assert!((100_000..=101_000).contains(&count.get()), "{}", count.get());
}

#[test]
fn s270_a_step_that_waits_pauses_its_task_and_no_other() {
    every_reactor(|reactor| {
        let log = Log::default();
        let (seen, clock) = (log.clone(), reactor.clone());
        let mut number = 0;
        let waiting = reactor.cooperate(from_fn(move || {
            number += 1;
            seen.add(format!("waits{number}"));
            let wait: LocalBoxFuture<'static, ()> = clock.sleep(Duration::from_millis(1)).boxed_local();
            (number < 3).then_some(wait)
        }));
        let other = reactor.cooperate(steps(&log, "other", 20));
        reactor.run_until(async move { (waiting.finished().await, other.finished().await) }).unwrap();
        let lines = log.lines();
        assert_eq!(lines[..2], ["waits1", "other0"]);
        let place = |line: &str| lines.iter().position(|other| other == line).unwrap();
        assert!(place("waits2") > place("other19") && place("waits3") == lines.len() - 1, "{lines:?}");
    });
}

#[test]
fn s270_pauses_nest_and_what_is_waited_for_is_none_of_them() {
    let sim = Simulation::new(1);
    let reactor = sim.host("here");
    let log = Log::default();
    let task = reactor.cooperate(steps(&log, "step", 1));
    assert!(!task.resume());
    assert!(task.pause() && task.pause() && task.resume());
    sim.run_for(SECOND);
    assert_eq!((log.lines().len(), end_of(&task)), (0, None));
    assert!(task.resume() && !task.resume());
    sim.run_for(SECOND);
    assert_eq!((log.lines(), end_of(&task)), (vec!["step0".to_owned()], Some(TaskEnd::Done)));

    let clock = reactor.clone();
    let mut first = true;
    let task =
        reactor.cooperate(from_fn(move || std::mem::take(&mut first).then(|| Step::wait(clock.sleep(10 * SECOND)))));
    sim.run_for(SECOND);
    assert!(!task.resume() && task.pause() && task.resume() && task.pause());
    sim.run_for(20 * SECOND);
    assert_eq!(end_of(&task), None);
    assert!(task.resume());
    sim.run_for(SECOND);
    assert_eq!(end_of(&task), Some(TaskEnd::Done));
}

#[test]
fn s270_a_stopped_task_makes_no_step_and_drops_its_iterator_and_what_it_waits_for() {
    let sim = Simulation::new(1);
    let reactor = sim.host("here");
    let log = Log::default();
    let guard = Guard::new(&log, "iterator gone");
    let task = reactor.cooperate(from_fn(move || -> Option<()> {
        let _guard = &guard;
        unreachable!("it is stopped before")
    }));
    assert!(task.is_active() && task.stop() && !task.stop());
    sim.run_for(SECOND);
    assert_eq!((log.lines(), end_of(&task)), (vec!["iterator gone".to_owned()], Some(TaskEnd::Stopped)));

    let guard = RefCell::new(Some(Guard::new(&log, "future gone")));
    let task = reactor.cooperate(from_fn(move || {
        let guard = guard.take();
        Some(Step::wait(async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        }))
    }));
    sim.run_for(SECOND);
    assert!(!log.has("future gone") && task.stop());
    sim.run_for(SECOND);
    assert!(log.has("future gone"));

    // From inside of a step.
    let own = Rc::new(RefCell::new(None::<CooperativeTask>));
    let (inside, mut steps) = (Rc::clone(&own), 0);
    let task = reactor.cooperate(from_fn(move || {
        steps += 1;
        assert_eq!(steps, 1);
        assert!(inside.take().unwrap().stop());
        Some(Step::wait(std::future::ready(())))
    }));
    own.replace(Some(task.clone()));
    sim.run_for(SECOND);
    assert_eq!(end_of(&task), Some(TaskEnd::Stopped));
}

#[test]
fn s270_a_panic_in_a_step_or_in_what_it_waits_for_ends_its_task_and_is_told_and_logged() {
    let (_logging, lines) = count_logged(LevelFilter::ERROR);
    let sim = Simulation::new(1);
    let reactor = sim.host("here");
    let log = Log::default();
    let broken = reactor.cooperate(from_fn(|| -> Option<()> { panic!("oh step") }));
    let waiting = reactor.cooperate(from_fn(|| Some(Step::wait(async { panic!("oh future") }))));
    let whole = reactor.cooperate(steps(&log, "step", 2));
    let told = Rc::new(RefCell::new(Vec::new()));
    for task in [&broken, &broken, &waiting, &whole] {
        let (end, told) = (task.finished(), Rc::clone(&told));
        reactor.spawn(async move {
            let end = end.await;
            told.borrow_mut().push(end);
        });
    }
    expect_panic("oh future", || expect_panic("oh step", || sim.run_for(SECOND)));
    let failed = |message: &str| TaskEnd::Failed(message.to_owned());
    assert_eq!([end_of(&broken), end_of(&waiting)], [Some(failed("oh step")), Some(failed("oh future"))]);
    assert_eq!((told.borrow().len(), lines.load(Ordering::Relaxed)), (4, 1), "of two panics in a row one is logged");
    assert_eq!(log.lines(), ["step0", "step1"]);
}

#[test]
fn s270_the_end_of_the_reactor_stops_all_tasks_be_they_paused() {
    every_reactor(|reactor| {
        let log = Log::default();
        let tasks = [(); 2].map(|()| {
            let guard = Guard::new(&log, "gone");
            reactor.cooperate(repeat_with(move || _ = &guard))
        });
        tasks[0].pause();
        let inside = reactor.clone();
        reactor.call_later(Duration::from_millis(1), move || inside.stop());
        reactor.run().unwrap();
        assert_eq!(tasks.each_ref().map(end_of), [Some(TaskEnd::Stopped), Some(TaskEnd::Stopped)]);
        assert_eq!(log.lines(), ["gone", "gone"]);
        let late = reactor.cooperate(steps(&log, "late", 1));
        assert_eq!((end_of(&late), log.has("late")), (Some(TaskEnd::Stopped), false));
    });
}
