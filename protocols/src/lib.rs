//! What one expects to find beside the [`reactor`] crate: receivers that cut a connection's bytes into messages, policies
//! around them, and small protocols that are ready to use. What Twisted has in `twisted.protocols`; `docs/porting.md` puts
//! the two side by side.
//!
//! # Receivers
//!
//! A plain [`Protocol`](reactor::Protocol) gets bytes as the network happens to cut them. A receiver puts them together
//! again, and calls a handler with whole messages; the handler sends by a handle of its own.
//!
//! | receiver | what it cuts | Twisted's |
//! |---|---|---|
//! | [`LineReceiver`] | lines, and raw data between them | `LineReceiver`, `LineOnlyReceiver` |
//! | [`StringReceiver`] | strings that tell their lengths: netstrings, 8, 16 or 32 bits, varints | `NetstringReceiver`, `IntNStringReceiver` |
//! | [`StatefulReceiver`] | parts, each of which tells how long the next is | `StatefulProtocol` |
//! | [`TerminatorReceiver`] | segments of any size, handed over as they come, up to terminators that change | Python's `asynchat` |
//! | [`CodecReceiver`] | messages of any codec of [`tokio_util`] | |
//! | [`AmpReceiver`] | calls, and the answers to one's own | `AMP` |
//!
//! All have one shape, and one set of rules: exactly the greatest length is accepted; nothing is delivered after
//! `lose_connection`, nor while reading is paused, nor while the answers to earlier messages fill the output; what comes
//! is the same however the network cuts it.
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
//! # The pieces, in reading order
//!
//! | piece | what it is |
//! |---|---|
//! | [`LineHandler`] | what you write: called back with each line, with raw data, and as the connection begins and ends |
//! | [`Lines`] | the handle it keeps: sends lines, closes, pauses, switches between lines and raw data |
//! | [`LineReceiver`] | the protocol between the two; [`LineReceiver::factory`] is where a program begins |
//! | [`LineFactory`] | what that returns, to be listened or connected with: sets the delimiter and the longest line |
//! | [`Handle`] | what [`Lines`] and the handles of the other receivers have in common |
//! | [`StringHandler`], [`Strings`], [`StringReceiver`], [`StringFactory`] | the same for strings; [`StringFormat`] says how they tell their lengths, [`StringError`] what is wrong with one |
//! | [`StatefulHandler`], [`States`], [`StatefulReceiver`], [`StatefulFactory`] | the same for parts; a [`State`] is what is waited for |
//! | [`TerminatorHandler`], [`Segments`], [`TerminatorReceiver`], [`TerminatorFactory`] | the same for segments; a [`Terminator`] is what ends one |
//! | [`CodecHandler`], [`Messages`], [`CodecReceiver`], [`CodecFactory`] | the same for the messages of a codec |
//! | [`AmpHandler`], [`Amp`], [`AmpReceiver`], [`AmpFactory`] | the same for calls: one is answered with a box, an error, or an [`AmpAnswer`] that takes time, and one's own is a future of its answer, or of an [`AmpError`] |
//! | [`AmpBox`] | what calls and answers carry: values by their keys, of all types that are [`ToAmp`] and [`FromAmp`] |
//!
//! A peer cannot make a receiver keep more than the greatest length that is allowed and 64 KiB, in memory of at most twice
//! that, nor spend more time than is proportional to what it sends, however that is cut. (A codec's own memory and time
//! are its own; AMP keeps calls that wait, too: see [`AmpFactory`].)
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
//! | [`ProxyHeader`] | behind a proxy: reads whose the connection is, for the protocol and the policies inside; what it refuses is [`ProxyRefused`] |
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
//!
//! # Ready to use
//!
//! | piece | what it is |
//! |---|---|
//! | [`MemcacheClient`] | a client of memcached: each request is a future of its answer, such as a [`MemcacheItem`] |
//! | [`PortForward`] | forwards each connection to another address |
//! | [`WebSocket`] | web sockets that carry any protocol, for servers and clients: a factory around a factory |
//! | [`add_endpoint_schemes`] | the same by descriptions of endpoints: `web:tcp:8007` |
//! | [`Socks`], [`SocksRequest`] | a proxy of SOCKS 4, 4a and 5, and what its rule decides about |
//! | [`wire`] | echo, discard, chargen, quote of the day, who is here, the time; over TCP and UDP |
//! | [`Finger`], [`finger()`], [`FingerQuery`] | who is a user: the server, the client, the question (RFC 1288) |
//! | [`IdentServer`], [`IdentClient`], [`IdentQuery`], [`IdentReply`] | who owns a connection (RFC 1413) |
//!
//! None of the servers limits how long a client may say nothing, but for [`Socks`] before it has connected: put a policy
//! around those that strangers can reach.

mod amp;
pub(crate) mod codec;
mod endpoints;
mod finger;
mod forward;
mod ident;
pub(crate) mod line;
mod memcache;
mod policies;
mod proxy_header;
mod receiver;
#[cfg(test)]
mod remote_end;
pub(crate) mod segment;
mod socks;
pub(crate) mod stateful;
pub(crate) mod string;
mod web_socket;
pub mod wire;

pub use amp::{Amp, AmpAnswer, AmpBox, AmpError, AmpFactory, AmpHandler, AmpReceiver, FromAmp, ToAmp};
pub use codec::CodecReceiver;
pub use codec::factory::CodecFactory;
pub use codec::handle::Messages;
pub use codec::handler::CodecHandler;
pub use endpoints::add_endpoint_schemes;
pub use finger::Finger;
pub use finger::client::{FingerError, finger};
pub use finger::query::{FingerQuery, InvalidFingerQuery};
pub use forward::PortForward;
pub use ident::IdentServer;
pub use ident::client::IdentClient;
pub use ident::query::IdentQuery;
pub use ident::reply::{IdentError, IdentReply};
pub use line::LineReceiver;
pub use line::factory::LineFactory;
pub use line::handle::Lines;
pub use line::handler::{LineHandler, OnLongLine};
pub use memcache::{MemcacheClient, MemcacheError, MemcacheFactory, MemcacheItem};
pub use policies::bucket::Bucket;
pub use policies::capture::Capture;
pub use policies::captured_connection::CapturedConnection;
pub use policies::connection_limit::ConnectionLimit;
pub use policies::first_message_timeout::FirstMessageTimeout;
pub use policies::idle_timeout::IdleTimeout;
pub use policies::throttle::Throttle;
pub use policies::traffic_log::TrafficLog;
pub use proxy_header::{ProxyHeader, ProxyRefused};
pub use receiver::handle::Handle;
pub use receiver::into_handler::IntoHandler;
pub use segment::TerminatorReceiver;
pub use segment::factory::TerminatorFactory;
pub use segment::handle::Segments;
pub use segment::handler::TerminatorHandler;
pub use segment::terminator::Terminator;
pub use socks::Socks;
pub use socks::request::SocksRequest;
pub use stateful::StatefulReceiver;
pub use stateful::factory::StatefulFactory;
pub use stateful::handle::States;
pub use stateful::handler::StatefulHandler;
pub use stateful::state::State;
pub use string::StringReceiver;
pub use string::error::StringError;
pub use string::factory::StringFactory;
pub use string::format::StringFormat;
pub use string::handle::{StringTooLong, Strings};
pub use string::handler::StringHandler;
pub use web_socket::WebSocket;

/// The programs of the guide for those who port from Twisted, compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/porting.md")]
struct Porting;
