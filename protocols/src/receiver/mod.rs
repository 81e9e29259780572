//! The basis of all receivers: their input, its delivery, and their handles.

pub(crate) mod delivery;
pub(crate) mod handle;
pub(crate) mod input;
pub(crate) mod into_handler;
pub(crate) mod protocol;

pub use handle::Handle;
pub use into_handler::IntoHandler;

/// The default maximum length of a string or part from the peer, in bytes. Twisted's `MAX_LENGTH`.
pub(crate) const MAX_LENGTH: usize = 99_999;
