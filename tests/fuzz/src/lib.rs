//! What is fuzzed: one function a target, which panics if what it is given shows a defect.

mod arguments;
mod codec;
mod connection;
mod lines;
mod model;
mod receiving;
mod reply;
mod segments;
mod states;
mod strings;
mod texts;

pub use arguments::server_address;
pub use codec::codec;
pub use connection::connection;
pub use lines::lines;
pub use reply::reply;
pub use segments::segments;
pub use states::states;
pub use strings::strings;
pub use texts::listen_text;
pub use texts::target_text;
