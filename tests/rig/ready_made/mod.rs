//! Every ready-made server of `protocols`, and what its clients say.

mod client;
mod dialogue;
mod dialogues;
mod servers;

pub use client::{Client, any_server};
pub use dialogue::{Answer, Dialogue};
pub use dialogues::dialogues;
pub use servers::factory;
