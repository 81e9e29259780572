//! Channels: who may join them, and what is set in them.

mod invite;
mod join;
mod kick;
mod list;
mod lists;
mod mode;
mod names;
mod topic;

pub(super) use join::is_banned;
