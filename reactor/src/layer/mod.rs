//! Layers: protocols that stand around protocols.

pub(crate) mod nested;
pub(crate) mod policy;

pub use crate::connection::layer::Layer;
pub use nested::Nested;
pub use policy::{IntoPolicy, Policy, around};
