//! What all receivers stand on: their input, its delivery, and the handles they give.

pub(crate) mod delivery;
pub(crate) mod handle;
pub(crate) mod input;
pub(crate) mod into_handler;

pub use handle::Handle;
pub use into_handler::IntoHandler;
