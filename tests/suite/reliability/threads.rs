//! R28: more jobs than threads and queue can take.

use std::cell::Cell;
use std::io::{Read as _, Write as _};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use reactor::Reactor;
use reactor::threads::JobError;
use rig::peer;

/// Eight jobs run, and 1,024 wait.
const TAKEN: usize = 8 + 1024;

#[test]
fn jobs_beyond_the_queue_are_refused_at_once_and_all_others_run_exactly_once() {
    let reactor = Reactor::new().unwrap();
    reactor.set_signal_handling(false);
    let (gate, ran) = (Arc::new(Gate::default()), Arc::new(AtomicUsize::new(0)));
    let (refused, done) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    for number in 0..10_000 {
        let (gate, ran) = (Arc::clone(&gate), Arc::clone(&ran));
        let job = reactor.defer_to_thread(move || {
            gate.pass();
            ran.fetch_add(1, Ordering::Relaxed);
            number
        });
        let (refused, done, stopping) = (Rc::clone(&refused), Rc::clone(&done), reactor.clone());
        reactor.spawn(async move {
            match job.await {
                Ok(answer) => {
                    assert_eq!(answer, number);
                    done.set(done.get() + 1);
                }
                Err(error) => {
                    assert!(matches!(error, JobError::Full));
                    assert!(number >= TAKEN, "the first ones are taken");
                    refused.set(refused.get() + 1);
                }
            }
            if done.get() == TAKEN {
                stopping.stop();
            }
        });
    }
    let opening = Arc::clone(&gate);
    let refusals = Rc::clone(&refused);
    reactor.spawn(async move {
        // The reactor has polled every job once, and none has ended.
        assert_eq!(refusals.get(), 10_000 - TAKEN);
        opening.open();
    });
    let stopping = reactor.clone();
    reactor.call_later(peer::DEADLINE, move || stopping.stop());
    reactor.run().unwrap();
    assert_eq!((refused.get(), done.get()), (10_000 - TAKEN, TAKEN));
    assert_eq!(ran.load(Ordering::Relaxed), TAKEN);
}

#[test]
fn a_reactor_whose_threads_are_all_busy_serves_on_and_stops() {
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let server = peer::serve(move |reactor| {
        for _ in 0..100 {
            let gate = Arc::clone(&held);
            drop(reactor.defer_to_thread(move || gate.pass()));
        }
        reactor.listen_tcp("127.0.0.1:0", |transport| rig::echo::Echo { transport })
    });
    let stream = server.connect();
    for _ in 0..100 {
        peer::round_trip(&stream, b"hello");
    }
    drop(stream);
    server.stop();
    gate.open();
}

/// A gate at which jobs wait until it is opened.
#[test]
fn pools_start_few_threads_where_the_address_space_is_limited() {
    let server = super::server("jobs", &["address-space=300"]);
    let peers: Vec<_> = (0..8)
        .map(|_| {
            let mut peer = peer::connect(server.address());
            peer.write_all(b"stuck").unwrap();
            peer
        })
        .collect();
    let mut answer = [0; 7];
    (&peers[0]).read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"running");
    peers[1..].iter().for_each(|peer| peer::round_trip(peer, b"hello"));
    let threads = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap().count();
    assert_eq!(threads, 2, "the reactor's and one for jobs");
}

#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    fn pass(&self) {
        drop(self.changed.wait_while(self.open.lock().unwrap(), |open| !*open).unwrap());
    }

    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.changed.notify_all();
    }
}
