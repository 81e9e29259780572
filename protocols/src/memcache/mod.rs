//! A client of memcached, in its text protocol: Twisted's `twisted.protocols.memcache`.
//!
//! [`MemcacheClient`] is the handle of one connection; each of its requests is a future. It has an example.

mod answers;
mod client;
mod error;
mod factory;
mod item;
mod waiting;

pub use client::MemcacheClient;
pub use error::MemcacheError;
pub use factory::MemcacheFactory;
pub use item::MemcacheItem;
