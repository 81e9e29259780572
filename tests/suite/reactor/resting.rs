//! A reactor that runs for a while, and rests in between.

use std::future::pending;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use reactor::Transport;

use crate::support::{Callback, Log, Recorder, in_time, test_reactor};

#[test]
fn s166_connections_and_timed_calls_outlive_a_rest() {
    in_time(|| {
        let (reactor, log) = (test_reactor(), Log::default());
        let (built, told) = (log.clone(), log.clone());
        let echo = move |transport: Transport| {
            Recorder::new(transport, built.clone()).on(Callback::Data, |this| this.transport.write("answer"))
        };
        let port = reactor.listen_tcp("127.0.0.1:0", echo).unwrap();
        reactor.call_when_running(move || told.add("started"));
        let mut client = TcpStream::connect(port.host().socket_addr().unwrap()).unwrap();
        let late = log.clone();
        reactor.call_later(Duration::from_millis(2), move || late.add("late"));

        assert_eq!(reactor.block_on(async { 7 }).unwrap(), 7);
        client.write_all(b"question").unwrap();
        // What came while it rested is read now.
        while !log.lines().iter().any(|line| line == "data question") || !log.lines().contains(&"late".to_owned()) {
            reactor.block_on(reactor.sleep(Duration::from_millis(1))).unwrap();
        }
        let mut answer = [0; 6];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"answer");
        assert_eq!(log.lines().iter().filter(|line| *line == "started").count(), 1);

        reactor.stop();
        reactor.run().unwrap();
        assert!(log.lines().contains(&"lost Done".to_owned()), "{:?}", log.lines());
        assert!(reactor.block_on(async {}).is_err());
    });
}

#[test]
fn a_stop_ends_the_wait_and_is_carried_out_by_run() {
    in_time(|| {
        let (reactor, log) = (test_reactor(), Log::default());
        let (stopping, hook) = (reactor.clone(), log.clone());
        reactor.after_shutdown(move || hook.add("shut down"));
        reactor.call_later(Duration::ZERO, move || stopping.stop());
        let stopped = reactor.block_on(pending::<()>());
        assert_eq!(stopped.unwrap_err().kind(), io::ErrorKind::Interrupted);
        assert!(log.lines().is_empty());
        reactor.run().unwrap();
        assert_eq!(log.lines(), ["shut down"]);
    });
}

#[test]
fn a_panic_of_the_future_leaves_the_reactor_as_it_was() {
    in_time(|| {
        let reactor = test_reactor();
        let blocked = catch_unwind(AssertUnwindSafe(|| reactor.block_on(async { panic!("broken") })));
        assert!(blocked.is_err());
        reactor.block_on(reactor.sleep(Duration::from_millis(1))).unwrap();
    });
}

#[test]
fn it_cannot_wait_inside_itself() {
    in_time(|| {
        let (reactor, log) = (test_reactor(), Log::default());
        let (inside, told) = (reactor.clone(), log.clone());
        reactor.call_later(Duration::ZERO, move || {
            told.add(inside.block_on(async {}).unwrap_err().to_string());
            inside.stop();
        });
        reactor.run().unwrap();
        assert_eq!(
            log.lines(),
            ["a reactor cannot run inside a Tokio runtime; give it a thread of its own (std::thread::spawn)"]
        );
    });
}
