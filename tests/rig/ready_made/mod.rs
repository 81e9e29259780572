//! Every ready-made server of `protocols`, and what its clients say.

mod dialogue;
mod dialogues;
mod servers;

pub use dialogue::{Answer, Dialogue};
pub use dialogues::dialogues;
pub use servers::factory;
