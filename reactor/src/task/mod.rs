//! What happens again and again, and what takes many steps.

pub(crate) mod cooperate;
pub(crate) mod looping_call;

pub use cooperate::{CooperativeTask, Step, TaskEnd};
pub use looping_call::{LoopingCall, Tick};
