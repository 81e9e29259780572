//! Receivers, layers and small servers of the crate `protocols`.

mod amp;
mod auth;
mod console;
pub(crate) mod database;
mod irc;
mod memcache;
mod proxy_header;
mod receivers;
mod small_servers;
mod telnet;
pub(crate) mod tls;
