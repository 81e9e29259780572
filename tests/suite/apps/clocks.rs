//! R27: clocks that jump. The time of day is what the system reports; timers do not follow it.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use chrono::{TimeDelta, Utc};
use nix::sys::signal::Signal;
use reactor::Reactor;

use crate::apps::binaries::binary;
use crate::apps::net;
use crate::apps::program::Program;
use crate::apps::server::Server;
use crate::apps::stamps::split_stamp;
use crate::apps::tools::is_there;

/// Has a program see the time of day that the text of a file makes of it, as in `+1d`. `None` if the test is skipped.
#[track_caller]
fn with_time_from<'a>(command: &'a mut Command, file: &Path, test: &str) -> Option<&'a mut Command> {
    if !is_there("faketime", Command::new("faketime").arg("--version"), test) {
        return None;
    }
    let library = Command::new("faketime").args(["-f", "+0", "printenv", "LD_PRELOAD"]).output().unwrap();
    set(file, "+0");
    command
        .env("LD_PRELOAD", String::from_utf8(library.stdout).unwrap().trim())
        .env("FAKETIME_TIMESTAMP_FILE", file)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    Some(command)
}

/// Not even for a moment it says nothing.
fn set(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, file).unwrap();
}

/// `command` in a time namespace, where the monotonic clock is three years ahead. `None` if the test is skipped.
#[track_caller]
fn three_years_ahead(command: &Command, test: &str) -> Option<Command> {
    let arguments = ["--time", "--monotonic", "100000000"];
    if !is_there("a time namespace", Command::new("unshare").args(arguments).arg("true"), test) {
        return None;
    }
    let mut unshare = Command::new("unshare");
    unshare.args(arguments).arg(command.get_program()).args(command.get_args());
    unshare.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Some(unshare)
}

fn time_server() -> Command {
    let mut command = Command::new(binary("time-server"));
    command.args(["--tcp", "127.0.0.1:0"]).env("TZ", "UTC0");
    command
}

#[track_caller]
fn check_time(server: &Server, days_ahead: i64) {
    let mut client = net::connect(server.address());
    let now = || Utc::now().naive_utc() + TimeDelta::days(days_ahead);
    // The stamp has no fractions of a second.
    let before = now() - TimeDelta::seconds(1);
    client.write_all(b"?").unwrap();
    let (time, _) = split_stamp(&net::read(&mut client, 28));
    assert!(before < time && time <= now(), "{time} instead of {before}");
}

#[test]
fn the_time_server_tells_the_new_time_when_the_clock_was_set() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("time");
    let test = "the_time_server_tells_the_new_time_when_the_clock_was_set";
    let mut command = time_server();
    let Some(command) = with_time_from(&mut command, &file, test) else { return };
    let server = Server::start_as(command);
    for (text, days_ahead) in [("+0", 0), ("+1d", 1), ("-1d", -1), ("+0", 0)] {
        set(&file, text);
        check_time(&server, days_ahead);
    }
    server.program.signal(Signal::SIGTERM);
    server.program.finish().with_code(0);
}

#[test]
fn the_time_server_tells_the_time_of_day_wherever_the_monotonic_clock_is() {
    let test = "the_time_server_tells_the_time_of_day_wherever_the_monotonic_clock_is";
    let Some(mut command) = three_years_ahead(&time_server(), test) else { return };
    let server = Server::start_as(&mut command);
    check_time(&server, 0);
    server.program.signal(Signal::SIGTERM);
    server.program.finish().with_code(0);
}

/// Not a test by itself: a timer after the other, each of which tells whether it was early, and the time of day.
#[test]
fn is_a_child_if_told_so() {
    if std::env::var("CLOCKS_CHILD").is_err() {
        return;
    }
    fn next(reactor: &Reactor, number: u32) {
        let (again, begun) = (reactor.clone(), reactor.now());
        reactor.call_later(DELAY, move || {
            let early = again.now() - begun < DELAY;
            let hour = again.time_of_day().duration_since(UNIX_EPOCH).unwrap().as_secs() / 3600;
            eprintln!("timer {number} early {early} hour {hour}");
            match number {
                TIMERS => again.stop(),
                _ => next(&again, number + 1),
            }
        });
    }
    let reactor = Reactor::new().unwrap();
    next(&reactor, 1);
    reactor.run().unwrap();
}

const DELAY: Duration = Duration::from_millis(20);
const TIMERS: u32 = 16;

fn timers() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "apps::clocks::is_a_child_if_told_so", "--nocapture"]).env("CLOCKS_CHILD", "");
    command
}

/// Waits for every timer, and calls `between` behind each of them.
#[track_caller]
fn check_timers(command: &mut Command, between: impl Fn(u32)) -> Vec<i64> {
    let mut program = Program::start(command);
    let mut hours = Vec::new();
    for number in 1..=TIMERS {
        let line = program.stderr_line_with("timer ");
        let hour = line.strip_prefix(&format!("timer {number} early false hour "));
        hours.push(hour.unwrap_or_else(|| panic!("{line}")).parse().unwrap());
        between(number);
    }
    program.finish().with_code(0);
    hours
}

#[test]
fn no_timer_is_early_or_lost_when_the_clock_is_set_by_a_day() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("time");
    let test = "no_timer_is_early_or_lost_when_the_clock_is_set_by_a_day";
    let mut command = timers();
    let Some(command) = with_time_from(&mut command, &file, test) else { return };
    let hours = check_timers(command, |number| {
        set(&file, if number % 2 == 0 { "-1d" } else { "+1d" });
    });
    let spread = hours.iter().max().unwrap() - hours.iter().min().unwrap();
    assert!(spread >= 47, "the clock was not set: {hours:?}");
}

#[test]
fn no_timer_is_early_or_lost_wherever_the_monotonic_clock_is() {
    let test = "no_timer_is_early_or_lost_wherever_the_monotonic_clock_is";
    let Some(mut command) = three_years_ahead(&timers(), test) else { return };
    check_timers(&mut command, |_| ());
}
