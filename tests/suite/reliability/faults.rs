//! R7: whatever system call fails, nobody is left waiting, nothing panics, and every protocol is told of its end once.
//! The program for figures does it with two hundred calls of each kind (`R7-faults`).

use std::path::Path;
use std::process::Command;

use rig::faults::FAILURES;
use rig::faults::serve_with_failure;

use crate::apps::tools::is_there;

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
