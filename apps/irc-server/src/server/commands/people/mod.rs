//! Who is there, and what they are like.

mod about;
mod monitor;
mod user_mode;
mod who;
mod whois;
pub(in crate::server) mod whowas;
