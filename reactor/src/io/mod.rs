//! Bytes that are not a socket's: standard input and output, other descriptors, and Tokio's streams in both directions.

pub(crate) mod adopt_stream;
pub(crate) mod async_stream;
pub(crate) mod pipe;
pub(crate) mod stdio;
pub(crate) mod tokio_stream;

pub use adopt_stream::ConnectionEnd;
pub use tokio_stream::{Incoming, TokioStream};
