//! What was said.

mod append;
mod prune;
mod query;
pub(super) mod queue;

pub use append::Progress;
