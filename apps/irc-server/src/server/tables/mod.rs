//! What the server knows: its connections, the users and the channels.

pub(super) mod census;
pub(super) mod channel;
pub(super) mod client;
pub(crate) mod network;
pub(super) mod user;
