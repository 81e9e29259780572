//! What keeps a panic of user code from spreading.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs code that hands values of a user's over, or drops them. A panic ends there; so does one of its payload's drop.
pub(super) fn contain(code: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(code)) {
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(payload)));
        mem::forget(dropped);
    }
}
