//! Event-driven networking with protocols as plain objects: Twisted's model, in Rust, on Tokio.
//!
//! You write a [`Protocol`]: an object whose callbacks run to completion on `&mut self`, one at a time. A [`Factory`],
//! most often a closure, builds one for each connection and gives it its [`Transport`]. The [`Reactor`] does the rest.
//!
//! ```no_run
//! use reactor::{Protocol, Reactor, Transport};
//!
//! struct Echo { transport: Transport }
//!
//! impl Protocol for Echo {
//!     fn data_received(&mut self, data: &[u8]) {
//!         self.transport.write(data);
//!     }
//! }
//!
//! fn main() -> std::io::Result<()> {
//!     let reactor = Reactor::new()?;
//!     reactor.listen_tcp(8007, |transport| Echo { transport })?;
//!     reactor.run()
//! }
//! ```
//!
//! It is for servers and clients of your own protocols. If you prefer straight-line `async`, use Tokio directly; for
//! HTTP, use a crate made for it. Coming from Twisted? `docs/porting.md` says what each of its names has become.
//!
//! # The life of a connection
//!
//! ```text
//! listen_tcp:  accepted ─┐
//!                        ├─ build_protocol ─ connection_made ─ data_received, … ─ connection_lost
//! connect_tcp: raced ────┘
//! ```
//!
//! - A protocol is built when its connection is established, and born with its transport.
//! - Callbacks of one connection never nest. What a callback asks of a transport (write, close, call me later) is carried
//!   out when the callback has returned: **one input, then a full drain, then the next input**.
//! - What a callback writes leaves in one system call. While more than 64 KiB of answers wait, nothing more is read from
//!   that peer. [`Protocol::pause_writing`], [`Transport::is_full`] and [`Transport::paced_by`] are for protocols that
//!   generate output on their own; a hard limit protects the rest.
//! - [`connection_lost`](Protocol::connection_lost) comes exactly once and last, with a [`CloseReason`]. Timers and
//!   deferred calls of the connection are dropped before.
//! - The end of stream tells the peer that everything was sent; whatever discards output resets the connection.
//!
//! # Where to look
//!
//! | for | see |
//! |---|---|
//! | servers: ports, their options and limits, sockets that are inherited or handed over | [`Reactor::listen_tcp`], [`net`], [`port`], [`listen`] |
//! | clients, and clients that come back | [`Reactor::connect_tcp`], [`connect`], [`service::ClientService`] |
//! | timers, calls that repeat, long work in small steps | [`Transport::call_later`], [`Reactor::call_later`], [`task`] |
//! | answers that take time: futures, threads | [`Transport::defer`], [`Reactor::call_in_thread`], [`threads`] |
//! | all cores | [`run_on_threads`] |
//! | flow control | [`Transport::is_full`], [`Transport::paced_by`], [`Transport::pause_reading`] |
//! | time limits, throttles and logs around protocols | [`layer`], and the crate `protocols` |
//! | UDP, broadcast, multicast | [`datagram`] |
//! | UNIX sockets, peer credentials, descriptor passing | [`unix`] |
//! | standard input and output, Tokio's streams | [`io`] |
//! | child processes | [`process`] |
//! | addresses that the user of a program chooses (`tcp:8007`) | [`endpoint`] |
//! | programs that start, stop, reload and are supervised | [`service`] |
//! | tests without sockets, simulated networks | [`testing`] |

pub mod address;
pub mod connect;
pub mod connection;
pub mod datagram;
mod driver;
pub mod endpoint;
mod hub;
pub mod io;
pub mod layer;
pub mod listen;
pub mod net;
pub mod port;
pub mod process;
mod reactor;
pub mod service;
mod simnet;
pub mod task;
pub mod testing;
pub mod threads;
mod time;
mod transport;
pub mod unix;
mod util;

pub use address::Address;
pub use connect::{ConnectError, Connector};
pub use connection::{Factory, IntoProtocol, OnEof, Protocol, SharedFactory, share};
pub use port::Port;
pub use reactor::Reactor;
pub use threads::run_on_threads;
pub use time::calls::DeferredCall;
pub use time::delayed_call::DelayedCall;
pub use transport::Transport;
pub use transport::close_reason::CloseReason;

/// The README's programs, compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
