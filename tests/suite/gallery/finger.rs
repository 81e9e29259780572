use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::{env, fs, thread};

use nix::sys::signal::Signal;
use tempfile::tempdir;

use crate::apps::binaries::example;
use crate::apps::net::{accept, closed_port, listen};
use crate::apps::program::Program;
use crate::gallery::{ANY_PORT, Client, ask, listening, serve, serve_endpoints};
use crate::support::in_time;

/// Waits until the process has something to be done on SIGTERM.
fn wait_for_its_handler(pid: u32) {
    in_time(move || {
        let caught = || {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
            u64::from_str_radix(mask, 16).unwrap() & 1 << (Signal::SIGTERM as u32 - 1) != 0
        };
        while !caught() {
            thread::yield_now();
        }
    });
}

#[test]
fn stage_1_runs_until_it_is_told_to_end() {
    let program = Program::example("finger01", [""; 0]);
    wait_for_its_handler(program.id());
    program.signal(Signal::SIGTERM);
    let ended = program.finish().with_code(0);
    assert_eq!((&*ended.stdout, &*ended.stderr), ("", ""));
}

#[test]
fn stage_2_accepts_and_stays_silent() {
    let (server, address) = serve("finger02", &[]);
    let mut client = Client::connect(address);
    client.say("moshez");
    client.end();
    assert_eq!(client.hear_to_the_end(), "");
    let silent = Client::connect(address);
    server.signal(Signal::SIGTERM);
    assert_eq!(silent.hear_to_the_end(), "");
    server.finish().with_code(0);
}

#[test]
fn stage_3_closes_at_once() {
    let (_server, address) = serve("finger03", &[]);
    assert_eq!(Client::connect(address).hear_to_the_end(), "");
}

#[test]
fn stage_4_closes_when_it_has_read_a_line() {
    let (_server, address) = serve("finger04", &[]);
    assert_eq!(ask(address, "moshez"), "");
}

#[test]
fn stages_5_and_6_know_nobody() {
    for stage in ["finger05", "finger06"] {
        let (_server, address) = serve(stage, &[]);
        assert_eq!(ask(address, "moshez"), "No such user\r\n");
    }
}

#[test]
fn stages_7_and_8_know_one_user() {
    for stage in ["finger07", "finger08"] {
        let (_server, address) = serve(stage, &[]);
        assert_eq!(ask(address, "moshez"), "Happy and well\r\n");
        assert_eq!(ask(address, "nobody"), "No such user\r\n");
    }
}

/// Stage 9, with no other programs than those in a directory.
fn stage_9(path: &Path) -> (Program, SocketAddr) {
    let mut server = Program::start(Command::new(example("finger09")).arg("127.0.0.1:0").env("PATH", path));
    let address = listening(&mut server);
    (server, address)
}

#[test]
fn stage_9_answers_what_another_program_prints() {
    let directory = tempdir().unwrap();
    let finger = directory.path().join("finger");
    let (_server, address) = stage_9(directory.path());
    assert_eq!(ask(address, "moshez"), "Internal error in server\r\n");
    let paths = env::var_os("PATH").unwrap();
    let printf = env::split_paths(&paths).map(|path| path.join("printf")).find(|path| path.exists()).unwrap();
    symlink(printf, &finger).unwrap();
    assert_eq!(ask(address, "moshez"), "moshez\r\n");
    assert_eq!(ask(address, "--help"), "--help\r\n");
}

/// A server on the web that has one page.
fn web() -> SocketAddr {
    let (listener, address) = listen();
    thread::spawn(move || {
        loop {
            let mut client = BufReader::new(accept(&listener));
            let request: Vec<_> =
                client.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let answer = match &*request[0] {
                "GET /~moshez HTTP/1.0" => "200 OK\r\nContent-Type: text/plain\r\n\r\nHappy and well",
                _ => "404 Not Found\r\n\r\nNo such page",
            };
            write!(client.get_mut(), "HTTP/1.1 {answer}").unwrap();
        }
    });
    address
}

#[test]
fn stage_10_answers_what_the_web_knows() {
    let (_server, address) = serve("finger10", &[&web().to_string()]);
    assert_eq!(ask(address, "moshez"), "Happy and well\r\n");
    assert_eq!(ask(address, "nobody"), "Internal error in server\r\n");
    let (_server, address) = serve("finger10", &["127.0.0.1:1"]);
    assert_eq!(ask(address, "moshez"), "Internal error in server\r\n");
}

#[test]
fn stage_11_is_a_service_that_stops_in_order() {
    let (server, [address]) = serve_endpoints("finger11", [ANY_PORT]);
    assert_eq!(ask(address, "moshez"), "Happy and well\r\n");
    assert_eq!(ask(address, "nobody"), "No such user\r\n");
    let waiting = Client::connect(address);
    server.signal(Signal::SIGTERM);
    assert_eq!(waiting.hear_to_the_end(), "");
    server.finish().with_code(0);
}

#[test]
fn stage_11_says_what_is_wrong_with_its_endpoint() {
    let ended = Program::example("finger11", ["tcp:finger"]).finish().with_code(1);
    assert!(ended.stderr.contains("finger11: ") && ended.stderr.contains("tcp:finger"), "{}", ended.stderr);
}

#[test]
fn stage_13_answers_on_one_port_what_was_set_on_the_other() {
    let (_server, [finger, setter]) = serve_endpoints("finger13", [ANY_PORT; 2]);
    assert_eq!(ask(finger, "moshez"), "Happy and well\r\n");
    let mut client = Client::connect(setter);
    client.say("moshez");
    assert_eq!(ask(finger, "moshez"), "Happy and well\r\n");
    client.say("Gone fishing");
    client.say("and no more is heard");
    assert_eq!(client.hear_to_the_end(), "");
    assert_eq!(ask(finger, "moshez"), "Gone fishing\r\n");
    assert_eq!(ask(finger, "nobody"), "No such user\r\n");
}

#[test]
fn stage_13_stops_both_ports_and_then_what_they_share() {
    let (server, [finger, setter]) = serve_endpoints("finger13", [ANY_PORT; 2]);
    let [asking, setting] = [finger, setter].map(Client::connect);
    server.signal(Signal::SIGTERM);
    assert_eq!((asking.hear_to_the_end(), setting.hear_to_the_end()), (String::new(), String::new()));
    let ended = server.finish().with_code(0);
    assert_eq!(ended.stdout, "at last moshez: Happy and well\n");
    assert!(TcpStream::connect(finger).is_err() && TcpStream::connect(setter).is_err());
}

#[test]
fn the_proxy_gives_everybody_the_answer_to_his_own_question() {
    let (listener, upstream) = listen();
    let (_proxy, address) = serve("finger_proxy", &[&upstream.port().to_string()]);
    let asked = ["one", "two", "three"].map(|user| {
        let mut client = Client::connect(address);
        client.say(&format!("{user}@127.0.0.1"));
        let mut question = BufReader::new(accept(&listener));
        let mut line = String::new();
        question.read_line(&mut line).unwrap();
        assert_eq!(line, format!("{user}\r\n"));
        (client, question, user)
    });
    for (client, mut question, user) in asked.into_iter().rev() {
        write!(question.get_mut(), "{user} is well\r\nand happy\r\n").unwrap();
        drop(question);
        assert_eq!(client.hear_to_the_end(), format!("{user} is well\r\nand happy\r\n"));
    }
}

#[test]
fn the_proxy_says_why_it_has_no_answer() {
    let (_socket, nowhere) = closed_port();
    let port = nowhere.port();
    let (_proxy, address) = serve("finger_proxy", &[&port.to_string()]);
    assert_eq!(ask(address, "moshez"), format!("cannot connect to 127.0.0.1:{port}: connection refused\r\n"));
    let mut client = Client::connect(address);
    client.say("moshez@127.0.0.1");
    client.end();
    assert!(client.hear_to_the_end().ends_with("connection refused\r\n"));
    let client = Client::connect(address);
    client.end();
    assert_eq!(client.hear_to_the_end(), "");
}
