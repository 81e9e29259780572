//! The model test of the suite: the same interpreter, the same rules.

#[path = "../../suite/connection/model/compare.rs"]
pub(crate) mod compare;
#[path = "../../suite/connection/model/rules.rs"]
mod rules;
#[path = "../../suite/connection/model/script.rs"]
pub(crate) mod script;
#[path = "../../suite/connection/model/world.rs"]
mod world;
