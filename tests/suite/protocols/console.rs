//! The console of a running program.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use protocols::console::{ConnectionId, Console, Row};
use protocols::policies::IdleTimeout;
use reactor::inspect::Reading;
use reactor::testing::Simulation;
use reactor::{Port, Protocol, Reactor, Transport, run_on_threads};

use crate::support::in_time;

struct Echo {
    transport: Transport,
}

impl Protocol for Echo {
    fn data_received(&mut self, data: &[u8]) {
        self.transport.write(data);
    }
}

/// Keeps what it receives.
struct Keeper(Rc<RefCell<Vec<u8>>>);

impl Protocol for Keeper {
    fn data_received(&mut self, data: &[u8]) {
        self.0.borrow_mut().extend(data);
    }
}

/// A server with a port for clients and a console, and an operator.
struct Scene {
    sim: Simulation,
    server: Reactor,
    port: Port,
    operator: Transport,
    received: Rc<RefCell<Vec<u8>>>,
}

impl Scene {
    fn new() -> Self {
        Self::with(Console::new("server").everybody())
    }

    fn with(console: Console) -> Self {
        let sim = Simulation::new(0);
        let server = sim.host("server");
        let hour = Duration::from_secs(3600);
        let port = server.listen_tcp(7, IdleTimeout::around(hour, |transport| Echo { transport })).unwrap();
        server.listen_tcp(9, console.factory()).unwrap();
        let received = Rc::<RefCell<Vec<u8>>>::default();
        let kept = Rc::clone(&received);
        let operator = Rc::<RefCell<Option<Transport>>>::default();
        let connected = Rc::clone(&operator);
        sim.host("operator").connect_tcp("server:9", move |transport| {
            connected.replace(Some(transport));
            Keeper(Rc::clone(&kept))
        });
        sim.run_for(Duration::from_secs(1));
        let operator = operator.take().unwrap();
        Self { sim, server, port, operator, received }
    }

    /// A client that has sent this.
    fn client(&self, data: &str) -> Transport {
        let host = self.sim.host("client");
        let before = host.transports().len();
        host.connect_tcp("server:7", |transport| Echo { transport }.deaf());
        self.sim.run_for(Duration::from_secs(1));
        let transport = host.transports()[before].clone();
        transport.write(data);
        self.sim.run_for(Duration::from_secs(1));
        transport
    }

    /// What comes in a second after these lines.
    fn told(&self, lines: &str) -> String {
        self.operator.write(lines);
        self.sim.run_for(Duration::from_secs(1));
        String::from_utf8(self.received.take()).unwrap()
    }

    fn rows(&self, command: &str) -> Vec<Row> {
        self.received.take();
        self.told(&format!("json {command}\n")).lines().map(|line| Row::from_json(line).unwrap()).collect()
    }
}

impl Echo {
    /// A client, which answers nothing.
    fn deaf(self) -> Deaf {
        Deaf(self.transport)
    }
}

struct Deaf(Transport);

impl Protocol for Deaf {
    fn data_received(&mut self, _data: &[u8]) {
        let _ = &self.0;
    }
}

fn end(command: &str, done: Option<&str>) -> Row {
    Row::from_json(&match done {
        None => format!("{{\"type\":\"end\",\"command\":\"{command}\"}}"),
        Some(done) => format!("{{\"type\":\"end\",\"command\":\"{command}\",\"done\":\"{done}\"}}"),
    })
    .unwrap()
}

fn error(command: &str, text: &str) -> Row {
    Row::Error { command: command.to_owned(), error: text.to_owned() }
}

#[test]
fn connections_are_listed_with_what_they_did() {
    let scene = Scene::new();
    scene.client("hello");
    let rows = scene.rows("ps port=:7");
    let [Row::Connection(row), last] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(*last, end("ps", None));
    assert_eq!((row.port.as_deref(), &*row.host, row.reading), (Some("0.0.0.0:7"), "10.0.0.1:7", Reading::Open));
    assert!(row.peer.starts_with("10.0.0."), "{row:?}");
    assert_eq!((row.bytes_in, row.bytes_out, row.reads, row.unsent_bytes), (5, 5, 1, 0));
    assert_eq!((row.peer_user, row.protocols.len()), (None, 2));
    assert!((1_800..=2_000).contains(&row.age_ms) && (800..=1_000).contains(&row.idle_ms), "{row:?}");
    let text = scene.told("ps port=:7\n");
    let [heading, line, empty] = text.split('\n').take(3).collect::<Vec<_>>()[..] else { panic!("{text}") };
    assert!(heading.starts_with("ID ") && line.starts_with(&row.id.to_string()) && line.ends_with("  Echo"), "{text}");
    assert_eq!(empty, "");
}

#[test]
fn filters_and_an_order_choose_among_many() {
    let scene = Scene::new();
    for length in 1..=200 {
        scene.client(&"x".repeat(length));
    }
    let ids = |command: &str| -> Vec<u64> {
        let rows = scene.rows(command).into_iter();
        let bytes = rows.filter_map(|row| if let Row::Connection(row) = row { Some(row.bytes_in) } else { None });
        bytes.collect()
    };
    assert_eq!(ids("ps port=:7"), (1..=200).collect::<Vec<_>>());
    assert_eq!(ids("ps port=:7 limit=3"), [1, 2, 3]);
    assert_eq!(ids("ps port=:7 sort=bytes_in limit=3"), [200, 199, 198]);
    assert_eq!(ids("ps bytes_in>100 bytes_in<103 protocol=Echo"), [101, 102]);
    assert_eq!(ids("ps peer=nowhere"), [] as [u64; 0]);
    assert_eq!(ids("ps port=:7 reading=paused"), [] as [u64; 0]);
    for wrong in ["ps x", "ps peer>1", "ps sort=peer", "ps limit=-1", "ps =", "ps reading=x"] {
        let rows = scene.rows(wrong);
        assert!(
            matches!(&rows[..], [Row::Error { error, .. }] if error.ends_with("is not a filter: see `help`")),
            "{rows:?}"
        );
    }
}

#[test]
fn what_did_most_in_an_interval_comes_first() {
    let scene = Scene::new();
    let (idle, busy) = (scene.client("a"), scene.client("b"));
    scene.operator.write("json top 2\n");
    scene.sim.run_for(Duration::from_secs(1));
    busy.write(vec![b'x'; 4000]);
    idle.write(vec![b'x'; 400]);
    scene.sim.run_for(Duration::from_secs(2));
    let text = String::from_utf8(scene.received.take()).unwrap();
    let rows: Vec<_> = text.lines().skip(1).map(|line| Row::from_json(line).unwrap()).collect();
    let [Row::Busy(first), Row::Busy(second), _] = &rows[..] else { panic!("{text}") };
    assert_eq!((first.bytes_in_per_s, second.bytes_in_per_s), (2000, 200));
    assert_eq!(first.bytes_out_per_s, 2000);
}

#[test]
fn ports_timers_jobs_and_numbers_are_those_of_the_reactor() {
    let scene = Scene::new();
    scene.client("a");
    let rows = scene.rows("ports");
    let [Row::Port(clients), Row::Port(consoles), _] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((&*clients.host, &*clients.kind, &*clients.state), ("0.0.0.0:7", "stream", "listening"));
    assert_eq!((clients.connections, clients.refused.total(), consoles.connections), (1, 0, 1));
    let rows = scene.rows("timers limit=1");
    let [Row::Timer(timer), _] = &rows[..] else { panic!("{rows:?}") };
    assert!(timer.due_in_ms > 0 && timer.due_in_ms <= 3_600_000, "{timer:?}");
    let rows = scene.rows("stats");
    let [Row::Stats(stats), _] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((stats.thread, stats.connections, stats.ports, stats.opened), (0, 2, 2, 2));
    let rows = scene.rows("stats");
    let [Row::Stats(later), _] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(later.clock_ms - stats.clock_ms, 1000);
    assert!(matches!(&scene.rows("jobs")[..], [Row::Jobs(jobs), _] if (jobs.running, jobs.deferred_calls) == (0, 1)));
    let text = scene.told("stats\nports\njobs\ntimers\nslow\n");
    assert!(text.contains("thread 0: 2 connections of 2 ever") && text.contains("0.0.0.0:7"), "{text}");
}

#[test]
fn a_connection_is_closed_by_its_number() {
    let scene = Scene::new();
    let client = scene.client("a");
    let id = ConnectionId { thread: 0, number: scene.server.transports().last().unwrap().id() };
    assert_eq!(scene.rows(&format!("close {id}")), [end("close", Some(&format!("{id} closes")))]);
    assert!(client.is_closing());
    assert_eq!(scene.rows(&format!("close {id}")), [error("close", &format!("there is no connection {id}"))]);
    assert_eq!(scene.rows("close 7.1"), [error("close", "there is no thread 7")]);
    assert_eq!(scene.rows("close x"), [error("close", "\"x\" is not the number of a connection, such as 2.57")]);
    scene.client("b");
    let number = scene.server.transports().last().unwrap().id();
    assert_eq!(scene.told(&format!("close {number} now\n")), format!("0.{number} is closed\n\n"));
}

#[test]
fn a_port_that_is_drained_listens_no_more_and_its_connections_finish() {
    let scene = Scene::new();
    let client = scene.client("a");
    assert_eq!(scene.rows("drain 0.0.0.0:8"), [error("drain", "there is no port \"0.0.0.0:8\": see `ports`")]);
    let done = "0.0.0.0:7 listens no more; 1 connections are asked to finish";
    assert_eq!(scene.rows("drain 0.0.0.0:7 30"), [end("drain", Some(done))]);
    assert!(!scene.port.is_listening() && client.is_closing());
    assert_eq!(scene.rows("ports").len(), 2, "that of the console is left");
}

#[test]
fn a_trace_shows_what_passes_until_a_line_is_received() {
    let scene = Scene::new();
    let client = scene.client("a");
    let id = scene.server.transports().last().unwrap().id();
    assert_eq!(scene.rows(&format!("trace {id}")), []);
    client.write("hi\r\n\x1b");
    scene.sim.run_for(Duration::from_secs(1));
    let text = String::from_utf8(scene.received.take()).unwrap();
    let rows: Vec<_> = text.lines().map(|line| Row::from_json(line).unwrap()).collect();
    let [Row::Traffic(received), Row::Traffic(sent)] = &rows[..] else { panic!("{text}") };
    assert_eq!(
        (&*received.event, received.data.as_deref(), received.bytes),
        ("received", Some("hi\\r\\n\\x1b"), Some(5))
    );
    assert_eq!((&*sent.event, received.time.get(..17)), ("sent", Some("2000-01-01T00:00:")));
    assert_eq!(scene.told("stop\n"), "{\"type\":\"end\",\"command\":\"trace\"}\n");
    client.write("unseen");
    assert_eq!(scene.told("\n"), "");

    assert_eq!(scene.told(&format!("trace {id}\n")), "");
    client.write("x".repeat(300));
    let text = scene.told("");
    assert!(text.contains(&format!(" 0.{id} received \"{}\" and 44 more bytes\n", "x".repeat(256))), "{text}");
    client.lose_connection();
    let text = scene.told("");
    assert!(text.ends_with(&format!(" 0.{id} lost: connection closed cleanly\n\n")), "{text}");
    assert!(text.contains(&format!(" 0.{id} received the end\n")), "{text}");
    assert_eq!(scene.told("slow\n").lines().last(), Some(""), "it goes on");
}

#[test]
fn a_trace_ends_with_the_next_command_which_is_carried_out_and_is_not_to_be_had_of_a_console() {
    let scene = Scene::new();
    scene.client("a");
    let [console, client] = scene.server.transports().try_into().unwrap();
    scene.received.take();
    assert_eq!(scene.told(&format!("trace {}\n", client.id())), "");
    let text = scene.told("drain x\n");
    assert_eq!(text, "\nerror: there is no port \"x\": see `ports`\n\n");
    scene.sim.host("another").connect_tcp("server:9", |_| Keeper(Rc::default()));
    scene.sim.run_for(Duration::from_secs(1));
    let other = scene.server.transports().pop().unwrap();
    for id in [console.id(), other.id()] {
        let refused = format!("error: 0.{id} is a console: each line that it shows would be followed by one more\n\n");
        assert_eq!(scene.told(&format!("trace {id} wire\n")), refused);
    }
}

#[test]
fn a_console_that_does_not_read_keeps_no_other_waiting_and_is_told_what_it_has_missed() {
    let scene = Scene::new();
    let client = scene.client("a");
    let served = scene.server.transports().last().unwrap().clone();
    scene.operator.write(format!("json trace {}\n", served.id()));
    scene.sim.run_for(Duration::from_secs(1));
    scene.received.take();
    scene.operator.pause_reading();
    for _ in 0..3000 {
        client.write(vec![b'x'; 200]);
        scene.sim.run_for(Duration::from_millis(100));
    }
    assert_eq!(served.info().reads, 3001);
    let console = scene.server.transports()[0].clone();
    assert!(console.unsent_bytes() < 128 * 1024, "{}", console.unsent_bytes());
    scene.operator.resume_reading();
    scene.sim.run_for(Duration::from_secs(60));
    client.write("last");
    scene.sim.run_for(Duration::from_secs(1));
    let text = String::from_utf8(scene.received.take()).unwrap();
    let rows = text.lines().map(|line| Row::from_json(line).unwrap());
    let events: Vec<_> = rows.map(|row| if let Row::Traffic(row) = row { row } else { panic!("{row:?}") }).collect();
    let left_out: u64 = events.iter().filter_map(|event| event.events).sum();
    let shown = events.iter().filter(|event| event.data.is_some()).count() as u64;
    assert_eq!(shown + left_out, 6002, "each is shown or counted");
    assert!(left_out > 0);
}

#[test]
fn peers_without_credentials_are_refused_and_learn_why() {
    let scene = Scene::with(Console::new("server"));
    assert_eq!(scene.told("ps\n"), "refused: this console is for UNIX sockets, where it can see who connects\n");
    assert!(scene.operator.is_closing());
}

#[test]
fn the_log_is_changed_by_what_the_program_has_set() {
    let scene = Scene::new();
    assert_eq!(scene.rows("log debug"), [error("log", "this program does not let its log be changed")]);
    let console = Console::new("server").everybody().on_log(|level, target| match target {
        Some("bad") => Err("no such target".to_owned()),
        target => {
            assert_eq!((level.to_string().as_str(), target), ("debug", Some("app::chat")));
            Ok(())
        }
    });
    let scene = Scene::with(console);
    assert_eq!(scene.rows("log debug app::chat"), [end("log", Some("app::chat is logged at the level debug"))]);
    assert_eq!(scene.rows("log debug bad"), [error("log", "no such target")]);
    assert_eq!(scene.rows("log loud"), [error("log", "usage: log LEVEL [TARGET]")]);
}

#[test]
fn hostile_lines_are_answered_with_escaped_errors_or_end_the_console() {
    let scene = Scene::new();
    scene.received.take();
    let text = scene.told("\x1b[2J\u{9b}\u{202e}\r\n\n   \nps \x1b]0;x\x07=1\n");
    assert!(!text.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'), "{text:?}");
    assert_eq!(text.matches("error: ").count(), 2, "{text}");
    let text = scene.told(&format!("{}\n", "x".repeat(1000)));
    assert!(text.len() < 200, "{text}");
    assert!(scene.told(&"help\n".repeat(5000)).len() > 64 * 1024);
    scene.sim.run_for(Duration::from_secs(600));
    assert_eq!(String::from_utf8(scene.received.take()).unwrap().matches("ps [FILTER").count() % 2, 0);
    let text = scene.told(&"y".repeat(2000));
    assert!(text.ends_with("error: a command of more than 1,024 bytes\n"), "{text}");
    assert!(scene.operator.is_closing());
}

#[test]
fn a_console_says_what_it_can_do_and_quits() {
    let scene = Scene::new();
    assert_eq!(String::from_utf8(scene.received.take()).unwrap(), "server: `help` lists the commands\n");
    let rows = scene.rows("help");
    assert_eq!(rows.len(), 14);
    assert_eq!(scene.rows("quit"), [end("quit", None)]);
    assert!(scene.operator.is_closing());
}

#[test]
fn a_stop_does_not_wait_for_a_trace() {
    let scene = Scene::new();
    scene.client("a");
    let id = scene.server.transports().last().unwrap().id();
    scene.told(&format!("trace {id}\n"));
    scene.server.stop();
    scene.sim.run_for(Duration::from_secs(1));
    assert!(!scene.server.is_running());
}

#[test]
fn a_thread_that_hangs_is_left_out_and_said_to_be() {
    static SAID: AtomicBool = AtomicBool::new(false);

    struct Client {
        received: String,
        transport: Transport,
    }

    impl Protocol for Client {
        fn connection_made(&mut self) {
            self.transport.write("json stats\n");
        }

        fn data_received(&mut self, data: &[u8]) {
            self.received.push_str(str::from_utf8(data).unwrap());
            if self.received.contains("\"type\":\"end\"") {
                SAID.store(true, Ordering::Relaxed);
                let rows: Vec<_> = self.received.lines().filter_map(|line| Row::from_json(line).ok()).collect();
                assert!(
                    matches!(&rows[..], [Row::Stats(stats), Row::Silent { thread: 1 }, Row::End { .. }] if stats.thread == 0),
                    "{rows:?}"
                );
                self.transport.reactor().stop();
            }
        }
    }

    in_time(|| {
        run_on_threads(2, |reactor| {
            let here = reactor.clone();
            if reactor.thread_number() == 1 {
                reactor.call_when_running(|| {
                    while !SAID.load(Ordering::Relaxed) {
                        thread::yield_now();
                    }
                });
                return Ok(());
            }
            let port = reactor.listen_tcp("127.0.0.1:0", Console::new("server").everybody().factory())?;
            reactor.spawn(async move {
                // The other thread may not have begun.
                while here.threads().len() < 2 {
                    here.sleep(Duration::from_millis(1)).await;
                }
                let host = port.host().socket_addr().unwrap();
                here.connect_tcp(host, |transport| Client { received: String::new(), transport });
            });
            Ok(())
        })
        .unwrap();
    });
}

#[test]
fn the_connections_of_all_threads_are_listed_and_closed() {
    in_time(|| {
        run_on_threads(2, |reactor| {
            let port = reactor.listen_tcp("127.0.0.1:0", Console::new("server").everybody().factory())?;
            if reactor.thread_number() == 0 {
                let (host, here) = (port.host().socket_addr().unwrap(), reactor.clone());
                reactor.spawn(async move {
                    // The other thread may not have begun.
                    while here.threads().len() < 2 {
                        here.sleep(Duration::from_millis(1)).await;
                    }
                    for _ in 0..2 {
                        here.connect_tcp(host, |transport| Asking { transport, received: String::new() });
                    }
                });
            }
            Ok(())
        })
        .unwrap();
    });
}

/// Asks until there is a connection on each thread, then closes that of the other.
struct Asking {
    transport: Transport,
    received: String,
}

impl Protocol for Asking {
    fn connection_made(&mut self) {
        self.transport.write("json ps port=127.0.0.1\n");
    }

    fn data_received(&mut self, data: &[u8]) {
        self.received.push_str(str::from_utf8(data).unwrap());
        if self.received.contains("listens no more") {
            return self.transport.reactor().stop();
        }
        if !self.received.ends_with("\"command\":\"ps\"}\n") {
            return;
        }
        let received = std::mem::take(&mut self.received);
        let rows = received.lines().filter_map(|line| Row::from_json(line).ok());
        let ids: Vec<_> =
            rows.filter_map(|row| if let Row::Connection(row) = row { Some(row) } else { None }).collect();
        let on = |thread| ids.iter().find(|row| row.id.thread == thread && row.port.is_some());
        match (on(0), on(1)) {
            (Some(_), Some(row)) => {
                let host = row.port.clone().unwrap();
                self.transport.write(format!("json drain {host}\n"));
            }
            _ => self.transport.write("json ps port=127.0.0.1\n"),
        }
    }
}

#[test]
fn what_a_web_page_posts_is_not_carried_out() {
    let scene = Scene::new();
    scene.received.take();
    let head = "POST / HTTP/1.1\r\nHost: server:9\r\nContent-Type: text/plain\r\n\r\n";
    assert_eq!(scene.told(&format!("{head}x\ndrain {}\nstats\n", scene.port.host())), "error: this is no web server\n");
    assert!(scene.port.is_listening());
    assert!(scene.operator.is_closing());
}

#[test]
fn a_stop_does_not_wait_for_a_command_that_only_looks() {
    let scene = Scene::new();
    scene.operator.write("top 60\n");
    scene.sim.run_for(Duration::from_secs(1));
    let console = scene.server.transports().pop().unwrap();
    console.drain();
    scene.sim.run_for(Duration::from_secs(1));
    assert!(scene.operator.is_closing());
}
