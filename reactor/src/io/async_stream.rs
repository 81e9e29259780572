//! Tokio's streams as streams of this crate.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::driver::stream::Stream;
use crate::transport::state::SocketOptions;
use crate::util::panics::catch_panic_of_stream;

/// A stream that can only be read and written.
pub(crate) struct AsyncStream<S> {
    stream: S,
    /// A byte read while the connection was not reading: reading is the only way to notice the end.
    ahead: Option<u8>,
    /// The error of the read after that byte.
    failure: Option<io::Error>,
    /// Bytes that the stream has accepted and not yet flushed; the connection still counts them as its own.
    unflushed: usize,
}

impl<S> AsyncStream<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, ahead: None, failure: None, unflushed: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncStream<S> {
    fn read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(catch_panic_of_stream(|| Pin::new(&mut self.stream).poll_read(cx, &mut buffer)))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> Stream for AsyncStream<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if let Some(failure) = self.failure.take() {
            return Poll::Ready(Err(failure));
        }
        let Some(ahead) = self.ahead.take() else { return self.read(cx, buffer) };
        buffer[0] = ahead;
        match self.read(cx, &mut buffer[1..]) {
            Poll::Ready(Ok(n)) => Poll::Ready(Ok(1 + n)),
            Poll::Ready(Err(error)) => {
                self.failure = Some(error);
                Poll::Ready(Ok(1))
            }
            Poll::Pending => Poll::Ready(Ok(1)),
        }
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_some() {
            return Poll::Pending;
        }
        let mut ahead = [0];
        if ready!(self.read(cx, &mut ahead))? == 0 {
            return Poll::Ready(Ok(()));
        }
        self.ahead = Some(ahead[0]);
        Poll::Pending
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if self.unflushed == 0 {
            let written = catch_panic_of_stream(|| Pin::new(&mut self.stream).poll_write(cx, data));
            self.unflushed = match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => n,
            };
        }
        ready!(catch_panic_of_stream(|| Pin::new(&mut self.stream).poll_flush(cx)))?;
        Poll::Ready(Ok(std::mem::take(&mut self.unflushed)))
    }

    fn poll_shut(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        catch_panic_of_stream(|| Pin::new(&mut self.stream).poll_shutdown(cx))
    }

    /// Async streams have no reset; dropping must suffice.
    fn reset(&mut self) {}

    fn set_options(&mut self, _options: SocketOptions) -> io::Result<()> {
        Ok(())
    }
}
