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
//! (use Tokio itself), nor for HTTP. Who comes from Twisted finds in `docs/porting.md` what each of its names has
//! become.
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
//! # UNIX sockets
//!
//! [`Reactor::listen_unix`], [`Reactor::connect_unix`] and [`Reactor::listen_unix_datagram`] are the same within one
//! machine: a [`UnixAddress`] is a path or an abstract name, [`Transport::peer_credentials`] tells who the peer is, and
//! [`Transport::send_file_descriptor`] hands it an open file. A socket that is open already, be it inherited or received
//! that way, becomes a port or a connection by [`Reactor::adopt_stream_port`] and
//! [`Reactor::adopt_stream_connection`].
//!
//! # Pipes and processes
//!
//! [`Reactor::stdio`] makes standard input and output a connection like any other, and [`Reactor::connect_process`] a
//! child process; [`Reactor::spawn_process`] tells a [`ProcessProtocol`] everything that becomes of a child.
//!
//! # Tokio's streams
//!
//! [`Reactor::adopt_stream`] makes a connection of any stream of Tokio's, and [`TokioStream`] makes such a stream of a
//! connection: for a codec, for `hyper`, for code that is better written as one `async` function.
//!
//! # Endpoints
//!
//! What a program listens on or connects to can be left to whoever runs it: [`server_from_string`] and
//! [`client_from_string`] make a [`ServerEndpoint`] of `tcp:8007` or `systemd:name=web`, and a [`ClientEndpoint`] of
//! `tcp:example.org:8007`, `unix:/run/time.sock` or `exec:./server`.
//!
//! # Programs
//!
//! What a server consists of are [`Service`]s: a port is one ([`EndpointService`]), and so are several that are started in
//! order, stopped in reverse and restarted when they fail ([`MultiService`]). A [`Runner`] is the `main` around them: signals,
//! readiness, the exit status.
//!
//! # Reading order
//!
//! | module | holds |
//! |---|---|
//! | `protocol`, `factory` | what users implement |
//! | `transport`, `state`, `calls`, `output`, `pacing`, `pending`, `draining`, `watchers` | the handle of a connection, and what is behind it |
//! | `connection` | the rules between a protocol and its transport, without any I/O |
//! | `nested`, `policy` | layers: connections inside connections |
//! | `driver`, `linger`, `stream`, `tcp`, `unix`, `memory` | the loop around a connection, and what it moves bytes over |
//! | `pipe`, `stdio` | standard input and output, and other descriptors, in place of a socket |
//! | `process_protocol`, `process_transport`, `process_adapter`, `child`, `process` | child processes |
//! | `datagram`, `datagram_transport`, `datagram_driver`, `udp`, `interface`, `unix_datagram` | the same for datagrams |
//! | `adopt_stream`, `async_stream`, `tokio_stream` | Tokio's streams as connections, and connections as Tokio's streams |
//! | `listen`, `adopt`, `accept_limits`, `admission`, `refusals`, `acceptor`, `port`, `connect`, `connector`, `retry`, `resolve`, `race` | how connections come about |
//! | `unix_address`, `unix_file`, `unix_lock` | the names of UNIX sockets, and what these leave in the file system |
//! | `endpoint`, `activation`, `numbered` | where connections come from or go to, chosen by whoever runs the program |
//! | `reactor`, `budgets`, `run`, `threads`, `remote`, `jobs`, `blocking_call` | the event loop, its end, several of them, and the way in from outside |
//! | `handover`, `legacy` | the next version of a server in place of the last |
//! | `looping_call`, `cooperate`, `backoff` | what is to happen again and again, what takes many steps, and what is to be tried again |
//! | `service` | what starts and stops, one by one and as a tree; what runs it as a program |
//! | `timers`, `clock`, `hub`, `connection_budget`, `output_budget`, `pool`, `wakers`, `contain` | what all of these stand on |
//! | `executor`, `simnet` | what a simulation runs on in place of Tokio and the network |
//! | [`testing`] | tests without sockets |

mod address;
mod connect;
mod connection;
mod datagram;
mod driver;
mod endpoint;
mod hub;
mod io;
mod layer;
mod listen;
mod net;
mod port;
mod process;
mod reactor;
mod service;
mod simnet;
mod task;
pub mod testing;
mod threads;
mod time;
mod transport;
mod unix;
mod util;

pub use address::Address;
pub use address::datagram::DatagramAddress;
pub use address::peer_credentials::PeerCredentials;
pub use address::target::{Target, ToTarget};
pub use address::unix::UnixAddress;
pub use connect::backoff::Backoff;
pub use connect::connector::{Connector, ConnectorState};
pub use connect::error::{ConnectError, ConnectErrorKind};
pub use connection::Connection;
pub use connection::factory::{Factory, IntoProtocol, SharedFactory, share};
pub use connection::protocol::{OnEof, Protocol};
pub use datagram::DatagramProtocol;
pub use datagram::interface::Interface;
pub use datagram::transport::DatagramTransport;
pub use endpoint::{
    Argument, Arguments, ClientEndpoint, EndpointError, Made, ServerEndpoint, client_from_string, connect_protocol,
    quote_string_argument, server_from_string,
};
pub use io::adopt_stream::ConnectionEnd;
pub use io::tokio_stream::{Incoming, TokioStream};
pub use layer::nested::Nested;
pub use layer::policy::{IntoPolicy, Policy, layer};
pub use listen::handover::Handover;
pub use net::datagram_options::DatagramOptions;
pub use net::listen_options::{ConnectOptions, ListenOptions};
pub use net::resolver::Resolver;
pub use port::pending::Pending;
pub use port::refusals::Refusals;
pub use port::{CutOff, Port, PortClosed};
pub use process::protocol::ProcessProtocol;
pub use process::terminated::ProcessTerminated;
pub use process::transport::ProcessTransport;
pub use reactor::Reactor;
pub use service::{
    ClientService, EndpointService, MultiService, Readiness, Runner, Service, ServiceError, TimerService,
};
pub use task::cooperate::{CooperativeTask, Step, TaskEnd};
pub use task::looping_call::{LoopingCall, Tick};
pub use threads::blocking_call::BlockingCallError;
pub use threads::remote::{RemoteReactor, RemoteTransport};
pub use threads::run_on_threads;
pub use time::calls::DeferredCall;
pub use time::delayed_call::DelayedCall;
pub use transport::Transport;
pub use transport::close_reason::CloseReason;
pub use unix::options::{UnixConnectOptions, UnixDatagramOptions, UnixListenOptions};
pub use util::thread_pool::JobError;

/// The README's programs, compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
