//! Programs on several threads: children of the test, which are this program in another role.

use std::collections::BTreeMap;
use std::future::pending;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, ExitCode};
use std::rc::Rc;
use std::time::Duration;

use nix::sys::signal::Signal;
use reactor::endpoint::server_from_string;
use reactor::service::{EndpointService, MultiService, Runner, Service, ServiceError};
use reactor::{Protocol, Transport};
use tracing_subscriber::filter::LevelFilter;

use crate::apps::net;
use crate::apps::program::{Program, hearing_signals};
use crate::support::ServiceManager;

const THREADS: usize = 3;

/// Answers with the number of its thread.
struct Which {
    transport: Transport,
}

impl Protocol for Which {
    fn data_received(&mut self, data: &[u8]) {
        if data == b"stuck" {
            eprintln!("stuck");
            let _ = std::io::stdin().read(&mut [0]);
        }
        write!(self.transport, "{}", self.transport.reactor().thread_number());
    }
}

/// Reports its calls with the number of its thread.
struct Noisy {
    kind: &'static str,
    number: usize,
}

#[async_trait::async_trait(?Send)]
impl Service for Noisy {
    fn name(&self) -> &str {
        "noisy"
    }

    async fn start(&self) -> Result<(), ServiceError> {
        eprintln!("start {}", self.number);
        if self.kind == "unstartable" && self.number == 2 { Err("the roof of 2 leaks".into()) } else { Ok(()) }
    }

    async fn stop(&self) {
        eprintln!("stop {}", self.number);
    }

    async fn failed(&self) -> ServiceError {
        if self.kind == "failing" && self.number == 1 { "the roof of 1 is on fire".into() } else { pending().await }
    }

    async fn reload(&self) -> Result<(), ServiceError> {
        eprintln!("reload {}", self.number);
        if self.kind == "unreadable" && self.number == 2 { Err("the map of 2 has a hole".into()) } else { Ok(()) }
    }
}

/// Not a test by itself.
#[test]
fn is_a_child_if_told_so() {
    let Ok(kind) = std::env::var("THREADS_CHILD") else { return };
    let kind: &'static str = kind.leak();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).with_max_level(LevelFilter::INFO).init();
    let code = Runner::new("child").threads(THREADS).run(|reactor| {
        let number = reactor.thread_number();
        // An endpoint, which listens when it is its turn; and the system chooses the port.
        let endpoint = server_from_string(reactor, "tcp:0:interface=127.0.0.1:max-connections=30:per-peer=none")?;
        let port = EndpointService::new(endpoint, |transport| Which { transport });
        let port = Rc::new(port.deadline(Duration::from_millis(50)));
        let told = Rc::clone(&port);
        Ok(MultiService::new(reactor, "all").with(port).with(Told { port: told }).with(Noisy { kind, number }))
    });
    std::process::exit(i32::from(code != ExitCode::SUCCESS));
}

/// Tells where the port listens.
struct Told {
    port: Rc<EndpointService>,
}

#[async_trait::async_trait(?Send)]
impl Service for Told {
    fn name(&self) -> &str {
        "told"
    }

    async fn start(&self) -> Result<(), ServiceError> {
        eprintln!("serving {}", self.port.port().expect("it has started").host());
        Ok(())
    }

    async fn stop(&self) {}
}

fn command(kind: &str) -> Command {
    let mut command = hearing_signals(std::env::current_exe().unwrap());
    command.args(["--exact", "service::threads::is_a_child_if_told_so", "--nocapture"]).env("THREADS_CHILD", kind);
    command
}

/// Starts a child, and returns the address that all of its threads serve.
fn start(command: &mut Command) -> (Program, SocketAddr) {
    let mut program = Program::start(command);
    let addresses: Vec<_> = (0..THREADS).map(|_| program.stderr_line_with("serving ")).collect();
    assert!(addresses.iter().all(|address| *address == addresses[0]), "{addresses:?}");
    program.stderr_line_with("ready");
    (program, addresses[0].strip_prefix("serving ").unwrap().parse().unwrap())
}

fn thread_of(client: &mut TcpStream) -> u8 {
    client.write_all(b"?").unwrap();
    net::read(client, 1)[0]
}

#[test]
fn few_connections_and_many_are_spread_evenly_and_the_limit_is_that_of_all_threads() {
    let (program, address) = start(&mut command("plain"));
    let mut clients = Vec::new();
    let mut counts = BTreeMap::<u8, usize>::new();
    for number in 1..=30 {
        let mut client = net::connect(address);
        *counts.entry(thread_of(&mut client)).or_default() += 1;
        clients.push(client);
        let (least, most) = (counts.values().min().unwrap(), counts.values().max().unwrap());
        assert!(most - least <= 1 && (number < THREADS || counts.len() == THREADS), "{number}: {counts:?}");
    }
    let mut refused = net::connect(address);
    let _ = refused.write_all(b"?");
    assert_eq!(refused.read(&mut [0]).unwrap_or(0), 0, "the limit is that of the port");
    program.signal(Signal::SIGTERM);
    program.finish().with_code(0);
}

#[test]
fn all_threads_stop_and_reload_as_one() {
    let (mut program, _address) = start(&mut command("plain"));
    program.signal(Signal::SIGHUP);
    let mut reloaded: Vec<_> = (0..THREADS).map(|_| program.stderr_line_with("reload ")).collect();
    reloaded.sort();
    assert_eq!(reloaded, ["reload 0", "reload 1", "reload 2"]);
    program.stderr_line_with("reloaded program");
    program.signal(Signal::SIGTERM);
    let ended = program.finish().with_code(0);
    for number in 0..THREADS {
        assert_eq!(ended.stderr.matches(&format!("stop {number}\n")).count(), 1, "{}", ended.stderr);
    }
    assert_eq!(ended.stderr.matches("stopping signal").count(), 1, "{}", ended.stderr);
}

#[test]
fn a_reload_that_fails_on_one_thread_is_not_called_done() {
    let (mut program, _address) = start(&mut command("unreadable"));
    program.signal(Signal::SIGHUP);
    let line = program.stderr_line_with("cannot reload");
    assert!(line.contains("the map of 2 has a hole"), "{line}");
    program.signal(Signal::SIGTERM);
    let ended = program.finish().with_code(0);
    assert!(!ended.stderr.contains("reloaded"), "{}", ended.stderr);
}

#[test]
fn the_failure_of_one_thread_ends_the_program_with_its_reason() {
    for (kind, reason) in [("unstartable", "the roof of 2 leaks"), ("failing", "the roof of 1 is on fire")] {
        let ended = Program::start(&mut command(kind)).finish().with_code(1);
        assert!(ended.stderr.ends_with(&format!("child: {reason}\n")), "{}", ended.stderr);
        assert!(kind == "failing" || !ended.stderr.contains("ready"), "{}", ended.stderr);
    }
}

#[test]
fn a_thread_that_is_stuck_keeps_the_program_from_saying_that_it_is_alive() {
    let manager = ServiceManager::new();
    let interval = Duration::from_millis(40);
    let mut command = command("plain");
    let (mut program, address) = start(manager.manage(&mut command, interval));
    manager.wait_for_life();
    let mut clients: Vec<_> = (0..THREADS).map(|_| net::connect(address)).collect();
    let other = clients.iter_mut().position(|client| thread_of(client) != b'0').unwrap();
    clients[other].write_all(b"stuck").unwrap();
    program.stderr_line_with("stuck");
    manager.wait_for_silence(10 * interval);
    program.type_in("go on\n");
    manager.wait_for_life();
    program.signal(Signal::SIGTERM);
    program.finish().with_code(0);
}
