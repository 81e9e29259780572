//! What all receivers have in common: the [`Handle`] with which a handler sends, pauses, sets timers and
//! closes, and [`IntoHandler`], the return value of the closure given to a `factory`.
//!
//! The receivers themselves are in [`line`](crate::line), [`string`](crate::string), [`stateful`](crate::stateful),
//! [`segment`](crate::segment) and [`codec`](crate::codec).

pub(crate) mod delivery;
pub(crate) mod handle;
pub(crate) mod input;
pub(crate) mod into_handler;
pub(crate) mod protocol;
pub(crate) mod state;

pub use handle::{AnyHandle, Handle};
pub use into_handler::IntoHandler;

/// The default maximum length of a string or part from the peer, in bytes. Twisted's `MAX_LENGTH`.
pub(crate) const MAX_LENGTH: usize = 99_999;
