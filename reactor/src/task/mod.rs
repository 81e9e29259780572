//! Repeated calls, work of many steps, and limits of time.
//!
//! - [`call_every`](crate::Transport::call_every) makes a [`LoopingCall`], which ends with its connection or, if it is
//!   the [reactor's](crate::Reactor::call_every), when it is stopped. Each call receives a [`Tick`]; the next call
//!   waits until that is dropped.
//! - [`cooperate`](crate::Reactor::cooperate) works through an iterator, [step](Step) by step beside everything else: a
//!   [`CooperativeTask`], which ends with a [`TaskEnd`].
//!
//! - [`time_out`](crate::Reactor::time_out) gives a future a limited time; if that passes first, the result is
//!   [`TimedOut`].
//!
//! A single call is a [`DelayedCall`](crate::DelayedCall). What else futures need (queues, locks, semaphores, waiting for
//! several) is in the crates `futures-util` and `tokio` (its module `sync`), and works in callbacks, programs and simulations
//! alike.
//!
//! ```
//! use reactor::Reactor;
//! use reactor::task::TaskEnd;
//!
//! # fn index(_page: u32) {}
//! let reactor = Reactor::new()?;
//! let indexing = reactor.cooperate((0..100).map(|page| index(page)));
//! assert_eq!(reactor.run_until(indexing.finished())?, TaskEnd::Done);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Twisted has `twisted.internet.task`.

pub(crate) mod cooperate;
pub(crate) mod looping_call;
pub(crate) mod time_out;

pub use crate::util::log_limit::{LeftOut, LogLimit};
pub use cooperate::{CooperativeTask, Step, TaskEnd};
pub use looping_call::{LoopingCall, Tick};
pub use time_out::TimedOut;
