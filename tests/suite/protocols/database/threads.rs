//! Connections on threads of their own.

use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use protocols::database::{ConnectionPool, WithoutTransactions};
use reactor::run_on_threads;

use super::with_pool;
use crate::support::{PATIENCE, in_time};

/// Connections that cannot leave their threads.
fn counter() -> WithoutTransactions<impl Fn() -> Result<Rc<thread::Thread>, String> + Send + Sync> {
    WithoutTransactions(|| Ok(Rc::new(thread::current())))
}

#[test]
fn a_connection_stays_on_one_thread_which_ends_when_it_has_nothing_to_do() {
    with_pool(counter(), async |reactor, pool| {
        let pool = pool.idle_timeout(Duration::from_millis(20));
        for _ in 0..3 {
            let same = pool.run_interaction(|made_on| Ok::<_, String>(made_on.id() == thread::current().id()));
            assert!(same.await.unwrap());
        }
        let deadline = rig::now() + PATIENCE;
        while pool.stats().connections > 0 {
            assert!(rig::now() < deadline);
            reactor.sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(pool.stats().succeeded, 3);
        pool.run_interaction(|_| Ok::<_, String>(())).await.unwrap();
        assert_eq!(pool.stats().discarded, 0);
    });
}

#[test]
fn as_many_run_at_a_time_as_there_may_be_connections() {
    with_pool(counter(), async |_reactor, pool| {
        let pool = pool.max_connections(3);
        let (begin, begun) = mpsc::channel();
        let gates: Vec<_> = (0..5)
            .map(|_| {
                let (gate, opened) = mpsc::channel::<()>();
                let begin = begin.clone();
                pool.run_interaction(move |_| {
                    begin.send(()).unwrap();
                    opened.recv().map_err(|_| "the gate is gone")
                });
                gate
            })
            .collect();
        (0..3).for_each(|_| begun.recv().unwrap());
        assert_eq!((pool.stats().connections, pool.stats().running, pool.stats().waiting), (3, 3, 2));
        gates.iter().for_each(|gate| gate.send(()).unwrap());
        (0..2).for_each(|_| begun.recv().unwrap());
        assert_eq!(pool.stats().connections, 3);
    });
}

#[test]
fn several_reactors_and_other_threads_share_a_pool() {
    static DONE: AtomicUsize = AtomicUsize::new(0);
    in_time(|| {
        let shared = OnceLock::new();
        run_on_threads(3, |reactor| {
            reactor.set_signal_handling(false);
            let pool = shared.get_or_init(|| ConnectionPool::new(reactor, counter())).clone();
            pool.finish_with(reactor);
            let (remote, asking) = (reactor.remote(), pool.clone());
            // Before the reactor runs, and from a thread that waits.
            let done = |_: &mut Rc<thread::Thread>| Ok::<_, String>(DONE.fetch_add(1, Ordering::Relaxed));
            pool.run_interaction(done);
            thread::spawn(move || {
                // Another thread may have stopped them all before.
                let _ = remote.block_on(move |_| asking.run_interaction(done));
                remote.stop();
            });
            Ok(())
        })
        .unwrap();
    });
    assert!(DONE.load(Ordering::Relaxed) >= 4, "each thread's first, and at least one that was waited for");
}
