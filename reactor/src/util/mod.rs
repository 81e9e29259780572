//! Small tools that know nothing of this crate's own types.

pub(crate) mod address_space;
pub(crate) mod closer;
pub(crate) mod escaped;
pub(crate) mod executor;
pub(crate) mod inherited_signals;
pub(crate) mod last_resort;
pub(crate) mod lock;
pub(crate) mod log_limit;
pub(crate) mod panic_watch;
pub(crate) mod panics;
pub(crate) mod task_set;
pub(crate) mod thread_pool;
pub(crate) mod wakers;
