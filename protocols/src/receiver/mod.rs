//! What all receivers stand on: their input, its delivery, and the handles they give.

pub(crate) mod delivery;
pub(crate) mod handle;
pub(crate) mod input;
pub(crate) mod into_handler;
pub(crate) mod protocol;

pub use handle::Handle;
pub use into_handler::IntoHandler;

/// The most bytes that a string, or a part, of the peer may have if nothing else is said. Twisted's `MAX_LENGTH`.
pub(crate) const MAX_LENGTH: usize = 99_999;
