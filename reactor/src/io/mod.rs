//! Bytes that are not a socket's: standard input and output, other descriptors, and Tokio's streams in both directions.
//!
//! | to | there is |
//! |---|---|
//! | serve standard input and output | [`stdio`](crate::Reactor::stdio) |
//! | serve pipes, terminals and other descriptors | [`connect_fds`](crate::Reactor::connect_fds) |
//! | run a protocol over a stream of Tokio's, such as TLS | [`adopt_stream`](crate::Reactor::adopt_stream) |
//! | have a connection as a stream of Tokio's, for a library such as hyper | [`TokioStream`] |
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
pub(crate) mod stdio;
pub(crate) mod tokio_stream;

pub use adopt_stream::ConnectionEnd;
pub use tokio_stream::{Incoming, TokioStream};
