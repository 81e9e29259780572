//! How lines get to clients, each with the tags and labels that it has asked for.

pub(super) mod batch;
pub(super) mod capabilities;
pub(super) mod line;
mod send;
