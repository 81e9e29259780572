//! Layers: protocols that stand around protocols.

pub(crate) mod nested;
pub(crate) mod policy;
