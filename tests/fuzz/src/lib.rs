//! What is fuzzed: one function a target, which panics if what it is given shows a defect.

mod arguments;
mod connection;
mod lines;
mod model;
mod reply;
mod texts;

pub use arguments::server_address;
pub use connection::connection;
pub use lines::lines;
pub use reply::reply;
pub use texts::listen_text;
pub use texts::target_text;
