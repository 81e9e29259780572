//! Receivers that cut a connection's bytes into messages, policies around them, and small ready-made protocols, for the
//! crate [`reactor`]. The counterpart of `twisted.protocols`; `docs/porting.md` in the repository compares the two.
//!
//! The programs on this page need two lines in their `Cargo.toml`: paths to a clone of the repository, here beside the
//! program's own package, or the address you clone it from:
//!
//! ```toml
//! [dependencies]
//! reactor = { path = "../reactor/reactor" }
//! protocols = { path = "../reactor/protocols" }
//! ```
//!
//! ```toml
//! [dependencies]
//! reactor = { git = "ADDRESS" }
//! protocols = { git = "ADDRESS" }
//! ```
//!
//! The crates named `reactor` and `protocols` in the public registry are different ones: do not `cargo add` them. Programs with a
//! codec also need `tokio-util` with the feature `codec`.
//!
//! # Receivers
//!
//! A plain [`Protocol`](reactor::Protocol) gets bytes as the network happens to cut them. A receiver reassembles them
//! and calls a handler with whole messages; the handler sends through a handle.
//!
//! | receiver | what it cuts | Twisted's |
//! |---|---|---|
//! | [`LineReceiver`] | lines, and raw data between them | `LineReceiver`, `LineOnlyReceiver` |
//! | [`StringReceiver`] | length-prefixed strings: netstrings, 8, 16 or 32 bits, varints | `NetstringReceiver`, `IntNStringReceiver` |
//! | [`StatefulReceiver`](stateful::StatefulReceiver) | parts, each of which determines the length of the next | `StatefulProtocol` |
//! | [`TerminatorReceiver`](segment::TerminatorReceiver) | segments of any size, delivered piece by piece, up to terminators that may change | Python's `asynchat` |
//! | [`CodecReceiver`](codec::CodecReceiver) | messages of any [`tokio_util`](https://docs.rs/tokio-util) codec | |
//! | [`TelnetReceiver`](telnet::TelnetReceiver) | lines from terminals, and what is negotiated with them | conch's `TelnetTransport`, `StatefulTelnetProtocol` |
//! | [`IrcReceiver`](irc::IrcReceiver) | messages of IRC, for servers and clients | `words.protocols.irc` |
//! | [`AmpReceiver`](amp::AmpReceiver) | calls in both directions, and their answers | `AMP` |
//!
//! All share one design and one set of rules. A message of exactly the maximum length is accepted. Nothing is delivered
//! after `lose_connection`, while reading is paused, or while the answers to earlier messages fill the output. The
//! result does not depend on how the network cuts the bytes.
//!
//! A chat whose connections share a table of users:
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
//! A peer can make a receiver keep at most the maximum length and 64 KiB, in memory of at most twice that, and spend
//! only time proportional to what it sends, however the bytes are cut. (A codec's own memory and time are not included;
//! AMP also keeps waiting calls: see [`AmpFactory`](amp::AmpFactory).)
//!
//! # Policies
//!
//! A policy is a factory around a factory, so policies stack in any order around anything that builds protocols. Sent
//! bytes pass from the inside out, received bytes from the outside in.
//!
//! ```
//! use std::io::LineWriter;
//! use std::time::Duration;
//!
//! use protocols::policies::{Bucket, ConnectionLimit, FirstMessageTimeout, IdleTimeout, Throttle, TrafficLog};
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
//! | [`IdleTimeout`](policies::IdleTimeout) | closes idle connections |
//! | [`FirstMessageTimeout`](policies::FirstMessageTimeout) | resets connections whose first message is not complete in time |
//! | [`ConnectionLimit`](policies::ConnectionLimit) | refuses excess connections, in total or per peer |
//! | [`Throttle`](policies::Throttle) | limits the rates of receiving and sending, by [`Bucket`](policies::Bucket)s that form a hierarchy |
//! | [`TrafficLog`](policies::TrafficLog) | logs the traffic for people to read |
//! | [`Capture`](policies::Capture) | captures every byte, for replay by [`CapturedConnection`](policies::CapturedConnection), which says where a protocol now [answers otherwise](policies::CapturedDifference) |
//! | [`ProxyHeader`](proxy_header::ProxyHeader) | behind a proxy: reads the client's address, for the protocol and the policies inside; counts what it refuses in [`ProxyRefusals`](proxy_header::ProxyRefusals) |
//!
//! Write your own with [`reactor::layer::around`]. A time limit that only the protocol itself can judge is not a policy
//! but a timer of the protocol, like Twisted's `TimeoutMixin`: it is dropped with its connection.
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
//!
//! # Ready to use
//!
//! | piece | what it is |
//! |---|---|
//! | [`Portal`](auth::Portal), [`Login`](auth::Login) | logins: passwords, SCRAM, certificates, users at UNIX sockets; accounts in a file; SASL |
//! | [`IrcClientReceiver`](irc::IrcClientReceiver) | a client of IRC, such as a bot: signs on, with capabilities and SASL, and calls a handler with what happens |
//! | [`MemcacheClient`](memcache::MemcacheClient) | a client of memcached: each request returns a future of its answer, such as a [`MemcacheItem`](memcache::MemcacheItem) |
//! | [`ConnectionPool`](database::ConnectionPool) | connections to a database, of any blocking driver, each on a thread of its own |
//! | [`Metrics`](metrics::Metrics) | numbers of the reactor and the program for Prometheus, in OpenMetrics |
//! | [`WebPage`](web_page::WebPage) | a page of HTML for browsers, and nothing else: what a web socket is talked to from |
//! | [`Console`](console::Console) | a console for a running program: who is connected, what is slow, `close`, `drain`, `trace` |
//! | [`PortForward`](forward::PortForward) | forwards each connection to another address |
//! | [`WebSocket`](web_socket::WebSocket) | web sockets that carry any protocol, for servers and clients: a factory around a factory |
//! | [`add_endpoint_schemes`] | web sockets and PROXY headers in endpoint descriptions: `web:tcp:8007` |
//! | [`Socks`](socks::Socks), [`SocksRequest`](socks::SocksRequest) | a SOCKS 4, 4a and 5 proxy, and the request that its rule allows or refuses |
//! | [`wire`] | echo, discard, chargen, quote of the day, active users, the time; over TCP and UDP |
//! | [`Finger`](finger::Finger), [`lookup`](finger::lookup), [`FingerQuery`](finger::FingerQuery) | information about a user: the server, the client, the question (RFC 1288) |
//! | [`IdentServer`](ident::IdentServer), [`IdentClient`](ident::IdentClient), [`IdentQuery`](ident::IdentQuery), [`IdentReply`](ident::IdentReply) | the owner of a connection (RFC 1413) |
//!
//! [`Socks`](socks::Socks), [`Finger`](finger::Finger) and [`IdentServer`](ident::IdentServer) limit how long they wait for a
//! client's question. The other servers do not: put a policy around those that strangers can reach.

pub mod amp;
pub mod auth;
pub mod codec;
pub mod console;
pub mod database;
mod endpoints;
pub mod finger;
pub mod forward;
mod http1;
pub mod ident;
pub mod irc;
pub mod line;
pub mod memcache;
pub mod metrics;
pub mod policies;
pub mod proxy_header;
pub mod receiver;
#[cfg(test)]
mod remote_end;
pub mod segment;
pub mod socks;
pub mod stateful;
pub mod string;
pub mod telnet;
#[cfg(feature = "tls")]
pub mod tls;
mod util;
pub mod web_page;
pub mod web_socket;
pub mod wire;

pub use endpoints::add_endpoint_schemes;
pub use line::{LineHandler, LineReceiver, Lines};
pub use string::{StringHandler, StringReceiver, Strings};

/// Compiles the README's program as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
