//! SCRAM-SHA-256 (RFC 5802, RFC 7677): a client shows that it knows a password without sending it, and so does the server.

pub(super) mod client;
pub(super) mod exchange;
pub(super) mod keys;
pub(super) mod message;
pub(super) mod verifier;
