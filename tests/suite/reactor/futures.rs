//! What Twisted has for Deferreds, by futures: in callbacks, and on the reactor's clock.

use std::cell::Cell;
use std::future::{Future, pending};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{join_all, select_ok, try_join_all};
use reactor::task::TimedOut;
use reactor::testing::{Simulation, StringTransport};
use reactor::{Protocol, Reactor, Transport};
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};

use crate::support::{Guard, Log, every_reactor};

const SECOND: Duration = Duration::from_secs(1);

/// A host on which futures run that tell what has become of them.
struct Telling {
    sim: Simulation,
    reactor: Reactor,
    log: Log,
}

impl Telling {
    fn new() -> Self {
        let sim = Simulation::new(0);
        let reactor = sim.host("here");
        Self { sim, reactor, log: Log::default() }
    }

    /// Logs the output of a future, with the time.
    fn tell<T: std::fmt::Debug + 'static>(&self, name: &str, future: impl Future<Output = T> + 'static) {
        let (name, log, reactor, began) = (name.to_owned(), self.log.clone(), self.reactor.clone(), self.reactor.now());
        self.reactor.spawn(async move {
            let output = future.await;
            log.add(format!("{}s {name}: {output:?}", (reactor.now() - began).as_secs()));
        });
    }

    fn after(&self, seconds: u32) -> impl Future<Output = ()> + use<> {
        self.reactor.sleep(seconds * SECOND)
    }
}

#[test]
fn s279_a_future_has_a_limited_time_by_the_reactors_clock() {
    let here = Telling::new();
    let log = here.log.clone();
    let forever = async move {
        let _guard = Guard::new(&log, "dropped");
        pending::<()>().await;
    };
    here.tell("late", here.reactor.time_out(3 * SECOND, forever));
    here.tell("early", here.reactor.time_out(3 * SECOND, here.after(2).map(|()| "done")));
    here.tell("just in time", here.reactor.time_out(3 * SECOND, here.after(3)));
    here.sim.run_for(10 * SECOND);
    assert_eq!(
        here.log.lines(),
        ["2s early: Ok(\"done\")", "dropped", "3s late: Err(TimedOut(3s))", "3s just in time: Ok(())"]
    );
    assert_eq!(here.reactor.pending_call_count(), 0);
    let error = io::Error::from(TimedOut(SECOND));
    assert_eq!((error.kind(), &*error.to_string()), (io::ErrorKind::TimedOut, "there was no result within 1s"));
}

#[test]
fn a_limit_of_time_works_in_every_reactor_and_begins_when_it_is_set() {
    every_reactor(|reactor| {
        let limited = reactor.time_out(Duration::from_millis(1), pending::<()>());
        let pause = reactor.sleep(Duration::from_millis(2));
        let outcome = reactor.run_until(async {
            pause.await;
            limited.now_or_never()
        });
        assert_eq!(outcome.unwrap(), Some(Err(TimedOut(Duration::from_millis(1)))));
    });
}

#[test]
fn s281_a_queue_serves_its_waiters_in_their_order() {
    let here = Telling::new();
    let (put, queue) = mpsc::channel(2);
    let queue = Rc::new(Mutex::new(queue));
    let take = || {
        let queue = Rc::clone(&queue);
        async move { queue.lock().await.recv().await }
    };
    for name in ["a", "b"] {
        here.tell(name, take());
    }
    // One that gives up takes nothing away.
    here.tell("impatient", here.reactor.time_out(SECOND, take()));
    here.tell("c", take());
    here.sim.run_for(2 * SECOND);
    put.try_send(1).unwrap();
    put.try_send(2).unwrap();
    assert!(put.try_send(3).is_err(), "it has room for two");
    here.sim.run_for(SECOND);
    put.try_send(3).unwrap();
    here.sim.run_for(SECOND);
    let told = ["1s impatient: Err(TimedOut(1s))", "2s a: Some(1)", "2s b: Some(2)", "3s c: Some(3)"];
    assert_eq!(here.log.lines(), told);
}

#[test]
fn s281_a_lock_is_given_in_the_order_in_which_it_was_asked_for() {
    let here = Telling::new();
    let lock = Rc::new(Mutex::new(0));
    for name in ["a", "b", "c"] {
        let (lock, work) = (Rc::clone(&lock), here.reactor.clone());
        here.tell(name, async move {
            let mut count = lock.lock().await;
            work.sleep(SECOND).await;
            *count += 1;
            *count
        });
    }
    here.sim.run_for(10 * SECOND);
    assert_eq!(here.log.lines(), ["1s a: 1", "2s b: 2", "3s c: 3"]);
}

#[test]
fn s281_a_semaphore_lets_a_fixed_number_work_at_a_time() {
    let here = Telling::new();
    let semaphore = Rc::new(Semaphore::new(2));
    for name in ["a", "b", "c", "d", "e"] {
        let (semaphore, work) = (Rc::clone(&semaphore), here.reactor.clone());
        here.tell(name, async move {
            let _permit = semaphore.acquire().await.unwrap();
            work.sleep(SECOND).await;
        });
    }
    here.sim.run_for(10 * SECOND);
    assert_eq!(here.log.lines(), ["1s a: ()", "1s b: ()", "2s c: ()", "2s d: ()", "3s e: ()"]);
}

/// Works a line at a time with all the others, one connection after another, by a lock that they share.
struct Exclusive {
    transport: Transport,
    lock: Rc<Mutex<()>>,
}

impl Protocol for Exclusive {
    fn data_received(&mut self, data: &[u8]) {
        let (lock, reactor, data) = (Rc::clone(&self.lock), self.transport.reactor(), data.to_vec());
        let work = async move {
            let held = lock.lock().await;
            reactor.sleep(SECOND).await;
            drop(held);
            data
        };
        self.transport.defer(work, |this: &mut Self, data| this.transport.write(data));
    }
}

#[test]
fn what_a_connection_holds_or_waits_for_is_free_when_it_ends() {
    let lock = Rc::new(Mutex::new(()));
    let connect = || {
        let lock = Rc::clone(&lock);
        StringTransport::connect(move |transport| Exclusive { transport, lock: Rc::clone(&lock) })
    };
    let (mut one, mut two) = (connect(), connect());
    one.receive("one");
    two.receive("two");
    two.advance(10 * SECOND);
    assert_eq!(two.written_text(), "", "the first holds the lock");
    one.transport().abort_connection();
    one.settle();
    two.settle();
    two.advance(SECOND);
    assert_eq!(two.written_text(), "two");
}

#[test]
fn s281_several_are_waited_for_with_all_their_results_the_first_error_or_the_first_success() {
    let here = Telling::new();
    let job = |seconds: u32, result: Result<u32, &'static str>| here.after(seconds).map(move |()| result);
    let jobs = || [job(1, Ok(1)), job(2, Err("two")), job(3, Ok(3))];
    here.tell("all", join_all(jobs()));
    here.tell("the first error", try_join_all(jobs()));
    let last_first = jobs().into_iter().rev().map(FutureExt::boxed_local);
    here.tell("the first success", select_ok(last_first).map(|outcome| outcome.map(|(output, _others)| output)));
    here.sim.run_for(10 * SECOND);
    let told =
        ["1s the first success: Ok(1)", "2s the first error: Err(\"two\")", "3s all: [Ok(1), Err(\"two\"), Ok(3)]"];
    assert_eq!(here.log.lines(), told);
    assert_eq!(here.reactor.pending_call_count(), 0, "what is not waited for any more is dropped");
}

#[test]
fn a_result_that_comes_later_is_told_once_and_its_absence_too() {
    let here = Telling::new();
    let (tell, told) = oneshot::channel();
    here.tell("told", told);
    here.reactor.call_later(SECOND, move || tell.send("result").unwrap());
    let (nobody, told) = oneshot::channel::<()>();
    here.tell("never told", told.map(|result| result.is_err()));
    here.reactor.call_later(2 * SECOND, move || drop(nobody));
    here.sim.run_for(10 * SECOND);
    assert_eq!(here.log.lines(), ["1s told: Ok(\"result\")", "2s never told: true"]);
}

#[test]
fn s279_a_deferred_call_is_cancelled_with_what_its_future_owns() {
    struct Idle;
    impl Protocol for Idle {
        fn data_received(&mut self, _data: &[u8]) {}
    }
    let mut wire = StringTransport::connect(|_| Idle);
    let (log, called) = (Log::default(), Rc::new(Cell::new(false)));
    let guard = Guard::new(&log, "dropped");
    let told = Rc::clone(&called);
    let work = wire.reactor().sleep(SECOND);
    let call = wire.transport().defer(
        async move {
            let _guard = guard;
            work.await;
        },
        move |_: &mut Idle, ()| told.set(true),
    );
    wire.settle();
    assert!(call.cancel() && !call.cancel());
    wire.advance(2 * SECOND);
    assert_eq!(
        (log.lines(), called.get(), wire.reactor().pending_call_count()),
        (vec!["dropped".to_owned()], false, 0)
    );
}
