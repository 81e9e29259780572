//! Every allocation of a server may fail: its clients get right answers, or see their connections end. The measuring
//! program does the same with each allocation in turn (`failing-allocations`).

use std::path::Path;

use rig::out_of_memory::serve_with_failing_allocation;
use rig::ready_made::dialogues;

use crate::reliability::server;

#[test]
fn whatever_allocation_fails_no_client_waits_for_ever_or_gets_a_wrong_answer() {
    const RUNS: usize = 8;
    let program = Path::new(env!("CARGO_BIN_EXE_reliability"));
    let echo = server("echo", &[]);
    for dialogue in dialogues(echo.address()) {
        let serve = |nth| match serve_with_failing_allocation(program, &dialogue, echo.address(), nth) {
            Ok(allocations) => allocations,
            Err(what) => panic!("{}: allocation {nth} fails: {what}", dialogue.name),
        };
        let all = serve(u64::MAX).unwrap();
        // Most are made at the start; clients come in the second half.
        let aborted = (all / 4..all).step_by(all as usize / RUNS).filter(|nth| serve(*nth).is_none()).count();
        assert!(aborted > 0, "{}: none of {all} allocations failed", dialogue.name);
    }
}
