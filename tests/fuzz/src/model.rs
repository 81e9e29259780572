//! The model test of the suite: the same interpreter, the same rules.

#[path = "../../suite/model/compare.rs"]
pub(crate) mod compare;
#[path = "../../suite/model/rules.rs"]
mod rules;
#[path = "../../suite/model/script.rs"]
pub(crate) mod script;
#[path = "../../suite/model/world.rs"]
mod world;
