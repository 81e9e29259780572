//! `time-client` with piped lines, against servers played by the test.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::thread;

use nix::sys::signal::Signal;

use crate::apps::net;
use crate::apps::program::Program;
use crate::apps::server::Server;
use crate::apps::stamps::{is_stamped, without_stamps};
use crate::support::datagrams::receive;

const STAMP: &str = "[Sun Nov  1 16:58:06 2026] ";

/// The options that lead to `address`, after `option` if that is not empty.
fn options(option: &str, address: SocketAddr) -> Vec<String> {
    let options = [option, &address.to_string()];
    options.into_iter().filter(|option| !option.is_empty()).map(str::to_owned).collect()
}

#[track_caller]
fn client(option: &str, address: SocketAddr) -> Program {
    Program::app("time-client", options(option, address))
}

#[test]
fn each_line_is_sent_without_its_newline_and_its_reply_printed() {
    let (listener, address) = net::listen();
    let mut client = client("", address);
    let mut server = net::accept(&listener);
    for (line, text) in
        [("hello\n", "hello"), ("dos\r\n", "dos"), (" two words \n", " two words "), ("\u{e9}\n", "\u{e9}")]
    {
        client.type_in(line);
        assert_eq!(net::read(&mut server, text.len()), text.as_bytes());
        write!(server, "{STAMP}{text}").unwrap();
        assert_eq!(client.line(), format!("{STAMP}{text}"));
    }
    let ended = client.close_and_finish().with_code(0);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
    assert_eq!(net::read_to_end(&mut server), b"");
}

#[test]
fn an_empty_line_ends_it_and_what_follows_is_not_sent() {
    let server = Server::start("--tcp 127.0.0.1:0");
    let mut client = client("", server.address());
    client.type_in("one\n\ntwo\n");
    let ended = client.finish().with_code(0);
    assert!(is_stamped(ended.stdout, "one\n"));
}

#[test]
fn a_last_line_without_newline_counts() {
    let server = Server::start("--tcp 127.0.0.1:0");
    let mut client = client("", server.address());
    client.type_in("one\nlast");
    let ended = client.close_and_finish().with_code(0);
    assert_eq!(without_stamps(ended.stdout.as_bytes()), b"one\nlast\n");
}

#[test]
fn no_input_is_no_error() {
    let server = Server::start("--tcp 127.0.0.1:0 --lines 127.0.0.1:0 --udp 127.0.0.1:0");
    for (option, address) in ["", "--lines", "--udp"].into_iter().zip(&server.addresses) {
        let ended = client(option, *address).close_and_finish().with_code(0);
        assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
    }
}

#[test]
fn input_that_is_no_text_is_sent_and_comes_back_as_it_is() {
    let server = Server::start("--tcp 127.0.0.1:0 --lines 127.0.0.1:0 --udp 127.0.0.1:0");
    for (option, address) in ["", "--lines", "--udp"].into_iter().zip(&server.addresses) {
        let mut client = client(option, *address);
        client.type_in(b"\xff\xfe\0\x1b[31m\x80\n");
        let shown = client.line();
        assert!(shown.ends_with(r"] \xff\xfe\x00\x1b[31m\x80\n"), "{shown}");
        client.close_and_finish().with_code(0);
    }
}

#[test]
fn a_reply_may_come_in_pieces_of_any_kind() {
    let (listener, address) = net::listen();
    let mut client = client("", address);
    let mut server = net::accept(&listener);
    server.set_nodelay(true).unwrap();
    let text = "x".repeat(2500);
    client.type_in(format!("{text}\n"));
    assert_eq!(net::read(&mut server, 2500), text.as_bytes());
    // As the tutorial's server does it, which reads 1,024 bytes at a time.
    let pieces = [&text[..1024], &text[1024..2048], &text[2048..]];
    let reply: String = pieces.iter().flat_map(|piece| [STAMP, piece]).collect();
    for part in reply.as_bytes().chunks(100) {
        server.write_all(part).unwrap();
    }
    assert_eq!(client.line(), reply);
    client.close_and_finish().with_code(0);
}

#[test]
fn what_comes_beyond_a_reply_belongs_to_the_next() {
    let (listener, address) = net::listen();
    let mut client = client("", address);
    let mut server = net::accept(&listener);
    client.type_in("one\n");
    assert_eq!(net::read(&mut server, 3), b"one");
    write!(server, "{STAMP}one{STAMP}t").unwrap();
    assert_eq!(client.line(), format!("{STAMP}one"));
    client.type_in("two\n");
    assert_eq!(net::read(&mut server, 3), b"two");
    write!(server, "wo").unwrap();
    assert_eq!(client.line(), format!("{STAMP}two"));
    client.close_and_finish().with_code(0);
}

#[test]
fn a_reply_of_another_form_is_printed_as_it_came_when_nothing_more_comes() {
    let (listener, address) = net::listen();
    let mut client = client("", address);
    let mut server = net::accept(&listener);
    client.type_in("hi\n");
    assert_eq!(net::read(&mut server, 2), b"hi");
    server.write_all(b"[12:00] hello there").unwrap();
    assert_eq!(client.line(), "[12:00] hello there");
    client.close_and_finish().with_code(0);
}

#[test]
fn a_reply_that_ends_like_a_stamp_begins_is_printed() {
    let server = Server::start("--tcp 127.0.0.1:0");
    let mut client = client("", server.address());
    for text in ["[", "a[", "today is [Sun", "[Sun Nov  1 16:58:06 2026] [Sun Nov  1 16:58:06 2026] "] {
        client.type_in(format!("{text}\n"));
        assert!(is_stamped(client.line(), text));
    }
    client.close_and_finish().with_code(0);
}

#[test]
fn a_text_of_megabytes_comes_back_whole() {
    let server = Server::start("--tcp 127.0.0.1:0");
    let mut client = client("", server.address());
    let text = "x".repeat(3_000_000);
    client.type_in(format!("{text}\n"));
    assert!(without_stamps(client.line().as_bytes()) == text.as_bytes());
    client.close_and_finish().with_code(0);
}

#[test]
fn a_line_longer_than_any_limit_is_a_clear_error() {
    let server = Server::start("--tcp 127.0.0.1:0");
    let mut client = client("", server.address());
    client.type_in("hi\n");
    assert!(is_stamped(client.line(), "hi"));
    client.type_in(vec![b'x'; (16 << 20) + 2]);
    let ended = client.finish().with_code(1);
    assert_eq!(ended.stderr, "time-client: a line of standard input is longer than 16777216 bytes\n");
}

#[test]
fn a_server_that_goes_away_is_said_at_once_although_the_input_is_open() {
    let (listener, address) = net::listen();
    for option in ["", "--lines"] {
        let client = client(option, address);
        drop(net::accept(&listener));
        let ended = client.finish().with_code(1);
        assert_eq!(ended.stderr, "time-client: the server closed the connection\n");
    }
}

#[test]
fn what_has_come_of_a_reply_is_printed_when_the_server_goes_away() {
    let (listener, address) = net::listen();
    let mut client = client("", address);
    let mut server = net::accept(&listener);
    client.type_in("hello\n");
    assert_eq!(net::read(&mut server, 5), b"hello");
    write!(server, "{STAMP}hel").unwrap();
    drop(server);
    let ended = client.finish().with_code(1);
    assert_eq!(ended.stdout, format!("{STAMP}hel\n"));
    assert_eq!(ended.stderr, "time-client: the server closed the connection before its reply was complete\n");
}

#[test]
fn a_server_that_sends_without_end_is_given_up() {
    let (listener, address) = net::listen();
    let endless = |before: &str| {
        let mut client = client("", address);
        let mut server = net::accept(&listener);
        client.type_in(before);
        net::read(&mut server, before.trim_end().len());
        let garbage = thread::spawn(move || while server.write_all(&[b'\xff'; 65_536]).is_ok() {});
        let ended = client.finish().with_code(1);
        garbage.join().unwrap();
        assert_eq!(ended.stderr, "time-client: the server sent too much unsolicited data\n");
    };
    endless("");
    endless("hi\n");
}

#[test]
fn without_a_server_there_is_one_line_about_it_and_status_1() {
    let (listener, address) = net::listen();
    drop(listener);
    for (option, verb) in [("", "connect to"), ("--lines", "connect to")] {
        let ended = client(option, address).finish().with_code(1);
        assert_eq!(ended.stderr, format!("time-client: cannot {verb} {address}: connection refused\n"));
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn an_unknown_host_is_named() {
    for option in ["--lines", "--udp"] {
        let ended = Program::app("time-client", [option, "nowhere.invalid", "21567"]).finish().with_code(1);
        assert!(ended.stderr.contains("nowhere.invalid:21567: name not known"), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1);
    }
}

#[test]
fn the_lines_form_makes_a_connection_for_each_line_and_ends_it_with_crlf() {
    let (listener, address) = net::listen();
    let mut client = client("--lines", address);
    for text in ["one", "two"] {
        client.type_in(format!("{text}\n"));
        let mut server = net::accept(&listener);
        assert_eq!(net::read(&mut server, 5), format!("{text}\r\n").as_bytes());
        write!(server, "{STAMP}{text}\r\n").unwrap();
        assert_eq!(client.line(), format!("{STAMP}{text}"));
        assert_eq!(net::read_to_end(&mut server), b"");
    }
    client.close_and_finish().with_code(0);
}

#[test]
fn in_the_lines_form_the_end_of_the_connection_ends_any_reply() {
    let (listener, address) = net::listen();
    let mut client = client("--lines", address);
    client.type_in("hi\n");
    let mut server = net::accept(&listener);
    assert_eq!(net::read(&mut server, 4), b"hi\r\n");
    server.write_all(b"hello\n").unwrap();
    server.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.line(), "hello");
    client.close_and_finish().with_code(0);
}

#[test]
fn in_the_lines_form_no_reply_at_all_is_an_error() {
    let (listener, address) = net::listen();
    let mut client = client("--lines", address);
    client.type_in("hi\n");
    let mut server = net::accept(&listener);
    assert_eq!(net::read(&mut server, 4), b"hi\r\n");
    drop(server);
    let ended = client.finish().with_code(1);
    assert_eq!(ended.stderr, "time-client: the server closed the connection before its reply was complete\n");
}

#[test]
fn over_udp_each_line_is_a_datagram_and_each_datagram_a_reply() {
    let (server, address) = net::datagram_socket();
    let mut client = client("--udp", address);
    for (text, reply) in [("one", format!("{STAMP}one")), ("two", "anything".to_owned()), ("three", String::new())] {
        client.type_in(format!("{text}\n"));
        let (data, peer) = receive(&server);
        assert_eq!(data, text.as_bytes());
        server.send_to(reply.as_bytes(), peer).unwrap();
        assert_eq!(client.line(), reply);
    }
    client.close_and_finish().with_code(0);
}

#[test]
fn over_udp_a_missing_answer_is_said_and_a_late_one_is_not_taken_for_the_next() {
    let (server, address) = net::datagram_socket();
    let mut client = client("--udp", address);
    client.type_in("one\n");
    let (_, peer) = receive(&server);
    client.type_in("two\n");
    // It sends this when it has given up the first.
    assert_eq!(receive(&server).0, b"two");
    server.send_to(format!("{STAMP}one").as_bytes(), peer).unwrap();
    server.send_to(format!("{STAMP}two").as_bytes(), peer).unwrap();
    assert_eq!(client.line(), format!("{STAMP}two"));
    let ended = client.close_and_finish().with_code(0);
    assert_eq!(ended.stderr, format!("no answer from {address} within 2 seconds\n"));
}

#[test]
fn over_udp_datagrams_from_elsewhere_are_no_replies() {
    let (server, address) = net::datagram_socket();
    let (elsewhere, _) = net::datagram_socket();
    let mut client = client("--udp", address);
    client.type_in("hi\n");
    let (_, peer) = receive(&server);
    elsewhere.send_to(b"boo", peer).unwrap();
    server.send_to(b"hello", peer).unwrap();
    assert_eq!(client.line(), "hello");
    client.close_and_finish().with_code(0);
}

#[test]
fn over_udp_a_refusal_is_one_line_and_status_1() {
    let (socket, address) = net::datagram_socket();
    drop(socket);
    let mut client = client("--udp", address);
    client.type_in("hi\n");
    let ended = client.finish().with_code(1);
    assert_eq!(ended.stderr, format!("time-client: cannot reach {address}: connection refused\n"));
}

#[test]
fn over_udp_the_addresses_of_a_name_are_tried_in_turn_when_refused() {
    // On most machines localhost is ::1 as well, where nothing listens.
    let server = Server::start("--udp 127.0.0.1:0");
    let port = server.address().port().to_string();
    let mut client = Program::app("time-client", ["--udp", "localhost", &port]);
    for text in ["one", "two"] {
        client.type_in(format!("{text}\n"));
        assert!(is_stamped(client.line(), text));
    }
    client.close_and_finish().with_code(0);
}

#[test]
fn over_udp_a_line_too_long_for_a_datagram_is_said_and_the_next_is_sent() {
    let server = Server::start("--udp 127.0.0.1:0");
    let mut client = client("--udp", server.address());
    client.type_in([&[b'x'; 70_000][..], b"\nhi\n"].concat());
    assert!(is_stamped(client.line(), "hi"));
    let ended = client.close_and_finish().with_code(0);
    assert_eq!(ended.stderr, "cannot send the line: 70000 bytes are too many for one datagram\n");
}

#[test]
fn a_reader_that_goes_away_ends_it_with_status_1() {
    let server = Server::start("--tcp 127.0.0.1:0");
    let mut client = client("", server.address());
    client.close_stdout();
    client.type_until_refused("hi\n");
    let ended = client.finish().with_code(1);
    assert!(ended.stderr.starts_with("time-client: cannot write to standard output: "), "{}", ended.stderr);
}

#[test]
fn a_signal_while_a_reply_is_awaited_ends_it_with_status_130() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (listener, address) = net::listen();
        let mut client = client("", address);
        let mut server = net::accept(&listener);
        client.type_in("hi\n");
        assert_eq!(net::read(&mut server, 2), b"hi");
        client.signal(signal);
        client.finish().with_code(130);
        assert_eq!(server.read(&mut [0]).unwrap_or(0), 0);
    }
}

#[test]
fn a_wrong_command_line_is_explained_with_status_2() {
    for (arguments, expected) in [
        (&["localhost", "70000"][..], "a port is a number from 0 to 65535"),
        (&["localhost", "http"], "a port is a number from 0 to 65535"),
        (&["localhost", "1", "2"], "unexpected argument"),
        (&["--lines", "--udp"], "cannot be used with"),
        (&["localhost:21567", "1"], "the port is given twice: localhost:21567 has the port 21567 already"),
        (&["tpc:localhost:21567"], "\"tpc\" (at 0) is not a scheme: those known are tcp, "),
        (&["unix:/run/a", "21567"], "it cannot be used with a port"),
        (&["unix:/run/a", "--udp"], "it cannot be used with --udp"),
        (&["ws://localhost/", "--udp"], "is a URL: it cannot be used with --udp"),
        (&[""], "the host is missing"),
    ] {
        let ended = Program::app("time-client", arguments).finish().with_code(2);
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    }
}

#[test]
fn help_tells_the_exit_statuses() {
    let ended = Program::app("time-client", ["--help"]).finish().with_code(0);
    for expected in ["[HOST] [PORT]", "--lines", "--udp", "Exit status:"] {
        assert!(ended.stdout.contains(expected), "{}", ended.stdout);
    }
}
