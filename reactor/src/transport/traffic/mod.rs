//! What passes on a connection: how much, when, and, for those who watch it, what.

pub(crate) mod sums;
pub(crate) mod tap;
pub(crate) mod watching;
