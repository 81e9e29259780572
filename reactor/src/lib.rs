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
//! It is for servers and clients of protocols of one's own. It is not for who wants to write straight-line `async` code
//! (use Tokio itself), nor for HTTP.
//!
//! # The life of a connection
//!
//! ```text
//! listen_tcp:  accepted ─┐
//!                        ├─ build_protocol ─ connection_made ─ data_received, … ─ connection_lost
//! connect_tcp: raced ────┘
//! ```
//!
//! - A protocol is built when its connection is really established, and born with its transport.
//! - Callbacks of one connection never nest. What one asks of any transport (write, close, call me later) is carried
//!   out when it has returned: **one input, then a full drain, then the next input**.
//! - What a callback writes leaves in one system call. While more than 64 KiB of answers wait, nothing more is read from
//!   that peer; [`Protocol::pause_writing`], [`Transport::is_full`] and [`Transport::paced_by`] are for those who
//!   produce by themselves, and a hard limit is for those who do not care.
//! - [`connection_lost`](Protocol::connection_lost) comes exactly once and last, with a [`CloseReason`]. Timers and
//!   deferred calls of the connection are dropped before.
//! - The end of stream tells the peer that everything was sent; whatever discards output resets the connection.
//!
//! # Datagrams
//!
//! [`Reactor::listen_udp`] gives a [`DatagramProtocol`] its [`DatagramTransport`]. There is no connection to end: what
//! one peer sends, be it a datagram that makes a callback panic, ends nothing for the others.
//!
//! # Tokio's streams
//!
//! [`Reactor::adopt_stream`] makes a connection of any stream of Tokio's, and [`TokioStream`] makes such a stream of a
//! connection: for a codec, for `hyper`, for code that is better written as one `async` function.
//!
//! # Reading order
//!
//! | module | holds |
//! |---|---|
//! | `protocol`, `factory` | what users implement |
//! | `transport`, `state`, `calls`, `output` | the handle of a connection, and what is behind it |
//! | `connection` | the rules between a protocol and its transport, without any I/O |
//! | `nested`, `policy` | layers: connections inside connections |
//! | `driver`, `stream`, `tcp`, `memory` | the loop around a connection, and what it moves bytes over |
//! | `datagram`, `datagram_transport`, `datagram_driver`, `udp` | the same for datagrams |
//! | `listen`, `acceptor`, `port`, `connector`, `resolve`, `race` | how connections come about |
//! | `adopt`, `async_stream`, `tokio_stream` | Tokio's streams as connections, and connections as Tokio's streams |
//! | `reactor`, `run`, `threads`, `remote` | the event loop, its end, several of them, and the way in from outside |
//! | `looping_call` | what is to happen again and again |
//! | `timers`, `clock`, `hub`, `pool`, `contain` | what all of these stand on |
//! | `executor`, `simnet` | what a simulation runs on in place of Tokio and the network |
//! | [`testing`] | tests without sockets |

mod acceptor;
mod address;
mod adopt;
mod async_stream;
mod calls;
mod clock;
mod connect_error;
mod connection;
mod connector;
mod contain;
mod datagram;
mod datagram_driver;
mod datagram_options;
mod datagram_socket;
mod datagram_transport;
mod delayed_call;
mod driver;
mod executor;
mod factory;
mod hub;
mod listen;
mod log_limit;
mod looping_call;
mod memory;
mod nested;
mod options;
mod output;
mod policy;
mod pool;
mod port;
mod protocol;
mod race;
mod reactor;
mod reason;
mod remote;
mod resolve;
mod run;
mod simnet;
mod state;
mod stream;
mod target;
mod tcp;
pub mod testing;
mod threads;
mod timers;
mod tokio_stream;
mod transport;
mod udp;

pub use address::Address;
pub use adopt::ConnectionEnd;
pub use calls::DeferredCall;
pub use connect_error::ConnectError;
pub use connect_error::ConnectErrorKind;
pub use connection::Connection;
pub use connector::Connector;
pub use connector::ConnectorState;
pub use datagram::DatagramProtocol;
pub use datagram_options::DatagramOptions;
pub use datagram_transport::DatagramTransport;
pub use delayed_call::DelayedCall;
pub use factory::Factory;
pub use factory::IntoProtocol;
pub use factory::SharedFactory;
pub use factory::share;
pub use looping_call::LoopingCall;
pub use looping_call::Tick;
pub use nested::Nested;
pub use options::ConnectOptions;
pub use options::ListenOptions;
pub use policy::IntoPolicy;
pub use policy::Policy;
pub use policy::layer;
pub use pool::JobError;
pub use port::Port;
pub use port::PortClosed;
pub use protocol::OnEof;
pub use protocol::Protocol;
pub use reactor::Reactor;
pub use reason::CloseReason;
pub use remote::RemoteReactor;
pub use remote::RemoteTransport;
pub use resolve::Resolver;
pub use target::Target;
pub use target::ToTarget;
pub use threads::run_on_threads;
pub use tokio_stream::Incoming;
pub use tokio_stream::TokioStream;
pub use transport::Transport;

/// The README's programs, compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
