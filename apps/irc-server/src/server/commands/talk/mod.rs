//! What people say, and have said.

pub(in crate::server) mod history;
mod say;
