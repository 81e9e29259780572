//! The measurements. Their names are those in the list of promises: R1 and so on.

use std::io;
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::process::Command;
use std::time::Duration;

use rig::faults::{
    ACCEPT_ERRORS, FAILURES, accepts_in_a_second_of_failures, serve_with_failing_accept, serve_with_failure,
};
use rig::out_of_memory::serve_with_failing_allocation;
use rig::ready_made::dialogues;
use rig::{Child, now, peer};

use crate::{
    Figure, cost, drain, half_open, handover, limits, live_handover, logins, many, slow_readers, soak, spread, tls,
    unfinished_input,
};

/// A measurement.
pub(crate) struct Check {
    pub(crate) name: &'static str,
    /// Its size, unless the command says `NAME=SIZE`.
    pub(crate) size: usize,
    pub(crate) run: fn(usize) -> io::Result<Vec<Figure>>,
}

pub(crate) const CHECKS: &[Check] = &[
    Check { name: "R1-held", size: 19_500, run: many::held },
    Check { name: "R4-churn", size: 100_000, run: many::churn },
    Check { name: "R5-descriptors", size: 120, run: limits::descriptors },
    Check { name: "R5-budget", size: 120, run: limits::budget },
    Check { name: "R6-accept", size: 10, run: failing_accept },
    Check { name: "R7-faults", size: 10, run: faults },
    Check { name: "failing-allocations", size: 20, run: failing_allocations },
    Check { name: "R8-slow-reader", size: 300, run: limits::slow_reader },
    Check { name: "R9-slow-readers", size: 1_000, run: slow_readers::slow_readers },
    Check { name: "R9-unfinished-input", size: 19_000, run: unfinished_input::unfinished_input },
    Check { name: "R10-unbounded-writer", size: 3, run: limits::unbounded_writer },
    Check { name: "R11-slowloris", size: 5_000, run: limits::slowloris },
    Check { name: "R13-half-open", size: 10, run: half_open::half_open },
    Check { name: "R15-resets", size: 50_000, run: many::resets },
    Check { name: "R16-panics", size: 10_000, run: many::panics },
    Check { name: "R22-drain", size: 10, run: drain::drain },
    Check { name: "R23-handover", size: 10, run: handover::handover },
    Check { name: "R23-live", size: 10, run: live_handover::live },
    Check { name: "R28-threads", size: 3, run: limits::threads },
    Check { name: "R30-fairness", size: 1_000, run: limits::fairness },
    Check { name: "R36-allocations", size: 100_000, run: cost::allocations_a_message },
    Check { name: "R38-soak", size: 1, run: soak::soak },
    Check { name: "logins", size: 100, run: logins::logins },
    Check { name: "CPU", size: 5, run: cost::processor_time },
    Check { name: "CPU-lines", size: 3, run: cost::processor_time_of_lines },
    Check { name: "CPU-strings", size: 3, run: cost::processor_time_of_strings },
    Check { name: "threads", size: 5, run: spread::spread },
    Check { name: "UDP", size: 5, run: cost::datagrams },
    Check { name: "TLS-echo", size: 5, run: tls::echo },
    Check { name: "TLS-bulk", size: 5, run: tls::bulk },
    Check { name: "TLS-handshakes", size: 5, run: tls::handshakes },
    Check { name: "TLS-held", size: 1_000, run: tls::held },
    Check { name: "TLS-latency", size: 5, run: tls::latency },
    Check { name: "TLS-reload", size: 200, run: tls::reload },
];

pub(crate) fn server(kind: &str, options: &[&str]) -> Child {
    let program = std::env::current_exe().expect("this program knows where it is");
    Child::start(Command::new(program).args(["serve", kind, "cpu=0"]).args(options))
}

/// Makes each of the first `calls` calls of `accept` fail, each with every error in a run of its own; then all of them.
fn failing_accept(calls: usize) -> io::Result<Vec<Figure>> {
    let program = std::env::current_exe()?;
    let (mut wrong, mut most) = (0, 0);
    for error in ACCEPT_ERRORS {
        for nth in 1..=calls as u32 {
            if let Err(what) = serve_with_failing_accept(&program, error, nth) {
                eprintln!("accept number {nth} fails with {error}: {what}");
                wrong += 1;
            }
        }
        most = most.max(accepts_in_a_second_of_failures(&program, error).map_err(io::Error::other)?);
    }
    Ok(vec![
        Figure::exactly(0, format!("runs with any of the first {calls} calls failing that went wrong"), wrong),
        Figure::at_most(7_500.0, "calls of accept in a second in which all fail", most as f64),
    ])
}

/// Makes each of the first `calls` calls of each kind fail, each in a run of its own.
fn faults(calls: usize) -> io::Result<Vec<Figure>> {
    let program = std::env::current_exe()?;
    let mut wrong = 0;
    for (call, errors) in FAILURES {
        for error in errors {
            for nth in 1..=calls as u32 {
                if let Err(what) = serve_with_failure(&program, call, error, nth) {
                    eprintln!("{call} number {nth} fails with {error}: {what}");
                    wrong += 1;
                }
            }
        }
    }
    Ok(vec![Figure::exactly(0, format!("runs with any of the first {calls} calls failing that went wrong"), wrong)])
}

/// Makes allocations of each ready-made server fail, one in each run: `runs` of them, spread from its start to its end, or
/// all if they are fewer.
fn failing_allocations(runs: usize) -> io::Result<Vec<Figure>> {
    let program = std::env::current_exe()?;
    let echo = server("echo", &[]);
    let (mut wrong, mut failed, mut survived) = (0, 0, 0);
    for dialogue in dialogues(echo.address()) {
        let serve = |nth| serve_with_failing_allocation(&program, &dialogue, echo.address(), nth);
        let all = serve(u64::MAX).map_err(io::Error::other)?.ok_or_else(|| error("an allocation failed"))?;
        for nth in (1..=all).step_by((all as usize / runs).max(1)) {
            failed += 1;
            match serve(nth) {
                Ok(alive) => survived += usize::from(alive.is_some()),
                Err(what) => {
                    eprintln!("{}: allocation {nth} of {all} fails: {what}", dialogue.name);
                    wrong += 1;
                }
            }
        }
    }
    Ok(vec![
        Figure::exactly(0, format!("runs of {failed} that went wrong"), wrong),
        Figure::told("runs that did not end in an abort", survived as f64),
    ])
}

/// An address to connect from: each has its own range of ports, and none requests a panic.
pub(crate) fn source(number: usize) -> IpAddr {
    Ipv4Addr::new(127, 0, 1, 1 + (number % 200) as u8).into()
}

pub(crate) fn error(text: &str) -> io::Error {
    io::Error::other(text.to_owned())
}

/// How many more descriptors than before are open, after the server has had time to notice closed connections.
pub(crate) fn settled(server: &Child, watch: &TcpStream, before: usize) -> usize {
    let begun = now();
    loop {
        peer::round_trip(watch, b"still there?");
        let more = server.descriptors().saturating_sub(before);
        if more == 0 || begun.elapsed() > Duration::from_secs(5) {
            return more;
        }
    }
}
