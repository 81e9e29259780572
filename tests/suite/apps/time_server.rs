//! `time-server` as its clients and its operator see it.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{fs, io, thread};

use chrono::{DateTime, TimeDelta, Utc};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::apps::binaries::binary;
use crate::apps::net;
use crate::apps::program::Program;
use crate::apps::server::Server;
use crate::apps::stamps::{is_stamped, split_stamp, without_stamps};
use crate::apps::tools::as_nobody;
use crate::support::datagrams::receive;

#[test]
fn each_chunk_is_answered_with_the_time_and_the_same_bytes() {
    let server = Server::start("--tcp 127.0.0.1:0");
    let mut client = net::connect(server.address());
    let every_byte: Vec<u8> = (0..=255).collect();
    for chunk in [&b"hi"[..], b"x", &every_byte] {
        client.write_all(chunk).unwrap();
        assert!(is_stamped(net::read(&mut client, 27 + chunk.len()), chunk));
    }
}

#[test]
fn the_stamp_is_the_local_time() {
    for (zone, minutes_east) in [("UTC0", 0), ("EAST-9", 9 * 60), ("WEST3:30", -(3 * 60 + 30))] {
        let mut command = Command::new(binary("time-server"));
        let server = Server::start_as(command.args(["--tcp", "127.0.0.1:0"]).env("TZ", zone));
        let mut client = net::connect(server.address());
        let now = || Utc::now().naive_utc() + TimeDelta::minutes(minutes_east);
        // The stamp has no fractions of a second.
        let before = now() - TimeDelta::seconds(1);
        client.write_all(b"?").unwrap();
        let (time, _) = split_stamp(&net::read(&mut client, 28));
        assert!(before < time && time <= now(), "{time} in {zone}");
    }
}

#[test]
fn stamps_are_in_utc_and_as_rfc_3339_has_it_if_asked_for() {
    for (options, offset) in [("--utc", ""), ("--iso", "+05:30"), ("--iso --utc", "Z")] {
        let mut command = Command::new(binary("time-server"));
        command.args(["--tcp", "127.0.0.1:0", "--udp", "127.0.0.1:0", "--lines", "127.0.0.1:0"]);
        let server = Server::start_as(command.args(options.split(' ')).env("TZ", "EAST-5:30"));
        for (option, address) in ["", "--lines", "--udp"].into_iter().zip(&server.addresses) {
            let option = (!option.is_empty()).then(|| option.to_owned());
            let before = Utc::now() - TimeDelta::seconds(1);
            let mut client = Program::app("time-client", option.into_iter().chain([address.to_string()]));
            client.type_in("hi\n");
            let line = client.line();
            let stamp = line.strip_prefix('[').and_then(|line| line.strip_suffix("] hi")).expect(&line);
            let time = match offset {
                "" => split_stamp(line.as_bytes()).0.and_utc(),
                offset => {
                    assert!(stamp.ends_with(offset), "{line}");
                    DateTime::parse_from_rfc3339(stamp).unwrap().to_utc()
                }
            };
            assert!(before < time && time <= Utc::now(), "{line}");
            client.close_and_finish().with_code(0);
        }
    }
}

#[test]
fn with_json_all_that_it_says_is_an_object_on_a_line() {
    let mut server = Program::app("time-server", ["--web", "127.0.0.1:0", "--log-format", "json", "-vv"]);
    let mut line = || serde_json::from_str::<Value>(&server.line()).unwrap();
    let waiting = line();
    assert_eq!((&waiting["service"], &waiting["level"]), (&"web".into(), &"INFO".into()));
    let mut client = Program::app("time-client", [waiting["address"].as_str().unwrap()]);
    client.type_in("\u{1b}[2J\"\n");
    client.line();
    let connected = line();
    assert_eq!(connected["message"], "connected");
    let received = line();
    assert_eq!((&received["data"], &received["peer"]), (&"\u{1b}[2J\"".into(), &connected["peer"]));
    client.close_and_finish().with_code(0);
    server.signal(Signal::SIGTERM);
    let ended = server.finish().with_code(0);
    let log: Vec<Value> = ended.stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    // What happens to a connection names it.
    assert!(log.iter().any(|event| event["connection"]["peer"] == connected["peer"]), "{}", ended.stderr);
}

#[test]
fn a_client_that_ends_its_stream_gets_all_of_its_answers() {
    let server = Server::start("--tcp 127.0.0.1:0");
    let client = net::connect(server.address());
    let text = vec![b'x'; 3_000_000];
    let answer = thread::scope(|scope| {
        scope.spawn(|| {
            (&client).write_all(&text).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
        });
        net::read_to_end(&mut client.try_clone().unwrap())
    });
    assert!(without_stamps(&answer) == text);
}

#[test]
fn one_process_serves_several_addresses_in_all_three_ways() {
    let server = Server::start(
        "--tcp 127.0.0.1:0 --tcp 0 --lines 127.0.0.1:0 --lines 127.0.0.1:0 --udp 127.0.0.1:0 --udp 127.0.0.1:0",
    );
    for (index, address) in server.addresses.iter().enumerate() {
        let address = SocketAddr::from(([127, 0, 0, 1], address.port()));
        let answer = match index {
            0 | 1 => {
                let mut client = net::connect(address);
                client.write_all(b"hi\n").unwrap();
                net::read(&mut client, 30)
            }
            2 | 3 => {
                let mut client = net::connect(address);
                client.write_all(b"hi\n").unwrap();
                net::read_to_end(&mut client)
            }
            _ => {
                let (client, _) = net::datagram_socket();
                client.send_to(b"hi\n", address).unwrap();
                receive(&client).0
            }
        };
        assert!(is_stamped(answer, "hi\n"));
    }
}

#[test]
fn clients_and_with_v_what_they_send_are_told_on_standard_output() {
    let mut server = Server::start("--tcp 127.0.0.1:0 -v");
    let mut client = net::connect(server.address());
    client.write_all(b"caf\xc3\xa9 \x1b[2J\xff\r\n").unwrap();
    let name = client.local_addr().unwrap();
    assert_eq!(server.program.line_after("...connected from: "), name.to_string());
    // Nothing in it can take hold of a terminal.
    assert_eq!(
        server.program.line_after("...received from "),
        format!(r#"{name}: "café \u{{1b}}[2J{}\r\n""#, '\u{fffd}')
    );
}

#[test]
fn a_line_is_answered_as_it_came_and_the_connection_closed() {
    let server = Server::start("--lines 127.0.0.1:0");
    for line in ["hi\r\n", "hi\n", "\r\n", "\n", " a\rb \n"] {
        let mut client = net::connect(server.address());
        client.write_all(line.as_bytes()).unwrap();
        assert!(is_stamped(net::read_to_end(&mut client), line));
    }
}

#[test]
fn only_the_first_line_of_a_connection_is_answered() {
    let server = Server::start("--lines 127.0.0.1:0");
    let mut client = net::connect(server.address());
    client.write_all(b"one\r\ntwo\r\nthree").unwrap();
    assert!(is_stamped(net::read_to_end(&mut client), "one\r\n"));
}

#[test]
fn a_line_that_the_client_ends_by_ending_its_stream_is_answered() {
    let server = Server::start("--lines 127.0.0.1:0");
    let mut client = net::connect(server.address());
    client.write_all(b"no newline").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert!(is_stamped(net::read_to_end(&mut client), "no newline"));
}

#[test]
fn a_client_that_sends_no_line_gets_no_answer() {
    let server = Server::start("--lines 127.0.0.1:0");
    let mut client = net::connect(server.address());
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(net::read_to_end(&mut client), b"");
}

#[test]
fn a_line_without_end_is_given_up_and_other_clients_are_served() {
    let server = Server::start("--lines 127.0.0.1:0");
    let mut endless = net::connect(server.address());
    // The server closes before it has taken all this.
    while endless.write_all(&[b'x'; 65_536]).is_ok() {}
    let mut client = net::connect(server.address());
    client.write_all(b"hi\r\n").unwrap();
    assert!(is_stamped(net::read_to_end(&mut client), "hi\r\n"));
}

#[test]
fn a_datagram_is_answered_with_one_even_if_it_is_empty() {
    let server = Server::start("--udp 127.0.0.1:0");
    let (client, _) = net::datagram_socket();
    for data in [&b"hi"[..], b"", b"\0\xff\n", &[b'x'; 9000]] {
        client.send_to(data, server.address()).unwrap();
        let (answer, peer) = receive(&client);
        assert_eq!(peer, server.address());
        assert!(is_stamped(answer, data));
    }
}

#[test]
fn with_v_a_datagram_is_told_that_is_answered_and_no_other() {
    // From such a port a datagram may be another service's answer.
    let Some(unanswered) = (512..1024).find_map(|port| UdpSocket::bind(("127.0.0.1", port)).ok()) else {
        let _ = writeln!(io::stderr(), "skipped, because there is no port below 1024 to be had");
        return;
    };
    let mut server = Server::start("--udp 127.0.0.1:0 -v");
    unanswered.send_to(b"forged", server.address()).unwrap();
    let (client, _) = net::datagram_socket();
    client.send_to(b"hi", server.address()).unwrap();
    receive(&client);
    let name = client.local_addr().unwrap();
    assert_eq!(server.program.line_after("...received from "), format!("{name}: \"hi\""));
}

#[test]
fn a_datagram_is_answered_from_the_address_that_it_was_sent_to() {
    let server = Server::start("--udp 0");
    let (client, _) = net::datagram_socket();
    let address = SocketAddr::from(([127, 0, 0, 2], server.address().port()));
    client.send_to(b"hi", address).unwrap();
    assert_eq!(receive(&client).1, address);
}

#[test]
fn a_datagram_too_long_for_its_stamp_is_not_answered_and_the_next_is() {
    let server = Server::start("--udp 127.0.0.1:0");
    let (client, _) = net::datagram_socket();
    client.send_to(&[b'x'; 65_507], server.address()).unwrap();
    client.send_to(b"hi", server.address()).unwrap();
    assert!(is_stamped(receive(&client).0, "hi"));
}

#[test]
fn a_client_that_is_gone_before_its_answer_comes_stops_nobody() {
    let server = Server::start("--udp 127.0.0.1:0");
    let (client, _) = net::datagram_socket();
    let (gone, _) = net::datagram_socket();
    for _ in 0..20 {
        gone.send_to(b"?", server.address()).unwrap();
    }
    drop(gone);
    for _ in 0..20 {
        client.send_to(b"hi", server.address()).unwrap();
        assert!(is_stamped(receive(&client).0, "hi"));
    }
}

#[test]
fn a_signal_ends_it_with_status_0_when_everything_is_sent() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let server = Server::start("--tcp 127.0.0.1:0 --lines 127.0.0.1:0 --udp 127.0.0.1:0");
        let mut client = net::connect(server.addresses[0]);
        let mut idle = net::connect(server.addresses[1]);
        client.write_all(b"hi").unwrap();
        assert!(is_stamped(net::read(&mut client, 29), "hi"));
        server.program.signal(signal);
        assert_eq!(net::read_to_end(&mut client), b"");
        assert_eq!(net::read_to_end(&mut idle), b"");
        let ended = server.program.finish().with_code(0);
        assert_eq!(ended.stderr, "");
    }
}

#[test]
fn a_second_signal_ends_it_although_a_client_does_not_read() {
    let server = Server::start("--tcp 127.0.0.1:0");
    let mut client = net::connect(server.address());
    // Until the answers that are not read fill everything between here and there.
    client.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    while client.write(&[b'x'; 65_536]).is_ok() {}
    server.program.signal(Signal::SIGTERM);
    // The first is answered by closing the port, so this fails when it has come.
    while TcpListener::bind(server.address()).is_err() {}
    server.program.signal(Signal::SIGTERM);
    server.program.finish().with_code(0);
}

#[test]
fn it_goes_on_when_nobody_reads_its_standard_output() {
    let mut server = Server::start("--tcp 127.0.0.1:0 -v");
    server.program.close_stdout();
    let mut client = net::connect(server.address());
    for _ in 0..200 {
        let chunk = [b'x'; 1000];
        client.write_all(&chunk).unwrap();
        assert!(is_stamped(net::read(&mut client, 1027), chunk));
    }
    server.program.signal(Signal::SIGTERM);
    server.program.finish().with_code(0);
}

#[test]
fn it_goes_on_when_its_standard_output_is_held_up() {
    let (reader, writer) = io::pipe().unwrap();
    let mut command = Command::new(binary("time-server"));
    let mut server = command.args(["--tcp", "127.0.0.1:0", "-v"]).stdout(writer).stderr(Stdio::null()).spawn().unwrap();
    drop(command);
    // Its first line is read, and no more.
    let mut first_line = String::new();
    let mut reader = BufReader::with_capacity(1, reader);
    reader.read_line(&mut first_line).unwrap();
    let address = first_line.trim_end().rsplit_once(' ').unwrap().1.parse().unwrap();
    let mut client = net::connect(address);
    for _ in 0..500 {
        let chunk = [b'x'; 1000];
        client.write_all(&chunk).unwrap();
        assert!(is_stamped(net::read(&mut client, 1027), chunk));
    }
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn a_port_in_use_is_a_clear_error_with_status_1() {
    let (_listener, taken) = net::listen();
    let (_socket, taken_for_udp) = net::datagram_socket();
    for (option, address) in [("--tcp", taken), ("--lines", taken), ("--web", taken), ("--udp", taken_for_udp)] {
        let ended = Program::app("time-server", [option, &address.to_string()]).finish().with_code(1);
        assert_eq!(ended.stdout, "");
        let expected = format!("time-server: cannot listen on {address}: address in use");
        assert!(ended.stderr.starts_with(&expected) && ended.stderr.lines().count() == 1, "{}", ended.stderr);
    }
}

#[test]
fn nothing_is_announced_unless_all_can_be_served() {
    let (_listener, taken) = net::listen();
    let arguments = ["--tcp", "127.0.0.1:0", "--udp", "127.0.0.1:0", "--lines", &taken.to_string()];
    let ended = Program::app("time-server", arguments).finish().with_code(1);
    assert_eq!(ended.stdout, "");
}

#[test]
fn an_address_of_another_machine_is_a_clear_error() {
    let ended = Program::app("time-server", ["--tcp", "192.0.2.1:21567"]).finish().with_code(1);
    assert!(
        ended.stderr.contains("cannot listen on 192.0.2.1:21567: not an address of this machine"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_port_that_needs_a_privilege_is_a_clear_error() {
    let test = "a_port_that_needs_a_privilege_is_a_clear_error";
    // The lowest port is a privileged one, unless the whole machine is told otherwise.
    let unprivileged = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    let lowest_is_free = unprivileged.is_ok_and(|start| matches!(start.trim(), "0" | "1"));
    if lowest_is_free {
        return;
    }
    let Some((_copy, mut command)) = as_nobody("time-server", test) else { return };
    let ended = Program::start(command.args(["--tcp", "127.0.0.1:1"])).finish().with_code(1);
    assert!(ended.stderr.contains("cannot listen on 127.0.0.1:1: permission denied"), "{}", ended.stderr);
}

#[test]
fn a_wrong_command_line_is_explained_with_status_2() {
    for (arguments, expected) in [
        (&["--tcp", "70000"][..], "a port is a number from 0 to 65535"),
        (&["--udp", "127.0.0.1"], "expected a port or an address and a port"),
        (&["--udp", "localhost:x"], "\"x\" is not a port: a port is a number from 0 to 65535"),
        (&["--udp", "elsewhere:1"], "elsewhere is not an IP address"),
        (&["--lines", "where:1"], "--lines where:1: \"where\" (at 0) is not a scheme: those known are fd, "),
        (&["--log-format", "xml"], "possible values: text, json"),
        (&["--web", "tcp:80:backlog=x"], "\"x\" (at 15) is not a number"),
        (&["--unix", ""], "the path is missing"),
        (&["--tpc", "1"], "unexpected argument"),
        (&["21567"], "unexpected argument"),
        (&["-v", "-q"], "cannot be used with"),
    ] {
        let ended = Program::app("time-server", arguments).finish().with_code(2);
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn help_tells_the_exit_statuses() {
    let ended = Program::app("time-server", ["--help"]).finish().with_code(0);
    for expected in [
        "--tcp <ENDPOINT>",
        "--lines <ENDPOINT>",
        "--udp <ADDR>",
        "--web <ENDPOINT>",
        "systemd:name=NAME",
        "Exit status:",
        "RUST_LOG",
    ] {
        assert!(ended.stdout.contains(expected), "{}", ended.stdout);
    }
}

#[test]
fn a_mistake_in_rust_log_is_said_and_changes_nothing() {
    let mut command = Command::new(binary("time-server"));
    let server = Server::start_as(command.args(["--tcp", "127.0.0.1:0"]).env("RUST_LOG", "a=b=c"));
    server.program.signal(Signal::SIGTERM);
    let ended = server.program.finish().with_code(0);
    assert!(ended.stderr.contains("RUST_LOG"), "{}", ended.stderr);
}
