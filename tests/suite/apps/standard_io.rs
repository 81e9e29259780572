//! `time-server --stdio` on all kinds of standard input and output.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::{fs, io, thread};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::Signal;

use crate::apps::binaries::binary;
use crate::apps::net;
use crate::apps::peers::{script, socat, twisted};
use crate::apps::program::Program;
use crate::apps::stamps::{is_stamped, without_stamps};
use crate::apps::terminal::Terminal;
use crate::support::in_time;

fn server() -> Command {
    let mut command = Command::new(binary("time-server"));
    command.arg("--stdio");
    command
}

/// A server on these descriptors, of which no other process has a copy any more.
fn serve(input: impl Into<Stdio>, output: impl Into<Stdio>) -> Child {
    server().stdin(input).stdout(output).stderr(Stdio::null()).spawn().unwrap()
}

fn is_blocking(fd: impl AsFd) -> bool {
    !OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL).unwrap()).contains(OFlag::O_NONBLOCK)
}

#[test]
fn s216_it_answers_on_standard_output_and_ends_with_its_input() {
    let mut server = Program::app("time-server", ["--stdio"]);
    server.type_in("hello\n");
    assert!(is_stamped(server.line(), "hello"));
    let ended = server.close_and_finish().with_code(0);
    assert_eq!((&ended.stdout[..], &ended.stderr[..]), ("", ""));
}

#[test]
fn s216_a_reader_of_standard_output_that_goes_away_is_noticed_at_once() {
    let (_input, output) = (io::pipe().unwrap(), io::pipe().unwrap());
    let mut server = serve(_input.0, output.1);
    drop(output.0);
    let status = in_time(move || server.wait().unwrap());
    assert_eq!(status.code(), Some(1));
}

#[test]
fn s216_a_signal_ends_it_in_order() {
    let mut server = Program::app("time-server", ["--stdio"]);
    server.type_in("hello\n");
    assert!(is_stamped(server.line(), "hello"));
    server.signal(Signal::SIGTERM);
    server.finish().with_code(0);
}

#[test]
fn s217_all_that_was_written_is_delivered_before_the_end() {
    let (input, mut near) = io::pipe().unwrap();
    let (mut far, output) = io::pipe().unwrap();
    let mut server = serve(input, output);
    let text = vec![b'x'; 3_000_000];
    let answer = in_time(move || {
        let sender = thread::spawn(move || near.write_all(&text));
        let mut answer = Vec::new();
        far.read_to_end(&mut answer).unwrap();
        sender.join().unwrap().unwrap();
        answer
    });
    assert!(server.wait().unwrap().success());
    assert!(without_stamps(&answer) == vec![b'x'; 3_000_000]);
}

#[test]
fn s218_files_are_read_and_written_where_the_shell_is_in_them() {
    let directory = tempfile::tempdir().unwrap();
    let (input, output) = (directory.path().join("input"), directory.path().join("output"));
    fs::write(&input, [&b"first line\n"[..], &b"x".repeat(3_000_000)].concat()).unwrap();
    fs::write(&output, "before\n").unwrap();
    // The shell has read a line, and goes on writing when the server has ended.
    let line = format!("read line; '{}' --stdio; echo; echo $line", binary("time-server").display());
    let appending = OpenOptions::new().append(true).open(&output).unwrap();
    let shell = Command::new("sh").args(["-c", &line]).stdin(File::open(&input).unwrap()).stdout(appending).status();
    assert!(shell.unwrap().success());
    let written = fs::read(&output).unwrap();
    let answer = written.strip_prefix(b"before\n").unwrap().strip_suffix(b"\nfirst line\n").unwrap();
    assert!(without_stamps(answer) == b"x".repeat(3_000_000));
}

#[test]
fn s218_a_device_is_read_to_its_end_and_written_to() {
    let null = || OpenOptions::new().read(true).write(true).open("/dev/null").unwrap();
    assert!(serve(null(), null()).wait().unwrap().success());
    let mut server = Program::start(server().stdin(Stdio::piped()));
    server.type_in("hello\n");
    assert!(is_stamped(server.line(), "hello"));
    // A full one is a failure to write, and no more.
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (input, mut near) = io::pipe().unwrap();
    let mut server = serve(input, full);
    near.write_all(b"hello").unwrap();
    drop(near);
    assert_eq!(server.wait().unwrap().code(), Some(1));
}

#[test]
fn s218_no_mode_is_changed_that_others_share() {
    let (input, mut near) = io::pipe().unwrap();
    let (mut far, output) = io::pipe().unwrap();
    let (shared_input, shared_output) = (input.try_clone().unwrap(), output.try_clone().unwrap());
    let mut server = serve(input, output);
    near.write_all(b"hello").unwrap();
    assert!(is_stamped(net::read(&mut far, 32), "hello"));
    assert!(is_blocking(&shared_input) && is_blocking(&shared_output));
    // Whatever the end.
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(is_blocking(&shared_input) && is_blocking(&shared_output));

    let (mut near, shared) = UnixStream::pair().unwrap();
    let fd = || OwnedFd::from(shared.try_clone().unwrap());
    let mut server = serve(fd(), fd());
    near.write_all(b"hello").unwrap();
    assert!(is_stamped(net::read(&mut near, 32), "hello"));
    assert!(is_blocking(&shared));
    drop(shared);
    drop(near);
    server.wait().unwrap();
}

#[test]
fn s218_one_socket_for_both_is_served_as_by_inetd() {
    let (mut near, far) = UnixStream::pair().unwrap();
    let mut server = serve(OwnedFd::from(far.try_clone().unwrap()), OwnedFd::from(far));
    let text = vec![b'x'; 1_000_000];
    let answer = in_time(move || {
        let mut sending = near.try_clone().unwrap();
        let sender = thread::spawn(move || {
            sending.write_all(&text).unwrap();
            sending.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut answer = Vec::new();
        near.read_to_end(&mut answer).unwrap();
        sender.join().unwrap();
        answer
    });
    assert!(without_stamps(&answer) == vec![b'x'; 1_000_000]);
    assert!(server.wait().unwrap().success());
}

#[test]
fn s218_at_a_terminal_it_answers_lines_until_ctrl_d_and_leaves_it_as_it_was() {
    let mut terminal = Terminal::run(&format!("'{}' --stdio", binary("time-server").display()));
    terminal.type_in("hello\n");
    terminal.expect("] hello\r\n");
    terminal.type_in("\x04");
    terminal.expect_exit(0);
}

#[test]
fn s218_socat_connects_clients_with_it() {
    if !socat("s218_socat_connects_clients_with_it") {
        return;
    }
    let path = binary("time-server").display();
    for how in ["EXEC", "SYSTEM"] {
        for options in ["", ",pipes", ",pty,rawer"] {
            let mut client =
                Program::start(Command::new("socat").args(["-", &format!("{how}:{path} --stdio{options}")]));
            client.type_in("hello\n");
            assert!(is_stamped(client.line(), "hello"), "{how}{options}");
        }
    }
}

#[test]
fn s216_a_process_of_twisteds_is_served() {
    if !twisted("s216_a_process_of_twisteds_is_served") {
        return;
    }
    let ended = Program::start(script("twisted_spawn.py").arg(binary("time-server"))).finish().with_code(0);
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert!(is_stamped(lines[0], "hello from Twisted"), "{lines:?}");
    assert_eq!(lines[1..], ["in lost", "out lost", "err lost", "ended 0"]);
}
