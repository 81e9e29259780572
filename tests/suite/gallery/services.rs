use std::fs;
use std::fs::OpenOptions;
use std::io::Write;
use std::process::Command;

use nix::sys::signal::Signal;
use tempfile::tempdir;

use crate::apps::binaries::example;
use crate::apps::net::{accept, closed_port, listen, read, read_to_end};
use crate::apps::program::Program;

/// The services that the log says have done this, in their order.
fn those_that(have_done: &str, log: &str) -> Vec<String> {
    let beginning = format!(" {have_done} service=\"");
    let names = log.lines().filter_map(|line| line.split_once(&beginning));
    names.map(|(_, name)| name.split('"').next().unwrap().to_owned()).collect()
}

#[test]
fn simple_services_start_in_order_and_stop_in_reverse() {
    let directory = tempdir().unwrap();
    let [one, two] = ["one", "two"].map(|name| format!("unix:{}", directory.path().join(name).display()));
    let mut program =
        Program::start(Command::new(example("simple_services")).args([&one, &two, &two]).env("NO_COLOR", "1"));
    assert_eq!(program.line(), "lala, starting");
    assert_eq!(program.line(), "--MARK--");
    assert_eq!(program.line(), "lalala\\n");
    program.signal(Signal::SIGTERM);
    let ended = program.finish().with_code(0);
    assert_eq!(ended.stdout, "lala, stopping\n");
    let mut services = vec![&*one, &two, "mark", &two, "foo", "test"];
    assert_eq!(those_that("started", &ended.stderr), services);
    // The parent is done when its children are.
    services[..5].reverse();
    assert_eq!(those_that("stopped", &ended.stderr), services);
}

#[test]
fn simple_services_of_which_one_cannot_start_are_stopped_and_say_why() {
    let (_listener, taken) = listen();
    let directory = tempdir().unwrap();
    let path = directory.path().join("one");
    let (one, two) = (format!("unix:{}", path.display()), format!("tcp:{}:interface=127.0.0.1", taken.port()));
    let program =
        Program::start(Command::new(example("simple_services")).args([&one, &two, &one]).env("NO_COLOR", "1"));
    let ended = program.finish().with_code(1);
    assert_eq!(ended.stdout, "");
    assert_eq!(those_that("started", &ended.stderr), [&*one]);
    let last = ended.stderr.lines().last().unwrap();
    assert_eq!(last, format!("simple_services: cannot listen on {taken}: address in use"));
    assert!(!path.exists());
}

#[test]
fn what_is_added_to_a_watched_file_is_shown() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("log");
    fs::write(&path, "there already\n").unwrap();
    let mut program = Program::example("file_watch", [&path]);
    assert_eq!(program.line(), "there already");
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    for line in ["one", "two"] {
        writeln!(file, "{line}").unwrap();
        assert_eq!(program.line(), line);
    }
    program.signal(Signal::SIGINT);
    let ended = program.finish().with_code(0);
    assert_eq!((&*ended.stdout, &*ended.stderr), ("", ""));
}

#[test]
fn what_cannot_be_watched_is_an_error() {
    let ended = Program::example("file_watch", ["/nowhere/log"]).finish().with_code(1);
    assert!(ended.stderr.starts_with("file_watch: cannot open /nowhere/log: "), "{}", ended.stderr);
    // A file that can be opened but not read.
    let ended = Program::example("file_watch", ["/"]).finish().with_code(1);
    assert!(ended.stderr.contains("file_watch: / panicked: the file can be read: "), "{}", ended.stderr);
}

#[test]
fn the_client_service_greets_once_and_comes_back() {
    let (listener, address) = listen();
    let mut program = Program::example("client_service", [format!("tcp:127.0.0.1:{}", address.port())]);
    let mut server = accept(&listener);
    assert_eq!(read(&mut server, 15), b"hello, world!\r\n");
    server.write_all(b"one").unwrap();
    assert_eq!(program.line(), "one");
    drop(server);
    let mut server = accept(&listener);
    server.write_all(b"two").unwrap();
    assert_eq!(program.line(), "two");
    program.signal(Signal::SIGTERM);
    assert_eq!(read_to_end(&mut server), b"");
    program.finish().with_code(0);
}

#[test]
fn the_client_service_reports_the_initial_failure_and_goes_on() {
    let (socket, address) = closed_port();
    let mut program = Program::example("client_service", [format!("tcp:127.0.0.1:{}", address.port())]);
    let line = program.line_after("initial connection failed: ");
    assert_eq!(line, format!("cannot connect to {address}: connection refused"));
    socket.listen(1).unwrap();
    accept(&socket.into()).write_all(b"here I am").unwrap();
    assert_eq!(program.line(), "here I am");
}
