//! What is fuzzed: one function a target, which panics if what it is given shows a defect.

mod arguments;
mod captures;
mod connection;
mod finger;
mod ident;
mod lines;
mod model;
mod reply;
mod socks;
mod texts;
mod web_socket;

pub use arguments::server_address;
pub use captures::capture;
pub use connection::connection;
pub use finger::finger;
pub use ident::ident;
pub use lines::lines;
pub use reply::reply;
pub use socks::socks;
pub use texts::listen_text;
pub use texts::target_text;
pub use web_socket::web_socket;
