//! `time-client` with a person at a terminal.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::{fs, thread};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::apps::binaries::binary;
use crate::apps::net;
use crate::apps::server::Server;
use crate::apps::terminal::Terminal;

fn client(options: &str, address: SocketAddr) -> Terminal {
    let path: &Path = binary("time-client");
    Terminal::run(&format!("'{}' {options} {} {}", path.display(), address.ip(), address.port()))
}

#[test]
fn it_prompts_and_shows_each_reply() {
    let server = Server::start("--tcp 127.0.0.1:0 --lines 127.0.0.1:0 --udp 127.0.0.1:0");
    for (option, address) in ["", "--lines", "--udp"].into_iter().zip(&server.addresses) {
        let mut terminal = client(option, *address);
        for text in ["hello", "caf\u{e9} \u{1f600}", "again"] {
            terminal.expect("> ");
            terminal.type_in(format!("{text}\r"));
            terminal.expect(&format!("{text}\r\n["));
            terminal.expect(&format!("] {text}\r\n"));
        }
        terminal.expect("> ");
        terminal.type_in("\r");
        terminal.expect_exit(0);
    }
}

#[test]
fn a_line_can_be_edited_and_fetched_again() {
    let server = Server::start("--tcp 127.0.0.1:0");
    let mut terminal = client("", server.address());
    terminal.expect("> ");
    // One to the left, a letter taken away, another typed in its place.
    terminal.type_in("hexlo\x1b[D\x1b[D\x7fl\r");
    terminal.expect("] hello\r\n");
    terminal.expect("> ");
    terminal.type_in("other\r");
    terminal.expect("] other\r\n");
    terminal.expect("> ");
    terminal.type_in("\x1b[A\x1b[A\r");
    terminal.expect("] hello\r\n");
    terminal.expect("> ");
    terminal.type_in("\x04");
    terminal.expect_exit(0);
}

#[test]
fn what_is_typed_or_pasted_ahead_waits_for_its_turn() {
    let server = Server::start("--tcp 127.0.0.1:0");
    let mut terminal = client("", server.address());
    terminal.expect("> ");
    terminal.type_in("one\rtwo\rthree\r\r");
    for text in ["one", "two", "three"] {
        terminal.expect(&format!("] {text}\r\n"));
    }
    terminal.expect_exit(0);
}

#[test]
fn ctrl_d_ctrl_c_and_an_empty_line_end_it_with_status_0() {
    let server = Server::start("--tcp 127.0.0.1:0 --lines 127.0.0.1:0 --udp 127.0.0.1:0");
    for (option, address) in ["", "--lines", "--udp"].into_iter().zip(&server.addresses) {
        for key in ["\x04", "\x03", "\r"] {
            let mut terminal = client(option, *address);
            terminal.expect("> ");
            terminal.type_in(key);
            terminal.expect_exit(0);
        }
    }
}

#[test]
fn ctrl_c_clears_a_line_that_was_begun_and_the_next_ends_it() {
    let server = Server::start("--tcp 127.0.0.1:0");
    // Typed, pasted, and found in the history.
    for begun in ["half a line", "\x1b[200~half\n\na line\x1b[201~", "first\r\x12fi"] {
        let mut terminal = client("", server.address());
        terminal.expect("> ");
        terminal.type_in(begun);
        terminal.type_in("\x03second\r");
        terminal.expect("] second\r\n");
        terminal.expect("> ");
        terminal.type_in("\x03");
        terminal.expect_exit(0);
    }
}

#[test]
fn a_paste_waits_for_enter_and_is_sent_line_by_line_empty_lines_too() {
    let server = Server::start("--tcp 127.0.0.1:0 --lines 127.0.0.1:0 --udp 127.0.0.1:0");
    for (option, address) in ["", "--lines", "--udp"].into_iter().zip(&server.addresses) {
        let mut terminal = client(option, *address);
        terminal.expect("> ");
        terminal.type_in("\x1b[200~one\n\r\ntwo\r\n\x1b[201~\rtyped\r");
        terminal.expect("] one\r\n[");
        terminal.expect("] \r\n[");
        terminal.expect("] two\r\n");
        terminal.expect("> ");
        terminal.expect("] typed\r\n");
        terminal.expect("> ");
        terminal.type_in("\r");
        terminal.expect_exit(0);
    }
}

#[test]
fn lines_of_earlier_sessions_are_offered_again_unless_that_is_switched_off() {
    let server = Server::start("--tcp 127.0.0.1:0");
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("time-client/history");
    let line = |option: &str| {
        let address = server.address();
        format!("XDG_STATE_HOME='{}' '{}' {option} {address}", state.path().display(), binary("time-client").display())
    };
    let session = |option: &str, typed: &[(&str, &str)]| {
        let mut terminal = Terminal::run(&line(option));
        for (typed, shown) in typed {
            terminal.expect("> ");
            terminal.type_in(format!("{typed}\r"));
            terminal.expect(&format!("] {shown}\r\n"));
        }
        terminal.expect("> ");
        terminal.type_in("\x04");
        terminal.expect_exit(0);
    };
    session("", &[("kept", "kept"), (" a secret", " a secret")]);
    session("--no-history", &[("not kept", "not kept")]);
    session("", &[("\x1b[A", "kept"), ("later", "later"), ("\x1b[A\x1b[A", "kept")]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "kept\nkept\nlater\nkept\n");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    // A link in its place is not followed, which is said.
    fs::remove_file(&file).unwrap();
    symlink("/etc/passwd", &file).unwrap();
    let mut terminal = Terminal::run(&line(""));
    terminal.expect(&format!("cannot use {} for the lines of earlier sessions: ", file.display()));
    terminal.expect("> ");
    terminal.type_in("hi\r");
    terminal.expect("] hi\r\n");
    terminal.expect("> ");
    terminal.type_in("\x04");
    terminal.expect_exit(0);
}

#[test]
fn a_silent_server_is_said_to_be_so_and_waited_for() {
    let (listener, address) = net::listen();
    let mut terminal = client("", address);
    let mut server = net::accept(&listener);
    terminal.expect("> ");
    terminal.type_in("hi\r");
    terminal.expect(&format!("no answer from {address} within 2 seconds: still waiting\r\n"));
    server.write_all(b"[Sun Nov  1 16:58:06 2026] hi").unwrap();
    terminal.expect("] hi\r\n");
    terminal.expect("> ");
    terminal.type_in("\x04");
    terminal.expect_exit(0);
}

#[test]
fn with_v_the_connection_and_the_times_are_told() {
    let server = Server::start("--tcp 127.0.0.1:0 --lines 127.0.0.1:0 --udp 127.0.0.1:0");
    for (option, address) in ["-v", "-v --lines", "-v --udp"].into_iter().zip(&server.addresses) {
        let mut terminal = client(option, *address);
        terminal.expect(&format!(" to {address}\r\n"));
        terminal.expect("> ");
        terminal.type_in("hi\r");
        terminal.expect("] hi\r\n");
        terminal.expect("that took ");
        terminal.expect("> ");
        terminal.type_in("\r");
        terminal.expect_exit(0);
    }
}

#[test]
fn ctrl_c_while_a_reply_is_awaited_ends_it_with_status_130() {
    let (listener, address) = net::listen();
    let mut terminal = client("", address);
    let mut server = net::accept(&listener);
    terminal.expect("> ");
    terminal.type_in("hi\r");
    assert_eq!(net::read(&mut server, 2), b"hi");
    terminal.type_in("\x03");
    terminal.expect_exit(130);
}

#[test]
fn a_signal_at_the_prompt_ends_it_with_status_0() {
    let server = Server::start("--tcp 127.0.0.1:0");
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let path = binary("time-client").display();
        let (ip, port) = (server.address().ip(), server.address().port());
        let mut terminal = Terminal::run(&format!("sh -c 'echo \"<$$>\"; exec \"$0\" \"$@\"' '{path}' {ip} {port}"));
        terminal.expect("<");
        let pid = Pid::from_raw(terminal.expect(">").parse().unwrap());
        terminal.expect("> ");
        kill(pid, signal).unwrap();
        terminal.expect_exit(0);
    }
}

#[test]
fn a_server_that_goes_away_ends_the_prompt_without_another_key() {
    for typed in ["", "half a line", "\x1b", "quoted \x16", "\x12searching"] {
        for option in ["", "--lines"] {
            let (listener, address) = net::listen();
            let mut terminal = client(option, address);
            let server = net::accept(&listener);
            terminal.expect("> ");
            terminal.type_in(typed);
            drop(server);
            let shown = terminal.expect_exit(1);
            assert!(shown.ends_with("\r\ntime-client: the server closed the connection\r\n"), "{shown:?}");
        }
    }
}

#[test]
fn a_server_that_goes_away_before_the_prompt_leaves_the_terminal_in_order() {
    let (listener, address) = net::listen();
    for _ in 0..20 {
        let terminal = client("", address);
        drop(net::accept(&listener));
        terminal.expect_exit(1);
    }
}

#[test]
fn what_came_without_being_asked_for_is_shown_when_the_server_goes_away() {
    let (listener, address) = net::listen();
    let mut terminal = client("", address);
    let mut server = net::accept(&listener);
    terminal.expect("> ");
    std::io::Write::write_all(&mut server, b"I must go").unwrap();
    drop(server);
    terminal.expect("I must go\r\n");
    terminal.expect("the server closed the connection\r\n");
    terminal.expect_exit(1);
}

#[test]
fn without_a_server_there_is_no_prompt() {
    let (listener, address) = net::listen();
    drop(listener);
    let shown = client("", address).expect_exit(1);
    assert_eq!(shown, format!("time-client: cannot connect to {address}: connection refused\r\n"));
}

#[test]
fn what_is_not_utf8_is_left_out_and_the_prompt_returns() {
    let server = Server::start("--tcp 127.0.0.1:0");
    let mut terminal = client("", server.address());
    terminal.expect("> ");
    terminal.type_in(b"\xe9t");
    terminal.expect("not UTF-8");
    terminal.expect("> ");
    terminal.type_in("ok\r");
    terminal.expect("] ok\r\n");
    terminal.expect("> ");
    terminal.type_in("\x04");
    terminal.expect_exit(0);
}

#[test]
fn in_a_terminal_that_cannot_edit_it_prompts_all_the_same() {
    let server = Server::start("--tcp 127.0.0.1:0");
    let (ip, port) = (server.address().ip(), server.address().port());
    let mut terminal = Terminal::run(&format!("TERM=dumb '{}' {ip} {port}", binary("time-client").display()));
    terminal.expect("> ");
    terminal.type_in("hello\r");
    terminal.expect("] hello\r\n");
    terminal.expect("> ");
    terminal.type_in("\x03");
    terminal.expect_exit(0);
}

#[test]
fn when_the_replies_go_to_a_file_there_is_no_prompt_in_it() {
    let server = Server::start("--tcp 127.0.0.1:0");
    let (ip, port) = (server.address().ip(), server.address().port());
    let mut terminal = Terminal::run(&format!("'{}' {ip} {port} | cat", binary("time-client").display()));
    terminal.type_in("hello\r");
    let shown = terminal.expect("] hello\r\n");
    assert!(!shown.contains("> "), "{shown:?}");
    terminal.type_in("\x04");
    terminal.expect_exit(0);
}

/// A server that answers every client with the same, whatever that asks.
fn answering(answer: &'static [u8]) -> SocketAddr {
    let (listener, address) = net::listen();
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            client.read_exact(&mut [0; 2]).unwrap();
            client.write_all(answer).unwrap();
            let _ = client.read(&mut [0]);
        }
    });
    address
}

/// Clears the screen, renames the window, and writes over what stands there.
const HOSTILE: &[u8] = b"\x1b[2J\x1b]0;root\x07\xc2\x9b31m one\r\n\ttwo\rover\xff";

#[test]
fn a_server_has_no_power_over_the_terminal_that_shows_its_reply() {
    let mut terminal = client("", answering(HOSTILE));
    terminal.expect("> ");
    terminal.type_in("hi\r");
    terminal.expect("\\x1b[2J\\x1b]0;root\\x07\\u{9b}31m one\r\r\n\ttwo\\rover\\xff\r\n");
    terminal.expect("> ");
    terminal.type_in("\x04");
    terminal.expect_exit(0);
}

#[test]
fn a_program_that_reads_replies_gets_them_as_they_came() {
    let address = answering(HOSTILE);
    let mut command = Command::new(binary("time-client"));
    command.args([address.ip().to_string(), address.port().to_string()]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"hi\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(output.stdout, [HOSTILE, b"\n"].concat());
}
