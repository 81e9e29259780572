//! Streams other than sockets: standard input and output, other descriptors, and Tokio's streams in both directions.
//!
//! | to | use |
//! |---|---|
//! | serve standard input and output | [`stdio`](crate::Reactor::stdio) |
//! | serve pipes, terminals and other descriptors | [`connect_fds`](crate::Reactor::connect_fds) |
//! | run a protocol over one of Tokio's streams, such as TLS | [`adopt_stream`](crate::Reactor::adopt_stream) |
//! | use a connection as one of Tokio's streams, for a library such as hyper | [`TokioStream`] |
//! | be told when a descriptor is ready, and do the rest | [`watch`](crate::Reactor::watch) |
//! | give such a library time limits by the reactor's clock | [`Timer`] |
//!
//! ```
//! use reactor::io::TokioStream;
//! use reactor::testing::StringTransport;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! let mut wire = StringTransport::connect(TokioStream::factory(async |mut stream: TokioStream| {
//!     let mut question = [0; 4];
//!     stream.read_exact(&mut question).await?;
//!     stream.write_all(b"pong").await
//! }));
//! wire.receive("ping");
//! assert_eq!(wire.written(), b"pong");
//! ```
//!
//! Twisted has `StandardIO`.

pub(crate) mod adopt_stream;
pub(crate) mod async_stream;
pub(crate) mod pipe;
mod poller;
pub(crate) mod stdio;
pub(crate) mod timer;
pub(crate) mod tokio_stream;
pub(crate) mod watch;

pub use adopt_stream::ConnectionEnd;
pub use timer::{Sleep, Timer};
pub use tokio_stream::{Incoming, TokioStream};
pub use watch::{Interest, Ready, Watch};
