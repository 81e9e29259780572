//! The apps: the real binaries, with independent programs, and on a terminal.

mod clocks;
mod console;
mod endpoints;
mod installation;
mod irc_clients;
mod irc_server;
mod irc_server_handover;
mod irc_server_page;
mod irc_server_settings;
mod metrics;
pub(crate) mod peers;
mod reactor_top;
mod standard_io;
mod systemd_units;
mod time_client;
mod time_client_at_a_terminal;
mod time_server;
mod time_server_as_a_service;
mod time_server_page;
mod time_server_status;
mod time_server_web;
mod tls;
mod unix_sockets;

pub(crate) mod binaries;
mod browser;
mod irc;
pub(crate) mod net;
mod privileges;
pub(crate) mod program;
mod server;
mod stamps;
pub(crate) mod terminal;
pub(crate) mod tools;

use std::time::Duration;

/// How long a test waits for an event that should happen at once.
const DEADLINE: Duration = Duration::from_secs(30);
