//! The runner: programs in the simulation, and children of the test, which are this program in another role.

use std::cell::Cell;
use std::future::pending;
use std::io::{BufRead as _, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode};
use std::rc::Rc;
use std::time::Duration;

use nix::sys::signal::Signal;
use reactor::inspect::Watchdog;
use reactor::service::{EndpointService, MultiService, Readiness, Runner, Service, ServiceError};
use reactor::testing::Simulation;
use reactor::{Protocol, Reactor, Transport};
use rig::peer;
use tracing_subscriber::filter::LevelFilter;

use crate::apps::net;
use crate::apps::program::{Program, hearing_signals};
use crate::support::{HUGE, Log, Recorder, ServiceManager};

/// Reports its calls on standard error, and behaves as the kind of child says.
struct Noisy(&'static str);

#[async_trait::async_trait(?Send)]
impl Service for Noisy {
    fn name(&self) -> &str {
        "noisy"
    }

    async fn start(&self) -> Result<(), ServiceError> {
        eprintln!("start");
        match self.0 {
            "unstartable" => Err("the roof leaks".into()),
            "panicking" => panic!("the roof is gone"),
            "starting" => pending().await,
            _ => Ok(()),
        }
    }

    async fn stop(&self) {
        eprintln!("stop");
    }

    async fn failed(&self) -> ServiceError {
        match self.0 {
            "failing" => "the roof is on fire".into(),
            _ => pending().await,
        }
    }

    async fn reload(&self) -> Result<(), ServiceError> {
        eprintln!("reload");
        if self.0 == "unreadable" { Err("the map has a hole".into()) } else { Ok(()) }
    }
}

/// Ends the program when it stops, as what has the last ports may.
struct Last(Reactor);

#[async_trait::async_trait(?Send)]
impl Service for Last {
    fn name(&self) -> &str {
        "last"
    }

    async fn start(&self) -> Result<(), ServiceError> {
        Ok(())
    }

    async fn stop(&self) {
        self.0.stop();
        // The program notices before the others have stopped.
        tokio::task::yield_now().await;
    }
}

/// Tells whether the program is ready; told to be `stuck`, keeps the reactor until a line comes on standard input;
/// told to `pour`, writes more than the system takes.
struct Health {
    transport: Transport,
    readiness: Readiness,
}

impl Protocol for Health {
    fn data_received(&mut self, data: &[u8]) {
        match data {
            b"stuck" => {
                eprintln!("stuck");
                let _ = std::io::stdin().lock().read_line(&mut String::new());
            }
            b"pour" => self.transport.write(vec![b'x'; HUGE]),
            _ => write!(self.transport, "{:5}", self.readiness.is_ready()),
        }
    }
}

/// Not a test by itself.
#[test]
fn is_a_child_if_told_so() {
    let Ok(kind) = std::env::var("RUNNER_CHILD") else { return };
    let kind: &'static str = kind.leak();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).with_max_level(LevelFilter::INFO).init();
    let lame_duck = if kind == "lame" { Duration::from_secs(3600) } else { Duration::ZERO };
    let runner = Runner::new("child").lame_duck(lame_duck);
    let watchdog = Watchdog::new();
    let runner =
        runner.watchdog(if kind == "watched" { watchdog.abort_after(Duration::from_millis(200)) } else { watchdog });
    let readiness = runner.readiness();
    let code = runner.run(|reactor| {
        let listening = reactor.clone();
        let port = EndpointService::from_fn("health", async move || {
            let readiness = readiness.clone();
            let factory = move |transport| Health { transport, readiness: readiness.clone() };
            let port = listening.listen_tcp("127.0.0.1:0", factory)?;
            eprintln!("serving {}", port.host());
            Ok(port)
        });
        let port = port.deadline(if kind == "hasty" { Duration::from_millis(50) } else { Duration::from_secs(3600) });
        let all = MultiService::new(reactor, "all").with(port);
        Ok(match kind {
            "ending" => all.with(Noisy("failing")).with(Last(reactor.clone())),
            _ => all.with(Noisy(kind)),
        })
    });
    std::process::exit(i32::from(code != ExitCode::SUCCESS));
}

fn command(kind: &str) -> Command {
    let mut command = hearing_signals(std::env::current_exe().unwrap());
    command.args(["--exact", "service::runner::is_a_child_if_told_so", "--nocapture"]).env("RUNNER_CHILD", kind);
    command
}

/// Starts a child, and returns the address that it serves.
fn start(command: &mut Command) -> (Program, SocketAddr) {
    let mut program = Program::start(command);
    let line = program.stderr_line_with("serving ");
    (program, line.strip_prefix("serving ").unwrap().parse().unwrap())
}

fn is_ready(address: SocketAddr) -> bool {
    let mut client = net::connect(address);
    client.write_all(b"?").unwrap();
    String::from_utf8(net::read(&mut client, 5)).unwrap().trim() == "true"
}

#[test]
fn s165_the_status_after_a_stop_is_0_whichever_signal_it_was() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let (mut program, address) = start(&mut command("plain"));
        program.stderr_line_with("ready");
        assert!(is_ready(address));
        program.signal(signal);
        let ended = program.finish().with_code(0);
        assert!(ended.stderr.contains(signal.as_str()), "{}", ended.stderr);
        let stop = ended.stderr.find("stop\n").unwrap();
        assert!(ended.stderr.find("stopping its service").unwrap() < stop, "{}", ended.stderr);
        assert!(ended.stderr.find("stopped").unwrap() > stop, "{}", ended.stderr);
    }
}

#[test]
fn a_program_that_does_not_start_or_fails_says_why_in_a_sentence_and_its_status_is_1() {
    for (kind, sentence) in [
        ("unstartable", "child: the roof leaks\n"),
        ("panicking", "child: noisy panicked in start: the roof is gone\n"),
        ("failing", "child: the roof is on fire\n"),
        ("ending", "child: the roof is on fire\n"),
    ] {
        let ended = Program::start(&mut command(kind)).finish().with_code(1);
        assert!(ended.stderr.ends_with(sentence), "{}", ended.stderr);
        assert_eq!(ended.stderr.matches("stop\n").count(), 1, "{}", ended.stderr);
        assert_eq!(ended.stderr.contains("ready"), ["failing", "ending"].contains(&kind), "{}", ended.stderr);
    }
}

#[test]
fn a_signal_during_the_start_stops_what_has_started() {
    let (mut program, _address) = start(&mut command("starting"));
    program.stderr_line_with("start");
    program.signal(Signal::SIGTERM);
    let ended = program.finish().with_code(0);
    assert!(ended.stderr.contains("stop\n"), "{}", ended.stderr);
}

#[test]
fn a_lame_duck_goes_on_and_says_that_it_is_not_ready_until_a_second_signal() {
    let manager = ServiceManager::new();
    let mut command = command("lame");
    let (mut program, address) = start(manager.manage(&mut command, Duration::from_secs(3600)));
    program.stderr_line_with("ready");
    assert_eq!(manager.next(), "READY=1\n");
    assert!(is_ready(address));
    program.signal(Signal::SIGTERM);
    assert_eq!(manager.next(), "STOPPING=1\n");
    assert!(!is_ready(address), "it serves, but not for long");
    program.signal(Signal::SIGTERM);
    let ended = program.finish().with_code(0);
    assert!(ended.stderr.contains("stopping at once"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("stop\n"), "{}", ended.stderr);
}

#[test]
fn a_hangup_reloads_the_services_and_ends_nothing() {
    let (mut program, address) = start(&mut command("plain"));
    program.stderr_line_with("ready");
    for _ in 0..2 {
        program.signal(Signal::SIGHUP);
        program.stderr_line_with("reload");
        program.stderr_line_with("reloaded");
        assert!(is_ready(address));
    }
    program.signal(Signal::SIGTERM);
    program.finish().with_code(0);
}

#[test]
fn a_reload_that_fails_is_told_as_such_and_the_program_goes_on() {
    let (mut program, address) = start(&mut command("unreadable"));
    program.stderr_line_with("ready");
    program.signal(Signal::SIGHUP);
    let line = program.stderr_line_with("cannot reload");
    assert!(line.contains("the map has a hole"), "{line}");
    assert!(is_ready(address));
    program.signal(Signal::SIGTERM);
    let ended = program.finish().with_code(0);
    assert!(!ended.stderr.contains("reloaded"), "{}", ended.stderr);
}

#[test]
fn a_reactor_that_is_stuck_does_not_say_that_it_is_alive() {
    let manager = ServiceManager::new();
    let interval = Duration::from_millis(20);
    let mut command = command("plain");
    let (mut program, address) = start(manager.manage(&mut command, interval));
    manager.wait_for_life();
    let mut client = net::connect(address);
    client.write_all(b"stuck").unwrap();
    program.stderr_line_with("stuck");
    manager.wait_for_silence(10 * interval);
    program.type_in("go on\n");
    manager.wait_for_life();
    program.signal(Signal::SIGTERM);
    program.finish().with_code(0);
}

#[test]
fn a_callback_that_hangs_is_named_while_it_hangs_and_when_it_has_returned() {
    let (mut program, address) = start(&mut command("plain"));
    let mut client = net::connect(address);
    client.write_all(b"stuck").unwrap();
    let expected = r#"a callback hangs: all others wait callback="data_received" name="suite::service::runner::Health" connection=1"#;
    program.stderr_line_with(expected);
    program.type_in("go on\n");
    let expected = r#"slow callback: all others waited callback="data_received" name="suite::service::runner::Health" connection=1"#;
    program.stderr_line_with(expected);
    assert!(is_ready(address));
    program.signal(Signal::SIGTERM);
    let ended = program.finish().with_code(0);
    assert!(!ended.stderr.contains("hangs"), "it is said once: {}", ended.stderr);
}

#[test]
fn a_program_whose_callback_hangs_too_long_is_aborted_with_its_name_as_the_last_word() {
    let (program, address) = start(&mut command("watched"));
    let mut client = net::connect(address);
    client.write_all(b"stuck").unwrap();
    let ended = program.finish();
    assert_eq!(ended.status.signal(), Some(Signal::SIGABRT as i32));
    let last = ended.stderr.lines().last().unwrap_or_default();
    assert!(
        last.starts_with(
            "aborting: data_received of suite::service::runner::Health, connection 1, has not returned for"
        ),
        "{last}"
    );
}

#[test]
fn a_service_manager_that_does_not_read_keeps_no_program_from_serving_and_ending() {
    let manager = ServiceManager::new();
    let mut command = command("plain");
    let (mut program, address) = start(manager.manage(&mut command, Duration::from_micros(100)));
    program.stderr_line_with("ready");
    for _ in 0..1000 {
        assert!(is_ready(address));
    }
    program.signal(Signal::SIGTERM);
    program.finish().with_code(0);
    assert!(manager.told().len() > 1, "it would have read what there was room for");
}

#[test]
fn connections_that_were_cut_off_are_reported_with_their_sum() {
    let (mut program, address) = start(&mut command("hasty"));
    program.stderr_line_with("ready");
    let clients: Vec<_> = (0..3).map(|_| peer::connect(address)).collect();
    for mut client in &clients {
        client.write_all(b"pour").unwrap();
        client.read_exact(&mut [0]).unwrap();
    }
    program.signal(Signal::SIGTERM);
    let ended = program.finish().with_code(0);
    let number = |line: &str, name: &str| {
        let value = line.split(&format!("{name}=")).nth(1).and_then(|rest| rest.split_whitespace().next());
        value.and_then(|value| value.parse::<u64>().ok()).unwrap_or_else(|| panic!("no {name} in {line}"))
    };
    let cut_off: Vec<_> = ended.stderr.lines().filter(|line| line.contains("cut off: ")).collect();
    assert_eq!(cut_off.len(), 3, "{}", ended.stderr);
    let sum = ended.stderr.lines().find(|line| line.contains("connections were cut off")).unwrap();
    assert_eq!(number(sum, "connections"), 3);
    let unsent: Vec<_> = cut_off.iter().map(|line| number(line, "unsent")).collect();
    assert_eq!(number(sum, "unsent"), unsent.iter().sum::<u64>());
    assert!(unsent.iter().all(|unsent| *unsent > 0), "{unsent:?}");
}

#[test]
fn in_a_simulation_the_runner_serves_until_it_is_stopped_or_its_service_fails() {
    for (kind, outcome) in
        [("plain", Ok(())), ("failing", Err("the roof is on fire")), ("unstartable", Err("the roof leaks"))]
    {
        let sim = Simulation::new(0);
        let server = sim.host("server");
        let listening = server.clone();
        let runner = Runner::new("simulated").lame_duck(Duration::from_secs(10));
        let (readiness, checked) = (runner.readiness(), runner.readiness());
        let port = EndpointService::from_fn("health", async move || {
            let readiness = readiness.clone();
            listening.listen_tcp(7, move |transport| Health { transport, readiness: readiness.clone() })
        });
        let all = MultiService::new(&server, "all").with(port).with(Noisy(kind));
        let log = Log::default();
        for second in [5, 15, 25] {
            let (client, told) = (sim.host("client"), log.clone());
            let connecting = client.clone();
            client.call_later(Duration::from_secs(second), move || {
                let (made, failed) = (told.clone(), told);
                let ask = move |transport: Transport| {
                    transport.write("?");
                    Recorder::new(transport, made.clone())
                };
                connecting.connect_tcp("server:7", ask).on_failed(move |_, _| failed.add("refused"));
            });
        }
        let stopping = server.clone();
        server.call_later(Duration::from_secs(10), move || stopping.stop());
        let result = runner.run_on(&server, all).map_err(|error| error.to_string());
        assert_eq!(result, outcome.map_err(str::to_owned));
        assert!(!checked.is_ready());
        sim.run_for(Duration::from_secs(60));
        let received = String::from_utf8(log.received()).unwrap();
        assert_eq!(received, if kind == "plain" { "true false" } else { "" });
        assert_eq!(log.count("refused") + log.count("made"), 3);
        assert_eq!(log.count("made"), if kind == "plain" { 2 } else { 0 });
    }
}

#[test]
fn a_runner_leaves_nothing_of_its_service_behind() {
    struct Held(Rc<Cell<u32>>);
    impl Drop for Held {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    #[async_trait::async_trait(?Send)]
    impl Service for Held {
        fn name(&self) -> &str {
            "held"
        }
        async fn start(&self) -> Result<(), ServiceError> {
            Ok(())
        }
        async fn stop(&self) {}
    }
    let sim = Simulation::new(0);
    let server = sim.host("server");
    server.stop();
    let dropped = Rc::new(Cell::new(0));
    Runner::new("simulated").run_on(&server, Held(Rc::clone(&dropped))).unwrap();
    assert_eq!(dropped.get(), 1);
}
