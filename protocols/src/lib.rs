//! Protocols for the [`reactor`] crate: receivers that cut a connection's bytes into messages, and small servers that are
//! ready to use.
//! Receivers that cut a connection's bytes into messages, and policies around them: protocols for the [`reactor`] crate.
//!
//! # Receivers
//!
//! A plain [`Protocol`](reactor::Protocol) gets bytes as the network happens to cut them. A receiver puts them together
//! again, and calls a handler with whole messages; the handler sends by a handle of its own. So far there is one, for
//! lines.
//!
//! A chat, where all connections share a table of who is there:
//!
//! ```no_run
//! use std::cell::RefCell;
//! use std::collections::HashMap;
//! use std::rc::Rc;
//! use std::time::Duration;
//!
//! use protocols::{LineHandler, LineReceiver, Lines};
//! use reactor::{CloseReason, Reactor};
//!
//! type Users = Rc<RefCell<HashMap<String, Lines>>>;
//!
//! struct Chat { lines: Lines, users: Users, name: Option<String> }
//!
//! impl LineHandler for Chat {
//!     fn connection_made(&mut self) {
//!         self.lines.send_line("What's your name?");
//!         self.lines.call_later(Duration::from_secs(30), |this: &mut Self| {
//!             if this.name.is_none() {
//!                 this.lines.lose_connection();
//!             }
//!         });
//!     }
//!
//!     fn line_received(&mut self, line: &[u8]) {
//!         let line = String::from_utf8_lossy(line);
//!         match &self.name {
//!             Some(name) => {
//!                 for (other, lines) in &*self.users.borrow() {
//!                     if other != name {
//!                         lines.send_line(format!("<{name}> {line}"));
//!                     }
//!                 }
//!             }
//!             None if self.users.borrow().contains_key(&*line) => self.lines.send_line("Name taken, please choose another."),
//!             None => {
//!                 self.lines.send_line(format!("Welcome, {line}!"));
//!                 self.users.borrow_mut().insert(line.to_string(), self.lines.clone());
//!                 self.name = Some(line.into_owned());
//!             }
//!         }
//!     }
//!
//!     fn connection_lost(&mut self, _: CloseReason) {
//!         if let Some(name) = &self.name {
//!             self.users.borrow_mut().remove(name);
//!         }
//!     }
//! }
//!
//! fn main() -> std::io::Result<()> {
//!     let reactor = Reactor::new()?;
//!     let users = Users::default();
//!     reactor.listen_tcp(8123, LineReceiver::factory(move |lines| Chat { lines, users: users.clone(), name: None }))?;
//!     reactor.run()
//! }
//! ```
//!
//! | piece | what it is |
//! |---|---|
//! | [`LineHandler`] | what you write: called back with each line, with raw data, and as the connection begins and ends |
//! | [`Lines`] | the handle it keeps: sends lines, closes, pauses, switches between lines and raw data |
//! | [`LineReceiver`] | the protocol between the two; [`LineReceiver::factory`] is where a program begins |
//! | [`LineFactory`] | what that returns, to be listened or connected with: sets the delimiter and the longest line |
//!
//! A peer cannot make a receiver hold more than the longest line that is allowed and 64 KiB, nor spend more time than
//! is proportional to what it sends, however that is cut.
//!
//! # Ready to use
//!
//! | piece | what it is |
//! |---|---|
//! | [`PortForward`] | forwards each connection to another address |
//! | [`WebSocket`] | web sockets that carry any protocol, for servers and clients: a factory around a factory |
//! | [`Socks`], [`SocksRequest`] | a proxy of SOCKS 4, 4a and 5, and what its rule decides about |
//! | [`wire`] | echo, discard, chargen, quote of the day, who is here, the time; over TCP and UDP |
//! | [`Finger`], [`finger()`], [`FingerQuery`] | who is a user: the server, the client, the question (RFC 1288) |
//! | [`IdentServer`], [`IdentClient`], [`IdentQuery`], [`IdentReply`] | who owns a connection (RFC 1413) |
//!
//! None of the servers limits how long a client may say nothing, but for [`Socks`] before it has connected: put a policy
//! around those that strangers can reach.
//!
//! # Policies
//!
//! A policy is a factory around a factory, so policies stack, in any order, around whatever builds protocols. What is
//! sent passes from the inside out, what is received from the outside in.
//!
//! ```
//! use std::io::LineWriter;
//! use std::time::Duration;
//!
//! use protocols::{Bucket, ConnectionLimit, FirstMessageTimeout, IdleTimeout, Throttle, TrafficLog};
//! # use protocols::{LineHandler, LineReceiver, Lines};
//! # struct Echo { lines: Lines }
//! # impl LineHandler for Echo {
//! #     fn line_received(&mut self, line: &[u8]) { self.lines.send_line(line) }
//! # }
//!
//! let reactor = reactor::Reactor::new()?;
//! let limit = ConnectionLimit::per_peer(20);
//! let everybody = Bucket::new(1_000_000, 64_000);
//! let log = TrafficLog::new(LineWriter::new(std::io::stderr()));
//!
//! let factory = LineReceiver::factory(|lines| Echo { lines });
//! let factory = log.around(factory);
//! let factory = Throttle::around(move |_| Throttle::new().sending(everybody.child(10_000, 4_000)), factory);
//! let factory = FirstMessageTimeout::around(Duration::from_secs(30), factory);
//! let factory = IdleTimeout::around(Duration::from_secs(300), factory);
//! reactor.listen_tcp("127.0.0.1:0", limit.around(factory))?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! | policy | what it does |
//! |---|---|
//! | [`IdleTimeout`] | closes connections on which nothing moves |
//! | [`FirstMessageTimeout`] | resets those whose first message is not complete in time |
//! | [`ConnectionLimit`] | refuses what is too many, in all or of one peer |
//! | [`Throttle`] | limits how fast is received and sent, by [`Bucket`]s in a hierarchy |
//! | [`TrafficLog`] | writes down what passes, for people |
//! | [`Capture`] | captures every byte, to be replayed by [`CapturedConnection`] |
//!
//! More of them are made by [`reactor::layer`]. A time limit that only the protocol itself can judge is no policy but a
//! timer of the protocol, which is Twisted's `TimeoutMixin`: it is dropped with its connection.
//!
//! ```
//! use std::time::Duration;
//! use protocols::{LineHandler, LineReceiver, Lines};
//! use reactor::DelayedCall;
//!
//! struct Session { lines: Lines, timeout: DelayedCall }
//!
//! impl LineHandler for Session {
//!     fn line_received(&mut self, line: &[u8]) {
//!         match line {
//!             b"wait" => { self.timeout.cancel(); }
//!             _ => { self.timeout.reset(Duration::from_secs(60)); }
//!         }
//!     }
//! }
//!
//! let factory = LineReceiver::factory(|lines: Lines| {
//!     let expired = |this: &mut Session| this.lines.lose_connection();
//!     Session { timeout: lines.call_later(Duration::from_secs(60), expired), lines }
//! });
//! ```

mod bucket;
mod capture;
mod captured_connection;
mod connection_limit;
mod delivery;
mod finger;
mod finger_client;
mod finger_query;
mod first_message_timeout;
mod forward;
mod ident_client;
mod ident_query;
mod ident_reply;
mod ident_server;
mod idle_timeout;
#[cfg(test)]
mod kept;
mod line_factory;
mod line_handler;
mod line_receiver;
mod line_splitter;
mod lines;
mod port_forward;
#[cfg(test)]
mod remote_end;
mod socks;
mod socks_parser;
mod socks_request;
pub mod wire;

pub use finger::Finger;
pub use finger_client::FingerError;
pub use finger_client::finger;
pub use finger_query::FingerQuery;
pub use finger_query::InvalidFingerQuery;
pub use ident_client::IdentClient;
pub use ident_query::IdentQuery;
pub use ident_reply::IdentError;
pub use ident_reply::IdentReply;
pub use ident_server::IdentServer;
mod pcap;
mod sink;
mod throttle;
mod traffic_log;
mod web_socket;

pub use bucket::Bucket;
pub use capture::Capture;
pub use captured_connection::CapturedConnection;
pub use connection_limit::ConnectionLimit;
pub use first_message_timeout::FirstMessageTimeout;
pub use idle_timeout::IdleTimeout;
pub use line_factory::IntoLineHandler;
pub use line_factory::LineFactory;
pub use line_handler::LineHandler;
pub use line_handler::OnLongLine;
pub use line_receiver::LineReceiver;
pub use lines::Lines;
pub use port_forward::PortForward;
pub use socks::Socks;
pub use socks_request::SocksRequest;
pub use throttle::Throttle;
pub use traffic_log::TrafficLog;
pub use web_socket::WebSocket;
