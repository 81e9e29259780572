//! Child processes that are kept running.

use std::fs;
use std::future::Future;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt as _;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reactor::Reactor;
use reactor::connect::Backoff;
use reactor::service::{ProcessMonitor, Service};
use reactor::testing::Simulation;
use tempfile::tempdir;

use crate::support::{in_time, test_reactor};

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

fn sleeper() -> Command {
    shell("exec sleep 1000")
}

fn run<F: Future<Output = ()>>(scene: impl FnOnce(Reactor) -> F + Send + 'static) {
    in_time(move || {
        let reactor = test_reactor();
        reactor.run_until(scene(reactor.clone())).unwrap();
    });
}

async fn until(reactor: &Reactor, condition: impl Fn() -> bool) {
    while !condition() {
        reactor.sleep(Duration::from_millis(1)).await;
    }
}

fn is_there(pid: u32) -> bool {
    kill(Pid::from_raw(pid.try_into().unwrap()), None) != Err(Errno::ESRCH)
}

fn lines(file: &Path) -> usize {
    fs::read_to_string(file).unwrap_or_default().lines().count()
}

#[test]
fn a_process_that_has_run_for_a_while_is_started_again_at_once_and_ends_with_the_service() {
    run(async |reactor| {
        let monitor = ProcessMonitor::new(&reactor, "monitor").threshold(Duration::ZERO).with("sleeper", sleeper());
        assert_eq!(monitor.pid("sleeper"), None);
        monitor.start().await.unwrap();
        let mut pid = monitor.pid("sleeper").unwrap();
        for _ in 0..2 {
            kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL).unwrap();
            until(&reactor, || monitor.pid("sleeper").is_some_and(|now| now != pid)).await;
            pid = monitor.pid("sleeper").unwrap();
        }
        assert!(monitor.restart_process("sleeper").await);
        until(&reactor, || monitor.pid("sleeper").is_some_and(|now| now != pid)).await;
        pid = monitor.pid("sleeper").unwrap();
        monitor.stop().await;
        assert!(monitor.pid("sleeper").is_none() && !is_there(pid));
        assert!(!monitor.restart_process("sleeper").await);
    });
}

#[test]
fn a_process_that_ends_too_soon_is_started_later_and_later_and_then_no_more() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("starts");
    run(async move |reactor| {
        let backoff = Backoff::new().initial_delay(Duration::from_millis(1)).max_retries(Some(3));
        let failing = shell(&format!("echo started >> {}; exit 3", file.display()));
        let monitor = ProcessMonitor::new(&reactor, "monitor").threshold(Duration::from_secs(3600)).backoff(backoff);
        let monitor = monitor.with("failing", failing);
        for starts in [4, 8] {
            monitor.start().await.unwrap();
            let error = monitor.failed().await;
            assert_eq!(error.to_string(), "process 'failing' has ended too often: exit status: 3");
            assert_eq!(lines(&file), starts);
            monitor.stop().await;
        }
    });
    drop(directory);
}

#[test]
fn a_process_that_ignores_the_request_to_end_is_killed_and_one_that_waits_to_start_is_not_started() {
    let directory = tempdir().unwrap();
    let (deaf, ended) = (directory.path().join("deaf"), directory.path().join("ended"));
    run(async move |reactor| {
        let ignoring = shell(&format!("trap '' TERM; echo > {}; while :; do sleep 1; done", deaf.display()));
        let monitor = ProcessMonitor::new(&reactor, "monitor").kill_time(Duration::from_millis(1));
        let monitor = monitor.with("deaf", ignoring).with("ended", shell(&format!("echo >> {}", ended.display())));
        monitor.start().await.unwrap();
        until(&reactor, || deaf.exists() && ended.exists() && monitor.pid("ended").is_none()).await;
        let pid = monitor.pid("deaf").unwrap();
        // The other waits for a second before it is started again.
        monitor.stop().await;
        assert!(!is_there(pid) && lines(&ended) == 1);
    });
    drop(directory);
}

#[test]
fn processes_come_and_go_while_the_service_runs() {
    run(async |reactor| {
        let monitor = Rc::new(ProcessMonitor::new(&reactor, "monitor"));
        monitor.start().await.unwrap();
        monitor.add_process("one", sleeper()).unwrap();
        monitor.add_process("two", sleeper()).unwrap();
        let pid = monitor.pid("one").unwrap();
        assert!(monitor.remove_process("one").await && !monitor.remove_process("one").await);
        assert!(!is_there(pid) && monitor.pid("one").is_none());
        let error = monitor.add_process("one", Command::new("/no/such/program")).unwrap_err();
        assert_eq!(error.to_string(), "cannot run /no/such/program: no such program");
        monitor.add_process("one", sleeper()).unwrap();
        monitor.stop().await;
        assert!(monitor.pid("one").is_none() && monitor.pid("two").is_none());
    });
}

#[test]
fn a_service_with_a_program_that_there_is_not_does_not_start_and_in_a_simulation_none_does() {
    run(async |reactor| {
        let monitor = ProcessMonitor::new(&reactor, "monitor").with("a", sleeper());
        let monitor = monitor.with("b", Command::new("/no/such/program"));
        let error = monitor.start().await.unwrap_err();
        assert_eq!(error.to_string(), "cannot run /no/such/program: no such program");
        let pid = monitor.pid("a").unwrap();
        // As its parent does.
        monitor.stop().await;
        assert!(!is_there(pid));
    });
    let reactor = Simulation::new(0).host("here");
    let monitor = ProcessMonitor::new(&reactor, "monitor");
    assert!(monitor.add_process("a", sleeper()).is_ok());
    let error = monitor.start().now_or_never().unwrap().unwrap_err().to_string();
    assert!(error.contains("child processes"), "{error}");
}

#[test]
#[should_panic(expected = "there is a process 'one' already: remove it first")]
fn no_two_processes_have_one_name() {
    let reactor = Simulation::new(0).host("here");
    let _ = ProcessMonitor::new(&reactor, "monitor").with("one", sleeper()).with("one", sleeper());
}
