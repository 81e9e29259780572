//! The opening handshake, RFC 6455, section 4: the client's request, the server's answer, and what both check.

pub(super) mod answer;
pub(super) mod key;
pub(super) mod opening;
pub(super) mod request;
