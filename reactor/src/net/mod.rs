//! TCP and UDP: sockets, their options, and the names of hosts.
//!
//! [`ListenOptions`] go with [`listen_tcp`](crate::Reactor::listen_tcp), [`ConnectOptions`] with
//! [`connect_tcp`](crate::Reactor::connect_tcp). With the defaults, both methods take a plain address. [`ConnectionOptions`]
//! are what both have for their connections. A [`Resolver`]
//! finds the addresses of names: the system's, unless [`set_resolver`](crate::Reactor::set_resolver) sets another.
//!
//! ```no_run
//! use std::time::Duration;
//! use reactor::Reactor;
//! use reactor::net::{ConnectOptions, ListenOptions};
//! use reactor::port::AcceptLimits;
//! # use reactor::{Protocol, Transport};
//! # struct Echo { transport: Transport }
//! # impl Protocol for Echo {
//! #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
//! # }
//!
//! let reactor = Reactor::new()?;
//! let options = ListenOptions::new("127.0.0.1:8007").limits(AcceptLimits::new().connections(10_000));
//! reactor.listen_tcp(options, |transport| Echo { transport })?;
//! let options = ConnectOptions::new("localhost:8007").deadline(Some(Duration::from_secs(5)));
//! reactor.connect_tcp(options, |transport| Echo { transport });
//! reactor.run()?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Twisted has parameters of `listenTCP` and `connectTCP` for some of these options, and `IHostnameResolver`.

pub(crate) mod accepting;
pub(crate) mod connect_options;
pub(crate) mod connection_options;
pub(crate) mod error;
pub(crate) mod hosts;
pub(crate) mod listen_options;
pub(crate) mod resolver;
pub(crate) mod socket;
pub(crate) mod system_resolver;
pub(crate) mod tcp;

pub use connect_options::ConnectOptions;
pub use connection_options::ConnectionOptions;
pub use listen_options::ListenOptions;
pub use resolver::{Resolver, Resolving};
