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
//!     let port = reactor.listen_tcp("127.0.0.1:8007", |transport| Echo { transport })?;
//!     println!("listening on {}", port.host());
//!     reactor.run()
//! }
//! ```
//!
//! This program needs one line in its `Cargo.toml`: the path to a clone of the repository, here beside the program's own
//! package, or the address that you clone it from:
//!
//! ```toml
//! [dependencies]
//! reactor = { path = "../reactor/reactor" }
//! ```
//!
//! ```toml
//! [dependencies]
//! reactor = { git = "ADDRESS" }
//! ```
//!
//! The crate `reactor` in the public registry is another one: do not `cargo add` it. Programs on other pages of this documentation
//! may also need `protocols` (by `../reactor/protocols`), `async-trait` for services, `tokio` with the feature `io-util` for
//! streams, `bytes` for [`Transport::write_bytes`], and `tracing-subscriber` for logs.
//!
//! With `default-features = false` there are no [`endpoint`], [`process`] and [`service`], and a third less to compile.
//!
//! It is for servers and clients of your own protocols. If you prefer straight-line `async`, use Tokio directly; for
//! HTTP, use a crate made for it. Coming from Twisted? `docs/porting.md` in the repository says what each of its names has
//! become.
//!
//! # Where to look
//!
//! | to | see |
//! |---|---|
//! | serve a port: addresses, options, limits of connections | [`Reactor::listen_tcp`], [`net::ListenOptions`], [`port::AcceptLimits`], [`Port`] |
//! | connect, notice a failure, reconnect | [`Reactor::connect_tcp`], [`Connector`], [`connect::Backoff`], [`service::ClientService`] |
//! | cut a stream into lines or messages | the crate `protocols`: `LineReceiver`, `StringReceiver`, … |
//! | call something later, or again and again | [`Transport::call_later`], [`Reactor::call_later`], [`Reactor::call_every`], [`task`] |
//! | wait for a future, a thread, a database | [`Transport::defer`], [`Reactor::defer_to_thread`], [`threads`] |
//! | limit the time of a future | [`Reactor::time_out`] |
//! | do long work without blocking the others | [`Reactor::cooperate`], [`Reactor::defer_to_thread`] |
//! | share state between connections | an `Rc<RefCell<…>>` that the factory clones into each protocol: [`Factory`] |
//! | write to another connection | a clone of its [`Transport`] |
//! | write no faster than the peer reads: flow control, back-pressure | [`Transport::is_full`], [`Protocol::resume_writing`], [`Transport::paced_by`], [`Transport::pause_reading`] |
//! | close: in order, at once, one direction only | [`Transport::lose_connection`], [`Transport::abort_connection`], [`Transport::write_eof`], [`CloseReason`] |
//! | go on in another protocol: upgrades, ports where the first bytes tell who speaks | [`Transport::switch_to`] |
//! | reach what a connector or a service has built | [`Transport::handle`], [`Connector::connected`] |
//! | limit time, rate or number; log the traffic | [`layer`], and `protocols::policies` |
//! | limit what peers make the program hold | [`Reactor::set_memory_budget`], [`Transport::charge_memory`] |
//! | use all cores | [`run_on_threads`] |
//! | send and receive datagrams: UDP, broadcast, multicast | [`datagram`] |
//! | use UNIX sockets, peer credentials, descriptor passing | [`unix`] |
//! | run child processes, in pipes or in a terminal | [`process`] |
//! | use standard input and output, or Tokio's streams | [`io`] |
//! | be told when a descriptor is ready: C libraries, inotify, loops of others | [`Reactor::watch`] |
//! | let the user choose the address (`tcp:8007`, `unix:/run/x.sock`) | [`endpoint`] |
//! | write a daemon: signals, reload, readiness, systemd, supervision | [`service::Runner`], [`service`] |
//! | replace a running server without a pause | [`listen`] |
//! | test without sockets, with a clock that the test moves | [`testing::StringTransport`], [`testing::Pair`] |
//! | test whole programs on a network with delays and failures | [`testing::Simulation`] |
//! | reach the reactor from another thread | [`Reactor::remote`] |
//! | show people what a peer has sent or chosen, without giving it their terminal | [`text`] |
//! | see what a running program does, and which callback keeps all others waiting | [`inspect`] |
//! | see what happens | the crate `tracing`; without a subscriber, warnings go to standard error ([`Reactor::run`]) |
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
//!   out when the callback has returned: **one input, then all its effects, then the next input**.
//! - What a callback writes leaves in one system call. While more than 64 KiB of answers wait, nothing more is read from
//!   that peer. [`Protocol::pause_writing`], [`Transport::is_full`] and [`Transport::paced_by`] are for protocols that
//!   generate output on their own; a hard limit protects the rest.
//! - [`connection_lost`](Protocol::connection_lost) comes exactly once and last, with a [`CloseReason`]. Timers and
//!   deferred calls of the connection are dropped before it.
//! - The end of stream means that everything was sent; if output was discarded, the peer sees a reset.

pub mod address;
pub mod connect;
pub mod connection;
pub mod datagram;
mod driver;
#[cfg(feature = "service")]
pub mod endpoint;
mod hub;
pub mod inspect;
pub mod io;
pub mod layer;
pub mod listen;
pub mod net;
pub mod port;
#[cfg(feature = "service")]
pub mod process;
mod reactor;
#[cfg(feature = "service")]
pub mod service;
mod simnet;
pub mod task;
pub mod testing;
pub mod threads;
mod time;
mod transport;
pub mod unix;
mod util;

/// Text for people to read.
pub mod text {
    pub use crate::util::escaped::{Escaped, escaped};
    pub use crate::util::panics::panic_message;
}

pub use address::Address;
pub use connect::{ConnectError, Connector};
pub use connection::{Factory, IntoProtocol, OnEof, Protocol, SharedFactory, share};
pub use port::Port;
pub use reactor::Reactor;
pub use threads::run_on_threads;
pub use time::deferred_call::DeferredCall;
pub use time::delayed_call::DelayedCall;
pub use transport::Transport;
pub use transport::close_reason::CloseReason;

/// The README's program, compiled as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
