//! SASL (RFC 4422): the two ends of an exchange, for protocols that carry its messages.

pub(super) mod client;
pub(super) mod exchange;
pub(super) mod mechanism;
