//! Time: the clock, the queue of timers, and pending calls.

pub(crate) mod call;
pub(crate) mod calls;
pub(crate) mod clock;
pub(crate) mod deferred_call;
pub(crate) mod delayed_call;
pub(crate) mod panic_log;
pub(crate) mod pulse;
pub(crate) mod timers;
pub(crate) mod turn_clock;
