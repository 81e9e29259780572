//! R6, R7: whatever system call fails, no client is left waiting, nothing panics, and every protocol is told of its end
//! once. The measuring program does the same with more calls of each kind (`R6-accept`, `R7-faults`).

use std::path::Path;
use std::process::Command;

use rig::faults::{
    ACCEPT_ERRORS, FAILURES, accepts_in_a_second_of_failures, serve_with_failing_accept, serve_with_failure,
};

use crate::apps::tools::is_there;

#[test]
fn s102_whatever_call_of_accept_fails_everybody_is_served_and_the_server_does_not_spin() {
    let name = "s102_whatever_call_of_accept_fails_everybody_is_served_and_the_server_does_not_spin";
    if !is_there("strace", Command::new("strace").arg("-V"), name) {
        return;
    }
    let program = Path::new(env!("CARGO_BIN_EXE_reliability"));
    for (error, nth) in ACCEPT_ERRORS.iter().cycle().zip([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1, 2, 3, 4]) {
        if let Err(what) = serve_with_failing_accept(program, error, nth) {
            panic!("call {nth} fails with {error}: {what}");
        }
    }
    for error in ["ECONNABORTED", "ENFILE"] {
        match accepts_in_a_second_of_failures(program, error) {
            Ok(calls) => assert!((3..=MOST_ACCEPTS).contains(&calls), "{error}: {calls} calls in a second"),
            Err(what) => panic!("every call fails with {error}: {what}"),
        }
    }
}

#[test]
fn a_system_call_that_fails_costs_one_connection_at_the_most() {
    let name = "a_system_call_that_fails_costs_one_connection_at_the_most";
    if !is_there("strace", Command::new("strace").arg("-V"), name) {
        return;
    }
    let program = Path::new(env!("CARGO_BIN_EXE_reliability"));
    for (call, errors) in FAILURES {
        for (error, nth) in errors.iter().cycle().zip([1, 2, 3, 4, 5, 6, 8, 13, 21, 34]) {
            if let Err(what) = serve_with_failure(program, call, error, nth) {
                panic!("{call} number {nth} fails with {error}: {what}");
            }
        }
    }
}

/// Five tries a second, and a thousand that may all be clients' trouble for each.
const MOST_ACCEPTS: usize = 7_500;
