//! Child processes: what their protocols are told, and what remains of them.

use std::cell::RefCell;
use std::io::Seek as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io, thread};

use command_fds::{CommandFdExt as _, FdMapping};
use futures_util::future::join_all;
use nix::sys::signal::Signal;
use nix::unistd::Uid;
use reactor::process::{ProcessProtocol, ProcessTransport};
use reactor::testing::Simulation;
use reactor::{CloseReason, OnEof, Protocol, Reactor, Transport};
use rig::descriptors_of;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::apps::peers::{script, twisted};
use crate::support::{Log, PATIENCE, Recorder, in_time, test_reactor};

/// Logs every callback, then does what it was told to do in it, and stops the reactor at the end.
struct Watcher {
    process: ProcessTransport,
    log: Log,
    script: fn(&mut Self, &str),
}

impl Watcher {
    fn happened(&mut self, callback: &str) {
        self.log.add(callback);
        (self.script)(self, callback);
    }
}

impl ProcessProtocol for Watcher {
    fn connection_made(&mut self) {
        self.happened("made");
    }

    fn out_received(&mut self, data: &[u8]) {
        assert!(!data.is_empty() && data.len() <= 65_536, "a chunk of {} bytes", data.len());
        self.log.data(data);
        (self.script)(self, "out");
    }

    fn err_received(&mut self, data: &[u8]) {
        self.happened(&format!("err {}", String::from_utf8_lossy(data)));
    }

    fn pause_writing(&mut self) {
        self.happened("pause");
    }

    fn resume_writing(&mut self) {
        self.happened("resume");
    }

    fn in_connection_lost(&mut self) {
        self.happened("in lost");
    }

    fn out_connection_lost(&mut self) {
        self.happened("out lost");
    }

    fn err_connection_lost(&mut self) {
        self.happened("err lost");
    }

    fn process_exited(&mut self, status: ExitStatus) {
        self.happened(&format!("exited, {status}"));
    }

    fn process_ended(&mut self, status: ExitStatus) {
        self.process.transport().reactor().stop();
        self.happened(&format!("ended, {status}"));
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.log.add("dropped");
    }
}

fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line]);
    command
}

type Build = Box<dyn FnOnce(ProcessTransport) -> Watcher>;

/// Runs the child that `start` starts to its end, and checks what holds for every child.
#[track_caller]
fn run_child(
    script: fn(&mut Watcher, &str),
    start: impl FnOnce(&Reactor, Build) -> io::Result<ProcessTransport> + Send + 'static,
) -> Log {
    let log = Log::default();
    let inside = log.clone();
    // Looked at before the reactor and the handle are dropped, which ends a child as well.
    let (lines, is_left) = in_time(move || {
        let reactor = test_reactor();
        let kept = inside.clone();
        let process = start(&reactor, Box::new(move |process| Watcher { process, log: kept, script })).unwrap();
        reactor.run().unwrap();
        (inside.lines(), is_left(process.pid()))
    });
    assert_eq!(lines[0], "made", "{lines:#?}");
    assert!(lines[lines.len() - 2].starts_with("ended"), "{lines:#?}");
    for once in ["made", "exited", "ended", "dropped"] {
        assert_eq!(lines.iter().filter(|line| line.starts_with(once)).count(), 1, "{once}: {lines:#?}");
    }
    assert!(!is_left, "a zombie is left");
    log
}

/// Runs a child with three pipes.
#[track_caller]
fn watch(mut command: Command, script: fn(&mut Watcher, &str)) -> Log {
    let log = run_child(script, move |reactor, build| reactor.spawn_process(&mut command, build));
    for pipe in ["in lost", "out lost", "err lost"] {
        assert_eq!(log.count(pipe), 1, "{pipe}: {:#?}", log.lines());
    }
    log
}

fn is_left(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// Ignores SIGTERM.
const DEAF: &str = "trap '' TERM; printf ready; exec sleep 1000";

const SIGTERM: i32 = Signal::SIGTERM as i32;

fn nothing(_: &mut Watcher, _: &str) {}

fn place(log: &Log, line: &str) -> usize {
    let found = log.lines().iter().position(|found| found.starts_with(line));
    found.unwrap_or_else(|| panic!("no line '{line}': {:#?}", log.lines()))
}

#[test]
fn s207_a_child_is_run_as_the_command_says_and_inherits_the_environment_unless_told_otherwise() {
    let mut command = shell("echo $0 $1 $LATELY ${PATH:+inherited}; pwd; id -u");
    command.args(["zero", "one"]).env("LATELY", "given").current_dir("/");
    let own = Uid::effective();
    let uid = if own.is_root() { 65534 } else { own.as_raw() };
    if own.is_root() {
        std::os::unix::process::CommandExt::uid(&mut command, uid);
    }
    let log = watch(command, nothing);
    assert_eq!(String::from_utf8(log.received()).unwrap(), format!("zero one given inherited\n/\n{uid}\n"));

    let mut command = Command::new("/usr/bin/env");
    command.env_clear().env("ONLY", "this");
    assert_eq!(watch(command, nothing).received(), b"ONLY=this\n");
}

#[test]
fn s208_made_comes_first_and_ended_last_behind_all_output() {
    let log = watch(shell("echo hello; echo oh >&2; read line; echo $line"), |this, callback| {
        if callback == "err oh\n" {
            this.process.write("bye\n");
        }
    });
    let lines = log.lines();
    assert_eq!(log.received(), b"hello\nbye\n", "{lines:#?}");
    assert!(place(&log, "err oh") < place(&log, "ended, exit status: 0"), "{lines:#?}");
}

#[test]
fn s208_megabytes_on_both_outputs_arrive_whole_and_neither_waits_for_the_other() {
    let log = watch(
        shell("head -c 2000000 /dev/zero >&2; head -c 3000000 /dev/zero; printf . >&2; head -c 1000000 /dev/zero"),
        nothing,
    );
    assert_eq!(log.received_len(), 4_000_000);
    let errors = log
        .lines()
        .iter()
        .filter_map(|line| line.strip_prefix("err "))
        .filter(|rest| *rest != "lost")
        .map(str::len)
        .sum::<usize>();
    assert_eq!(errors, 2_000_001);
}

#[test]
fn s208_pipes_may_be_closed_in_any_order_while_the_child_lives() {
    let log = watch(shell("exec 2>&- 0<&-; printf last; exec 1>&-; exec sleep 1000"), |this, callback| {
        let closed = ["in lost", "out lost", "err lost"].iter().all(|pipe| this.log.has(pipe));
        if closed && callback.ends_with("lost") && !this.log.has("exited") {
            this.process.signal_process(SIGTERM).unwrap();
        }
    });
    assert_eq!(log.received(), b"last");
    assert!(log.has("exited, signal: 15"), "{:#?}", log.lines());
}

#[test]
fn s209_a_grandchild_that_holds_the_pipes_delays_ended_but_not_exited() {
    let log = watch(shell("exec 3<&0; (read line; echo $line) <&3 & exit 3"), |this, callback| {
        if callback.starts_with("exited") {
            this.process.write("late\n");
        }
    });
    assert_eq!(log.received(), b"late\n");
    assert!(place(&log, "exited, exit status: 3") < place(&log, "data late"), "{:#?}", log.lines());
    assert!(place(&log, "data late") < place(&log, "ended, exit status: 3"), "{:#?}", log.lines());
}

#[test]
fn s210_the_status_tells_the_exit_code_or_the_signal() {
    for (line, status) in [("exit 0", "exit status: 0"), ("exit 42", "exit status: 42"), ("kill -9 $$", "signal: 9")] {
        let log = watch(shell(line), nothing);
        assert!(log.has(&format!("ended, {status}")), "{line}: {:#?}", log.lines());
    }
}

#[test]
fn s211_closing_standard_input_sends_what_was_written_first() {
    let log = watch(shell("wc -c"), |this, callback| {
        if callback == "made" {
            this.process.write(vec![b'x'; 1_000_000]);
            this.process.close_stdin();
            this.process.write("dropped");
        }
    });
    assert_eq!(log.received(), b"1000000\n");
}

#[test]
fn s211_losing_the_connection_closes_all_three_when_what_was_written_is_sent() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("count");
    let mut command = shell(r#"wc -c > "$0"; echo unheard; exit 7"#);
    command.arg(&file);
    let log = watch(command, |this, callback| {
        if callback == "made" {
            this.process.write(vec![b'x'; 1_000_000]);
            this.process.lose_connection();
        }
    });
    assert_eq!(fs::read_to_string(file).unwrap().trim(), "1000000");
    assert_eq!(log.received(), b"");
}

#[test]
fn s211_a_child_that_waits_for_its_reader_does_not_hold_up_the_close() {
    let log = watch(Command::new("cat"), |this, callback| match callback {
        "made" => this.process.write(vec![b'x'; 8_000_000]),
        "out" => this.process.lose_connection(),
        _ => {}
    });
    assert!(log.has("ended, signal: 13"), "{:#?}", log.lines());
}

#[test]
fn s211_losing_the_connection_behind_the_end_of_input_still_waits_for_the_child() {
    let log = watch(shell("cat; kill -TERM $$"), |this, callback| {
        if callback == "in lost" {
            this.process.lose_connection();
        } else if callback == "made" {
            this.process.close_stdin();
        }
    });
    assert!(log.has("ended, signal: 15"), "{:#?}", log.lines());
}

#[test]
fn s211_a_child_is_signalled_while_it_lives_and_not_after() {
    watch(shell(DEAF), |this, callback| match callback {
        "out" => {
            assert_eq!(this.process.signal_process(12_345).unwrap_err().kind(), io::ErrorKind::InvalidInput);
            this.process.signal_process(SIGTERM).unwrap();
            this.process.signal_process(9).unwrap();
        }
        "exited, signal: 9 (SIGKILL)" => {
            let error = this.process.signal_process(9).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
            assert_eq!(error.to_string(), format!("process {} has ended", this.process.pid()));
        }
        _ => assert!(!callback.starts_with("exited"), "{callback}"),
    });
}

#[test]
fn s211_what_is_written_to_a_child_that_does_not_read_any_more_is_dropped() {
    let log = watch(shell("exec 0<&-; exec sleep 1000"), |this, callback| {
        if callback == "in lost" {
            this.process.write(vec![b'x'; 1_000_000]);
            this.process.call_later(Duration::ZERO, |this: &mut Watcher| {
                this.process.signal_process(SIGTERM).unwrap();
            });
        }
    });
    assert!(log.has("ended"), "{:#?}", log.lines());
}

#[test]
fn s211_a_child_that_exits_with_its_input_full_ends_in_order() {
    let log = watch(shell("read line; echo $line; exit 5"), |this, callback| {
        if callback == "made" {
            this.process.write(b"x\n".repeat(1_000_000));
        }
    });
    assert!(log.received() == b"x\n" && log.has("ended, exit status: 5"), "{:#?}", log.lines());
}

#[test]
fn s211_output_to_a_child_is_paced_and_limited() {
    let log = watch(shell("read line; cat > /dev/null"), |this, callback| match callback {
        "made" => this.process.write(vec![b'x'; 1_000_000]),
        "pause" => this.process.write("\n"),
        "resume" => this.process.close_stdin(),
        _ => {}
    });
    assert!(place(&log, "pause") < place(&log, "resume"));

    let log = watch(shell("read line; kill -STOP $$"), |this, callback| {
        if callback == "made" {
            this.process.transport().set_output_limit(1_000_000);
            this.process.write(vec![b'x'; 1_000_000]);
            this.process.write("one too many");
        }
    });
    assert!(log.has("ended, signal: 9"), "{:#?}", log.lines());
}

#[test]
fn s211_output_of_a_child_that_is_paused_waits_and_its_end_does_not_come_before_it() {
    let log = watch(shell("echo hello; echo oh >&2"), |this, callback| {
        if callback == "made" {
            this.process.transport().pause_reading();
        } else if callback.starts_with("exited") {
            assert_eq!(this.log.received(), b"");
            this.process.transport().resume_reading();
        }
    });
    assert_eq!(log.received(), b"hello\n");
    assert!(log.has("err oh"));
}

#[test]
fn s212_a_panic_in_any_callback_kills_the_child_and_the_others_still_come() {
    const CALLBACKS: [fn(&mut Watcher, &str); 4] = [
        |_, callback| assert_ne!(callback, "made", "oh"),
        |_, callback| assert_ne!(callback, "out", "oh"),
        |_, callback| assert_ne!(callback, "err lost", "oh"),
        |this, callback| {
            if callback == "made" {
                this.process.call_later(Duration::ZERO, |_: &mut Watcher| panic!("oh"));
            }
        },
    ];
    for script in CALLBACKS {
        let log = watch(shell("echo hello; exec 2>&-; exec sleep 1000"), script);
        assert!(log.has("ended, signal: 9"), "{:#?}", log.lines());
    }
    let log = watch(shell("exit 1"), |_, callback| assert!(!callback.starts_with('e'), "oh"));
    assert!(log.has("ended, exit status: 1"), "{:#?}", log.lines());
}

#[test]
fn s213_what_cannot_be_run_is_an_error_at_once_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let reactor = test_reactor();
    let error_of = |command: &mut Command| {
        let error = reactor.spawn_process(command, |_| -> Watcher { panic!("it was built") }).unwrap_err();
        (error.kind(), error.to_string())
    };
    let missing = directory.path().join("missing");
    assert_eq!(
        error_of(&mut Command::new(&missing)),
        (io::ErrorKind::NotFound, format!("cannot run {}: no such program", missing.display()))
    );
    let plain = directory.path().join("plain");
    fs::write(&plain, "").unwrap();
    assert_eq!(
        error_of(&mut Command::new(&plain)),
        (io::ErrorKind::PermissionDenied, format!("cannot run {}: permission denied", plain.display()))
    );
    let (kind, text) = error_of(Command::new("true").current_dir(&missing));
    assert_eq!((kind, &text[..]), (io::ErrorKind::NotFound, NOWHERE));
    let error = reactor.spawn_pty(&mut Command::new(&missing), 24, 80, |_| -> Watcher { panic!() }).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

const NOWHERE: &str = "cannot run true: no such program, or no such directory to run it in";

/// Runs a child in a terminal of 24 lines and 80 columns.
#[track_caller]
fn watch_terminal(mut command: Command, script: fn(&mut Watcher, &str)) -> Log {
    let log = run_child(script, move |reactor, build| reactor.spawn_pty(&mut command, 24, 80, build));
    for pipe in ["in lost", "out lost", "err lost"] {
        assert_eq!(log.count(pipe), 0, "{pipe}: {:#?}", log.lines());
    }
    log
}

#[test]
fn s214_a_child_in_a_terminal_has_it_for_its_own_and_both_outputs_are_one() {
    // The sixth field is the session.
    let line = r#"[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && [ "$(cut -d ' ' -f 6 /proc/$$/stat)" = $$ ] &&
        stty size < /dev/tty; echo oh >&2; read line; echo got $line; stty size"#;
    let log = watch_terminal(shell(line), |this, callback| {
        if callback == "out" && this.log.received().ends_with(b"oh\r\n") {
            this.process.set_window_size(50, 132).unwrap();
            this.process.write("hello\n");
        }
    });
    let shown = String::from_utf8(log.received()).unwrap();
    assert_eq!(shown, "24 80\r\noh\r\nhello\r\ngot hello\r\n50 132\r\n");
    assert!(log.has("ended, exit status: 0"), "{:#?}", log.lines());
}

#[test]
fn s214_what_a_terminal_makes_of_keys_reaches_the_child() {
    // The signal may be ignored in whatever started this test, as in a script's background, and children inherit that.
    let mut cat = Command::new("env");
    cat.args(["--default-signal=INT", "cat"]);
    let log = watch_terminal(cat, |this, callback| match callback {
        "made" => this.process.write("line\n"),
        "out" if this.log.received().ends_with(b"line\r\nline\r\n") => this.process.write("\x03"),
        _ => {}
    });
    assert!(log.has("ended, signal: 2"), "{:#?}", log.lines());
    let log = watch_terminal(Command::new("cat"), |this, callback| {
        if callback == "made" {
            this.process.write("\x04");
            this.process.close_stdin();
        }
    });
    assert!(log.has("ended, exit status: 0"), "{:#?}", log.lines());
}

#[test]
fn s214_losing_the_connection_of_a_terminal_hangs_up() {
    let mut sleeping = Command::new("env");
    // The signal may be ignored in whatever started this test, as under nohup, and children inherit that.
    sleeping.args(["--default-signal=HUP", "sh", "-c", "echo ready; exec sleep 1000"]);
    let log = watch_terminal(sleeping, |this, callback| {
        if callback == "out" {
            this.process.lose_connection();
        }
    });
    assert!(log.has("ended, signal: 1"), "{:#?}", log.lines());
}

#[test]
fn s215_the_output_of_a_command_is_had_in_one_line_and_bounded() {
    in_time(|| {
        let reactor = test_reactor();
        let whole = reactor.process_output(&mut shell("cat; echo out; echo err >&2; exit 3"), 100);
        let endless = reactor.process_output(&mut Command::new("yes"), 1_000_000);
        let missing = reactor.process_output(&mut Command::new("/no/such/program"), 100);
        let (output, endless, missing) =
            reactor.run_until(async { (whole.await.unwrap(), endless.await, missing.await) }).unwrap();
        assert_eq!(
            (&output.stdout[..], &output.stderr[..], output.status.code()),
            (&b"out\n"[..], &b"err\n"[..], Some(3))
        );
        let error = endless.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(error.to_string(), "yes has written more than 1000000 bytes");
        assert_eq!(missing.unwrap_err().kind(), io::ErrorKind::NotFound);
    });
}

#[test]
fn s215_a_command_whose_output_nobody_waits_for_any_more_is_killed() {
    in_time(|| {
        let reactor = test_reactor();
        // The deadline of the stop, which does not wait for a child that is dead, would be over before this test.
        reactor.set_shutdown_deadline(PATIENCE * 100);
        drop(reactor.process_output(&mut shell(DEAF), 100));
        reactor.stop();
        reactor.run().unwrap();
    });
}

#[test]
fn when_the_reactor_stops_children_are_told_to_end() {
    let script = |this: &mut Watcher, callback: &str| {
        if callback == "out" {
            this.process.transport().reactor().stop();
        }
    };
    let log = run_child(script, |reactor, build| {
        reactor.set_shutdown_deadline(PATIENCE * 100);
        reactor.spawn_process(&mut shell("echo ready; exec sleep 1000"), build)
    });
    assert!(log.has("ended, signal: 15"), "{:#?}", log.lines());
}

#[test]
fn one_that_does_not_end_by_the_deadline_is_killed() {
    let script = |this: &mut Watcher, callback: &str| {
        if callback == "out" {
            // An earlier close is reported, too.
            this.process.lose_connection();
            this.process.transport().reactor().stop();
        }
    };
    let log = run_child(script, |reactor, build| {
        reactor.set_shutdown_deadline(Duration::from_millis(50));
        reactor.spawn_process(&mut shell(DEAF), build)
    });
    assert!(log.has("ended, signal: 9"), "{:#?}", log.lines());
}

/// Not a test by itself: in a process of its own, no other test opens descriptors or has children.
#[test]
fn is_a_child_with_children_if_told_so() {
    if std::env::var_os("SUITE_PARENT").is_none() {
        return;
    }
    let own = std::process::id();
    let reactor = Reactor::new().unwrap();
    let before = descriptors_of(own).unwrap();
    let many = join_all((0..50).map(|_| reactor.process_output(&mut shell("cat; echo hello; echo oh >&2"), 100)));
    let inside = reactor.clone();
    let open = async move {
        let built = |process| Watcher { process, log: Log::default(), script: nothing };
        let _pid = inside.spawn_pty(&mut shell("exit 0"), 24, 80, built).unwrap();
        assert!(many.await.into_iter().all(|output| output.unwrap().stdout == b"hello\n"));
        std::future::pending::<()>().await;
    };
    assert!(reactor.run_until(open).is_err());
    drop(reactor);
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let children = threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("children")).unwrap());
    assert_eq!(children.collect::<String>(), "", "zombies are left");
    // The poller and what belongs to it were there before.
    let left = descriptors_of(own).unwrap();
    assert!(left <= before, "{left} descriptors are open, {before} were");
    eprintln!("nothing is left");
}

#[test]
fn children_leave_no_descriptor_and_no_zombie() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "io::processes::is_a_child_with_children_if_told_so", "--nocapture", "--test-threads=1"])
        .env("SUITE_PARENT", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("nothing is left"), "{text}");
}

#[test]
fn a_child_whose_reactor_is_dropped_is_killed_and_waited_for() {
    let reactor = test_reactor();
    let build = |process| Watcher { process, log: Log::default(), script: nothing };
    let process = reactor.spawn_process(Command::new("sleep").arg("1000"), build).unwrap();
    let pid = process.pid();
    drop((reactor, process));
    in_time(move || {
        while is_left(pid) {
            thread::yield_now();
        }
    });
}

#[test]
fn a_simulation_has_no_children_and_says_so() {
    let reactor = Simulation::new(1).host("here");
    let error = reactor.spawn_process(&mut shell(""), |_| -> Watcher { panic!("it was built") }).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    assert_eq!(error.to_string(), "cannot run sh: this reactor is in memory and has no child processes");
}

/// Sends a text, ends its stream, and keeps what it receives.
struct Asker {
    transport: Transport,
    question: &'static str,
    answer: Rc<RefCell<Vec<u8>>>,
}

impl Protocol for Asker {
    fn connection_made(&mut self) {
        self.transport.write(self.question);
        self.transport.write_eof();
    }

    fn data_received(&mut self, data: &[u8]) {
        self.answer.borrow_mut().extend_from_slice(data);
    }

    fn eof_received(&mut self) -> OnEof {
        self.answer.borrow_mut().extend_from_slice(b" (end)");
        OnEof::Close
    }
}

fn ask(reactor: &Reactor, line: &str, question: &'static str) -> impl Future<Output = (String, CloseReason)> {
    let answer = Rc::new(RefCell::new(Vec::new()));
    let inside = Rc::clone(&answer);
    let factory = move |transport| Asker { transport, question, answer: Rc::clone(&inside) };
    let ended = reactor.connect_process(&mut shell(line), factory).unwrap();
    async move {
        let reason = ended.await;
        (String::from_utf8(answer.take()).unwrap(), reason)
    }
}

#[test]
fn s142_a_child_is_the_peer_of_any_protocol_and_its_status_the_reason_of_the_end() {
    in_time(|| {
        let reactor = test_reactor();
        let asked = async {
            let (answer, reason) = ask(&reactor, "tr a-z A-Z", "hello").await;
            assert!(answer == "HELLO (end)" && reason.is_clean(), "{answer}, {reason}");
            // The output of a child that reads nothing is read to its end all the same.
            let (answer, reason) = ask(&reactor, "exec 0<&-; echo deaf", "hello").await;
            assert!(answer == "deaf\n (end)" && reason.is_clean(), "{answer}, {reason}");
            let (answer, reason) = ask(&reactor, "cat; exit 3", "hello").await;
            assert_eq!((&answer[..], reason.exit_status().unwrap().code()), ("hello", Some(3)));
            assert_eq!(reason.to_string(), "connection lost: the process has ended with exit status: 3");
            let (_, reason) = ask(&reactor, "kill -9 $$", "hello").await;
            assert_eq!(reason.exit_status().unwrap().signal(), Some(9));
            let (_, reason) = ask(&reactor, "cat", "hello").await;
            assert_eq!(reason.exit_status(), None);
        };
        reactor.run_until(asked).unwrap();
    });
}

#[test]
fn what_a_child_does_is_logged_with_its_pid() {
    in_time(|| {
        let lines = Arc::new(tempfile::tempfile().unwrap());
        let logging = tracing_subscriber::fmt().with_max_level(LevelFilter::DEBUG).with_ansi(false);
        let _logging = logging.with_writer(Arc::clone(&lines)).set_default();
        let log = Log::default();
        let reactor = test_reactor();
        let build = |process| Watcher { process, log, script: |_, _| {} };
        let process = reactor.spawn_process(&mut shell("true"), build).unwrap();
        reactor.run().unwrap();
        (&*lines).rewind().unwrap();
        let lines = io::read_to_string(&*lines).unwrap();
        let span = format!("pid={}}}: ", process.pid());
        assert!(lines.lines().any(|line| line.contains("connection{id=") && line.contains(&span)), "{lines}");
    });
}

#[test]
fn more_descriptors_of_a_child_are_connections_of_their_own() {
    in_time(|| {
        let reactor = test_reactor();
        // The child reads what it is told on 3, and answers on 4.
        let ((childs_in, ours_out), (ours_in, childs_out)) = (io::pipe().unwrap(), io::pipe().unwrap());
        let mut command = shell("tr a-z A-Z <&3 >&4; echo done");
        let mappings = vec![
            FdMapping { parent_fd: childs_in.into(), child_fd: 3 },
            FdMapping { parent_fd: childs_out.into(), child_fd: 4 },
        ];
        command.fd_mappings(mappings).unwrap();
        let log = Log::default();
        let heard = log.clone();
        let ended = reactor.connect_fds(ours_in.into(), ours_out.into(), move |transport: Transport| {
            transport.write("hello");
            transport.write_eof();
            Recorder::new(transport, heard.clone())
        });
        let output = reactor.process_output(&mut command, 100);
        // The command holds the child's ends.
        drop(command);
        let both = async { (ended.unwrap().await, output.await) };
        let (reason, output) = reactor.run_until(both).unwrap();
        assert!(reason.is_clean() && output.unwrap().stdout == b"done\n");
        assert_eq!(log.received(), b"HELLO");
    });
}

#[test]
fn a_program_on_twisteds_standard_io_answers_and_ends() {
    if !twisted("a_program_on_twisteds_standard_io_answers_and_ends") {
        return;
    }
    let log = watch(script("twisted_stdio.py"), |this, callback| match callback {
        "made" => this.process.write("hello"),
        // Not earlier: at the end of its input Twisted drops what it has not sent yet.
        "out" => this.process.close_stdin(),
        _ => {}
    });
    assert!(log.received() == b"HELLO" && log.has("ended, exit status: 0"), "{:#?}", log.lines());
}

#[test]
fn a_factory_that_refuses_a_child_has_it_killed() {
    in_time(|| {
        let reactor = test_reactor();
        let refused = reactor.connect_process(&mut shell("exec sleep 1000"), |_| None::<Asker>).unwrap();
        let reason = reactor.run_until(refused).unwrap();
        assert_eq!(reason.to_string(), "refused by the factory");
    });
}
