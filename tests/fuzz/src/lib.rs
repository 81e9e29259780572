//! What is fuzzed: one function a target, which panics if what it is given shows a defect.

mod amp;
mod arguments;
mod captures;
mod codec;
mod connection;
mod finger;
mod ident;
mod lines;
mod memcache;
mod model;
mod receiving;
mod reply;
mod segments;
mod socks;
mod states;
mod strings;
mod texts;
mod web_socket;

pub use amp::amp;
pub use arguments::server_address;
pub use captures::capture;
pub use codec::codec;
pub use connection::connection;
pub use finger::finger;
pub use ident::ident;
pub use lines::lines;
pub use memcache::memcache;
pub use reply::reply;
pub use segments::segments;
pub use socks::socks;
pub use states::states;
pub use strings::strings;
pub use texts::listen_text;
pub use texts::target_text;
pub use web_socket::web_socket;
