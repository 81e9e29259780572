//! Other threads: calls from them, work on them, and several reactors as one.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;
use std::{io, thread};

use bytes::Bytes;
use futures_util::future::{Ready, join_all, pending, ready};
use reactor::testing::{Simulation, expect_panic};
use reactor::threads::{BlockingCallError, JobError, RemoteError, RemoteReactor};
use reactor::{Reactor, Transport, run_on_threads};
use tracing_subscriber::filter::LevelFilter;

use crate::support::{
    Callback, Ending, Guard, Log, PATIENCE, Recorder, connect, count_logged, every_reactor, every_world, in_time,
    on_sockets, panic_of, read_to_the_end, test_reactor,
};

fn build(transport: Transport) -> Recorder {
    Recorder::new(transport, Log::default())
}

#[test]
fn s169_calls_from_threads_keep_their_order_and_come_before_timed_calls() {
    expect_panic("oh", || {
        every_reactor(|reactor| {
            let log = Log::default();
            let (remote, seen, inside) = (reactor.remote(), log.clone(), reactor.clone());
            reactor.call_when_running(move || {
                let timed = seen.clone();
                inside.call_later(Duration::ZERO, move || timed.add("timed"));
                for number in 0..3 {
                    let log = seen.clone();
                    remote.call_from_thread(move |_| log.add(format!("call {number}"))).unwrap();
                }
                remote.call_from_thread(|_| panic!("oh call")).unwrap();
                seen.add("asked");
                remote.stop();
            });
            reactor.run().unwrap();
            assert_eq!(log.lines(), ["asked", "call 0", "call 1", "call 2", "timed"]);
        });
    });
}

#[test]
fn s168_many_threads_call_and_every_call_is_made_once() {
    in_time(|| {
        let reactor = test_reactor();
        let log = Log::default();
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (remote, log) = (reactor.remote(), log.clone());
                thread::spawn(move || {
                    for _ in 0..500 {
                        let log = log.clone();
                        remote.call_from_thread(move |_| log.add("call")).unwrap();
                    }
                    remote.call_from_thread(|_| ()).unwrap();
                })
            })
            .collect();
        let joined = reactor.defer_to_thread(move || threads.into_iter().for_each(|thread| thread.join().unwrap()));
        let inside = reactor.remote();
        reactor
            .run_until(async move {
                joined.await.unwrap();
                // Behind all of them.
                let (tell, told) = tokio::sync::oneshot::channel();
                inside.call_from_thread(move |_| tell.send(()).unwrap()).unwrap();
                told.await.unwrap();
            })
            .unwrap();
        assert_eq!(log.count("call"), 2000);
    });
}

#[test]
fn a_reactor_that_does_not_keep_up_refuses_calls_and_writes_of_other_threads_and_goes_on() {
    every_reactor(|reactor| {
        let (remote, log) = (reactor.remote(), Log::default());
        let mut calls = 0;
        let refused = loop {
            let log = log.clone();
            match remote.call_from_thread(move |_| log.add("call")) {
                Ok(()) => calls += 1,
                Err(error) => break error,
            }
        };
        assert_eq!((calls, refused), (65_536, RemoteError::Full));
        let (again, seen) = (remote.clone(), log.clone());
        reactor.call_later(Duration::ZERO, move || {
            again.call_from_thread(move |_| seen.add("there is room again")).unwrap();
            again.stop();
        });
        reactor.run().unwrap();
        assert_eq!((log.count("call"), log.count("there is room again")), (65_536, 1));
    });
}

#[test]
fn what_other_threads_write_is_bounded_until_the_reactor_comes_to_it() {
    on_sockets(
        |recorder| {
            recorder.on(Callback::Made, |this| {
                let (remote, mebibyte) = (this.transport.remote(), Bytes::from(vec![b'x'; 1 << 20]));
                let taken = (0..100).take_while(|_| remote.write(mebibyte.clone()).is_ok()).count();
                this.log.add(format!("taken {taken}"));
                // What ends a connection finds room always; here the first of these has passed the output limit by then.
                remote.abort_connection();
            })
        },
        |peer| peer.expect(&["made", "taken 64", "lost Overflow", "dropped"]),
    );
}

#[test]
fn after_the_end_calls_are_refused_and_dropped() {
    every_reactor(|reactor| {
        let (remote, late) = (reactor.remote(), reactor.remote());
        let log = Log::default();
        let guard = Guard::new(&log, "never made gone");
        reactor.after_shutdown(move || remote.call_from_thread(move |_| guard.disarm()).unwrap());
        reactor.stop();
        reactor.run().unwrap();
        assert_eq!(log.lines(), ["never made gone"]);
        let guard = Guard::new(&log, "too late gone");
        assert_eq!(late.call_from_thread(move |_| guard.disarm()), Err(RemoteError::Stopped));
        late.stop();
        assert_eq!(log.lines(), ["never made gone", "too late gone"]);
    });
}

#[test]
fn a_remote_handle_writes_calls_and_closes_from_another_thread() {
    on_sockets(
        |recorder| recorder,
        |peer| {
            let (tell, told) = mpsc::channel();
            peer.act(move |transport| tell.send(transport.remote()).unwrap());
            let remote = told.recv_timeout(PATIENCE).unwrap();
            remote.write("written ".into()).unwrap();
            remote
                .call(|this: &mut Recorder| {
                    this.log.add("called");
                    this.transport.write("called ");
                })
                .unwrap();
            remote.write("again".into()).unwrap();
            remote.lose_connection();
            remote.write("too late".into()).unwrap();
            assert_eq!(peer.read_to_the_end(), (b"written called again".to_vec(), Ending::Clean));
            peer.expect(&["made", "called", "lost Done", "dropped"]);
            remote.write("nobody".into()).unwrap();
            remote.call(|_: &mut Recorder| panic!("nobody is there")).unwrap();
            remote.abort_connection();
        },
    );
}

#[test]
fn a_remote_abort_resets() {
    on_sockets(
        |recorder| recorder,
        |peer| {
            peer.act(|transport| transport.remote().abort_connection());
            peer.expect(&["made", "lost Aborted", "dropped"]);
            assert_eq!(peer.read_to_the_end().1, Ending::Reset);
        },
    );
}

#[test]
fn a_remote_call_of_the_wrong_type_ends_the_connection() {
    expect_panic("Wrong`", || {
        struct Wrong;
        every_world(
            |recorder| recorder,
            |peer| {
                peer.act(|transport| transport.remote().call(|_: &mut Wrong| ()).unwrap());
                peer.wait_for("dropped");
                let lost = peer.log.lines().into_iter().find(|line| line.starts_with("lost")).unwrap();
                assert!(lost.contains("::Wrong`") && lost.contains("tests/suite/reactor/threads.rs:"), "{lost}");
            },
        );
    });
}

#[test]
fn s172_work_on_threads_gives_its_result_its_panic_or_is_refused() {
    in_time(|| {
        let reactor = test_reactor();
        assert_eq!(reactor.run_until(reactor.defer_to_thread(|| 6 * 7)).unwrap().unwrap(), 42);
        let reactor = test_reactor();
        let outcome = reactor.run_until(reactor.defer_to_thread(|| -> () { panic!("oh job") })).unwrap();
        assert!(matches!(outcome, Err(JobError::Panicked(message)) if message == "oh job"));
    });
}

#[test]
fn s170_work_is_refused_when_eight_run_and_1024_wait() {
    in_time(|| {
        let reactor = test_reactor();
        let gate = Arc::new(Barrier::new(9));
        for _ in 0..8 {
            let gate = Arc::clone(&gate);
            drop(reactor.defer_to_thread(move || gate.wait()));
        }
        let done = Arc::new(AtomicUsize::new(0));
        let waiting: Vec<_> = (0..1024)
            .map(|_| {
                let done = Arc::clone(&done);
                reactor.defer_to_thread(move || done.fetch_add(1, Ordering::Relaxed))
            })
            .collect();
        let refused = reactor.defer_to_thread(|| ());
        reactor
            .run_until(async move {
                assert!(matches!(refused.await, Err(JobError::Full)));
                gate.wait();
                assert!(join_all(waiting).await.into_iter().all(|result| result.is_ok()));
            })
            .unwrap();
        assert_eq!(done.load(Ordering::Relaxed), 1024);
    });
}

#[test]
fn s170_the_number_of_threads_can_be_set_at_any_time() {
    in_time(|| {
        let reactor = test_reactor();
        reactor.set_thread_pool_size(1);
        let gate = Arc::new(Barrier::new(3));
        let meet = |_| {
            let gate = Arc::clone(&gate);
            reactor.defer_to_thread(move || gate.wait().is_leader())
        };
        // One that runs waits for two that do not.
        let meeting: Vec<_> = (0..3).map(meet).collect();
        reactor.set_thread_pool_size(3);
        let leaders = reactor.run_until(join_all(meeting)).unwrap();
        assert_eq!(leaders.into_iter().filter(|leader| *leader.as_ref().unwrap()).count(), 1);
    });
    let panic = panic_of(|| test_reactor().set_thread_pool_size(0));
    assert!(panic.message.contains("without threads") && panic.file.ends_with("threads.rs"), "{panic:?}");
}

#[test]
fn s171_work_given_to_threads_before_the_reactor_runs_is_done() {
    every_reactor(|reactor| {
        let (remote, log) = (reactor.remote(), Log::default());
        let seen = log.clone();
        reactor
            .call_in_thread(move || {
                seen.add("done");
                remote.stop();
            })
            .unwrap();
        reactor.run().unwrap();
        assert_eq!(log.lines(), ["done"]);
    });
}

#[test]
fn s172_a_panic_of_work_that_nobody_waits_for_is_logged_and_its_thread_lives_on() {
    let (logging, lines) = count_logged(LevelFilter::ERROR);
    let here = Simulation::new(1).host("here");
    expect_panic("oh job", || here.call_in_thread(|| panic!("oh job")).unwrap());
    assert_eq!(lines.load(Ordering::Relaxed), 1);
    drop(logging);
    in_time(|| {
        let reactor = test_reactor();
        reactor.set_thread_pool_size(1);
        reactor.call_in_thread(|| panic!("oh job")).unwrap();
        assert_eq!(reactor.run_until(reactor.defer_to_thread(|| 7)).unwrap().unwrap(), 7);
    });
}

#[test]
fn s172_work_that_nobody_waits_for_is_refused_when_the_queue_is_full() {
    in_time(|| {
        let reactor = test_reactor();
        reactor.set_thread_pool_size(1);
        let (open, gate) = mpsc::channel();
        reactor.call_in_thread(move || gate.recv_timeout(PATIENCE).unwrap()).unwrap();
        for _ in 0..1024 {
            reactor.call_in_thread(|| ()).unwrap();
        }
        let log = Log::default();
        let guard = Guard::new(&log, "dropped");
        let refused = reactor.call_in_thread(move || guard.disarm()).unwrap_err();
        assert_eq!(refused.to_string(), "too many jobs are waiting for a thread");
        assert_eq!(log.lines(), ["dropped"]);
        open.send(()).unwrap();
    });
}

/// What these calls give on a thread of their own while the reactor runs, which they stop at last.
fn on_another_thread<T: Send + 'static>(calls: impl FnOnce(&RemoteReactor) -> T + Send + 'static) -> T {
    in_time(|| {
        let reactor = test_reactor();
        let remote = reactor.remote();
        let calling = thread::spawn(move || {
            let result = calls(&remote);
            remote.stop();
            result
        });
        reactor.run().unwrap();
        calling.join().unwrap()
    })
}

#[test]
fn s173_a_blocking_call_waits_for_its_result_or_for_that_of_its_future() {
    let results = on_another_thread(|remote| {
        let thread = remote.blocking_call(|_| thread::current().id());
        let waited = remote.block_on(|reactor| {
            let (begun, inside) = (reactor.now(), reactor.clone());
            let pause = reactor.sleep(Duration::from_millis(5));
            async move {
                pause.await;
                (thread::current().id(), inside.now() - begun)
            }
        });
        (thread, waited, thread::current().id())
    });
    let (Ok(thread), Ok((other, time)), here) = results else { panic!("{results:?}") };
    assert!(thread == other && thread != here && time >= Duration::from_millis(5), "{results:?}");
}

#[test]
fn s173_a_panic_of_a_blocking_call_is_its_error_and_the_reactor_goes_on() {
    let errors = on_another_thread(|remote| {
        let [call, future, later] = [
            remote.blocking_call(|_| -> u8 { panic!("oh call") }),
            remote.block_on(|_| -> Ready<u8> { panic!("oh call") }),
            remote.block_on(|_| async { panic!("oh call") }),
        ];
        assert_eq!(remote.blocking_call(|_| 7), Ok(7));
        [call, future, later]
    });
    for error in errors {
        assert_eq!(error.unwrap_err().to_string(), "the call panicked: oh call");
    }
}

#[test]
fn s173_a_blocking_call_on_the_reactors_own_thread_is_an_error_and_not_the_end() {
    every_reactor(|reactor| {
        let remote = reactor.remote();
        let call = move || {
            let log = Log::default();
            let guard = Guard::new(&log, "dropped");
            let error = remote.blocking_call(move |_| guard.disarm()).unwrap_err();
            assert!(error.to_string().contains("would wait forever"), "{error}");
            assert_eq!(remote.block_on(|_| ready(())), Err(BlockingCallError::OnReactorThread));
            assert_eq!(log.lines(), ["dropped"]);
            remote.stop();
        };
        call.clone()();
        reactor.call_when_running(call);
        reactor.run().unwrap();
    });
}

#[test]
fn s173_the_end_of_the_reactor_ends_blocking_calls() {
    in_time(|| {
        let reactor = test_reactor();
        let (remote, late) = (reactor.remote(), reactor.remote());
        let (tell, told) = mpsc::channel();
        let waiting = thread::spawn(move || {
            remote.block_on(move |_| async move {
                tell.send(()).unwrap();
                pending::<()>().await;
            })
        });
        let inside = reactor.remote();
        let stopping = thread::spawn(move || {
            told.recv_timeout(PATIENCE).unwrap();
            inside.stop();
        });
        reactor.run().unwrap();
        assert_eq!(waiting.join().unwrap(), Err(BlockingCallError::Stopped));
        stopping.join().unwrap();
        let ended = thread::spawn(move || late.blocking_call(|_| ())).join().unwrap();
        assert_eq!(ended, Err(BlockingCallError::Stopped));
        // One that never ran.
        let never = test_reactor();
        let remote = never.remote();
        let waiting = thread::spawn(move || remote.blocking_call(|_| ()));
        drop(never);
        assert_eq!(waiting.join().unwrap(), Err(BlockingCallError::Stopped));
    });
}

#[test]
fn s173_a_job_may_make_a_blocking_call() {
    in_time(|| {
        let reactor = test_reactor();
        let remote = reactor.remote();
        let job = reactor.defer_to_thread(move || remote.blocking_call(Reactor::connection_count));
        assert_eq!(reactor.run_until(job).unwrap().unwrap(), Ok(0));
    });
}

#[test]
fn s095_several_reactors_share_a_port_and_stop_as_one() {
    let log = Log::default();
    let (tell, told) = mpsc::channel();
    let (seen, setups) = (log.clone(), AtomicUsize::new(0));
    let running = thread::spawn(move || {
        in_time(move || {
            run_on_threads(3, move |reactor| {
                reactor.set_signal_handling(false);
                let port = reactor.listen_tcp("127.0.0.1:0", |transport: Transport| {
                    build(transport).on(Callback::Data, |this| match &this.data[..] {
                        b"stop" => this.transport.reactor().stop(),
                        _ => writeln!(this.transport, "{:?}", thread::current().id()),
                    })
                })?;
                setups.fetch_add(1, Ordering::Relaxed);
                let (tell, address) = (tell.clone(), port.host());
                reactor.call_when_running(move || tell.send(address).unwrap());
                let log = seen.clone();
                reactor.after_shutdown(move || log.add("stopped"));
                Ok(())
            })
            .unwrap();
        });
    });
    let hosts: Vec<_> = (0..3).map(|_| told.recv_timeout(PATIENCE).unwrap()).collect();
    assert!(hosts.iter().all(|host| *host == hosts[0]), "{hosts:?}");
    let address = hosts[0].socket_addr().unwrap();
    let mut threads = HashSet::new();
    let mut sockets = Vec::new();
    // Which thread gets a connection is the system's choice.
    for _ in 0..200 {
        let mut socket = connect(address);
        socket.write_all(b"who?").unwrap();
        let mut line = String::new();
        BufReader::new(&socket).read_line(&mut line).unwrap();
        threads.insert(line);
        sockets.push(socket);
    }
    assert_eq!(threads.len(), 3, "{threads:?}");
    sockets[0].write_all(b"stop").unwrap();
    for socket in &mut sockets {
        assert_eq!(read_to_the_end(socket), (vec![], Ending::Clean));
    }
    running.join().unwrap();
    assert_eq!(log.count("stopped"), 3);
}

#[test]
fn an_error_of_one_setup_stops_all_and_is_returned() {
    for failing in 0..3 {
        let count = Arc::new(AtomicUsize::new(0));
        let error = in_time(move || {
            run_on_threads(3, |reactor| {
                reactor.set_signal_handling(false);
                reactor.listen_tcp("127.0.0.1:0", build)?;
                match count.fetch_add(1, Ordering::Relaxed) {
                    n if n == failing => Err(io::Error::other("cannot set up")),
                    _ => Ok(()),
                }
            })
            .unwrap_err()
        });
        assert_eq!(error.to_string(), "cannot set up");
    }
}

#[test]
fn a_panic_of_one_setup_stops_all_and_comes_out() {
    for failing in 0..3 {
        let count = AtomicUsize::new(0);
        let panic = in_time(move || {
            catch_unwind(AssertUnwindSafe(|| {
                run_on_threads(3, |reactor| {
                    reactor.set_signal_handling(false);
                    assert_ne!(count.fetch_add(1, Ordering::Relaxed), failing, "oh setup");
                    Ok(())
                })
            }))
            .unwrap_err()
        });
        let message = panic.downcast_ref::<String>().cloned();
        let message = message.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap();
        assert!(message.contains("oh setup"), "setup {failing}: {message}");
    }
}

#[test]
fn a_port_that_somebody_has_is_refused_though_threads_share_theirs() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = in_time(move || {
        run_on_threads(2, |reactor| {
            reactor.set_signal_handling(false);
            reactor.listen_tcp(address, build).map(drop)
        })
        .unwrap_err()
    });
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert_eq!(error.to_string(), format!("cannot listen on {address}: address in use"));
}
