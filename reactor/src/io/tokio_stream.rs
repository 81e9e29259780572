use std::cell::Cell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::{fmt, io};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{mpsc, oneshot};

use crate::address::Address;
use crate::connect::connector::AttemptGuard;
use crate::connect::error::ConnectError;
use crate::connection::factory::Factory;
use crate::connection::{OnEof, Protocol};
use crate::net::connect_options::ConnectOptions;
use crate::reactor::Reactor;
use crate::transport::Transport;
use crate::transport::close_reason::CloseReason;
use crate::transport::memory_charge::MemoryCharge;
use crate::util::lock::lock;

/// A connection as a Tokio stream, for straight-line code: [`AsyncRead`] and [`AsyncWrite`], so that `hyper`, codecs
/// and `tokio::io::copy` accept it. A client gets one by [`connect`](Self::connect). All connections of a port become
/// streams by [`factory`](Self::factory), with a future for each, or by [`incoming`](Self::incoming), for a server that
/// accepts.
///
/// - What is written leaves in the connection's next turn. Up to 64 KiB are accepted in advance while the connection is
///   full. Up to 64 KiB and one read wait to be read; beyond that the connection is not read either.
/// - Shutting it down ends this side's stream. Dropping it closes the connection when everything is sent; if a panic
///   drops it, the connection is aborted.
/// - When the connection has ended, what was received before is still read. Then comes the end, or an error if it did
///   not end with [`CloseReason::Done`]: that reason is the error's source.
///
/// It needs no runtime, so it also works in a simulation. It is `Send` and may be used on another thread.
///
/// [`AsyncRead`]: https://docs.rs/tokio/latest/tokio/io/trait.AsyncRead.html
/// [`AsyncWrite`]: https://docs.rs/tokio/latest/tokio/io/trait.AsyncWrite.html
pub struct TokioStream {
    shared: Arc<SharedPipe>,
    host: Address,
    peer: Address,
}

impl TokioStream {
    /// Connects to a TCP server, as [`Reactor::connect_tcp`] does. The attempt begins at once; dropping the future
    /// gives it up.
    ///
    /// ```
    /// use std::io;
    /// use reactor::Reactor;
    /// use reactor::io::TokioStream;
    /// use reactor::testing::Simulation;
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    ///
    /// async fn ask(reactor: Reactor, question: &[u8]) -> io::Result<String> {
    ///     let mut stream = TokioStream::connect(&reactor, "oracle:21567").await?;
    ///     stream.write_all(question).await?;
    ///     let mut answer = String::new();
    ///     stream.read_to_string(&mut answer).await?;
    ///     Ok(answer)
    /// }
    ///
    /// let sim = Simulation::new(1);
    /// sim.host("oracle").listen_tcp(21567, TokioStream::factory(async |mut stream| {
    ///     let question = stream.read_u8().await?;
    ///     stream.write_all(if question == b'?' { b"42" } else { b"What?" }).await
    /// }))?;
    /// let client = sim.host("client");
    /// assert_eq!(client.run_until(ask(client.clone(), b"?"))??, "42");
    /// # Ok::<(), io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the connection could not be made, with the reason.
    pub fn connect<T: Into<ConnectOptions>>(
        reactor: &Reactor,
        target: T,
    ) -> impl Future<Output = Result<Self, ConnectError>> + 'static + use<T> {
        let (tell, told) = oneshot::channel();
        let tell = Rc::new(Cell::new(Some(tell)));
        let failed = Rc::clone(&tell);
        let connector = reactor.connect_tcp(target, move |transport: Transport| {
            let (bridge, stream) = Bridge::new(&transport);
            tell.take()?.send(Ok(stream)).is_ok().then_some(bridge)
        });
        let attempt = AttemptGuard(connector.on_failed(move |_, error| {
            if let Some(tell) = failed.take() {
                // The receiver may have been dropped.
                let _ = tell.send(Err(error));
            }
        }));
        async move { told.await.unwrap_or_else(|_| Err(attempt.cancelled())) }
    }

    /// A factory that runs a future with each of its connections, as [`Reactor::spawn`](crate::Reactor::spawn) does. An
    /// error that the future returns is logged; the connection ends with the future.
    ///
    /// ```
    /// use reactor::testing::StringTransport;
    /// use reactor::io::TokioStream;
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    ///
    /// let mut wire = StringTransport::connect(TokioStream::factory(async |mut stream| {
    ///     let number = stream.read_u16().await?;
    ///     stream.write_all(format!("{number} is a nice number").as_bytes()).await
    /// }));
    /// wire.receive([1]);
    /// wire.receive([2]);
    /// assert_eq!(wire.written(), b"258 is a nice number");
    /// assert!(wire.close_reason().unwrap().is_clean());
    /// ```
    pub fn factory<R>(mut run: impl FnMut(Self) -> R + 'static) -> impl Factory
    where
        R: Future<Output = io::Result<()>> + 'static,
    {
        move |transport: Transport| {
            let (bridge, stream) = Bridge::new(&transport);
            let shared = Arc::clone(&bridge.shared);
            let running = run(stream);
            transport.reactor().spawn(async move {
                if let Err(error) = running.await {
                    tracing::info!(%error, "a connection's future failed");
                    shared.wish(Wish::Fail(CloseReason::failed(error)));
                }
            });
            bridge
        }
    }

    /// A factory, and the connections it makes, for code that accepts them.
    ///
    /// ```no_run
    /// use reactor::Reactor;
    /// use reactor::io::TokioStream;
    ///
    /// let reactor = Reactor::new()?;
    /// let (factory, mut incoming) = TokioStream::incoming();
    /// reactor.listen_tcp(8007, factory)?;
    /// reactor.run_until(async move {
    ///     while let Some(mut stream) = incoming.accept().await {
    ///         let _ = tokio::io::copy(&mut stream.peer().to_string().as_bytes(), &mut stream).await;
    ///     }
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// As many connections may wait to be accepted as the port [allows](crate::port::AcceptLimits::connections).
    /// Dropping [`Incoming`] closes them, and refuses others.
    pub fn incoming() -> (impl Factory, Incoming) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let factory = move |transport: Transport| {
            let (bridge, stream) = Bridge::new(&transport);
            sender.send(stream).is_ok().then_some(bridge)
        };
        (factory, Incoming(receiver))
    }

    /// The peer's address.
    pub fn peer(&self) -> &Address {
        &self.peer
    }

    /// This side's address.
    pub fn host(&self) -> &Address {
        &self.host
    }
}

/// Connections to accept, from [`TokioStream::incoming`].
#[derive(Debug)]
pub struct Incoming(mpsc::UnboundedReceiver<TokioStream>);

impl Incoming {
    /// The next connection; `None` when the factory is gone, because its port or its connector is. Dropping the future
    /// loses nothing.
    pub async fn accept(&mut self) -> Option<TokioStream> {
        self.0.recv().await
    }
}

/// Shared by a connection and its stream, which may be on another thread.
#[derive(Default)]
struct SharedPipe(Mutex<Pipe>);

#[derive(Default)]
struct Pipe {
    /// From the peer.
    received: VecDeque<u8>,
    /// To the peer.
    written: Vec<u8>,
    /// The peer has ended its stream.
    eof: bool,
    ended: Option<CloseReason>,
    /// What the stream's owner asks for.
    wish: Wish,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// The waker of the connection.
    connection: Option<Waker>,
}

#[derive(Clone, Default)]
enum Wish {
    #[default]
    Open,
    Shut,
    Close,
    Fail(CloseReason),
}

impl SharedPipe {
    fn lock(&self) -> MutexGuard<'_, Pipe> {
        lock(&self.0)
    }

    fn wish(&self, wish: Wish) {
        let connection = {
            let mut pipe = self.lock();
            if matches!(pipe.wish, Wish::Fail(_)) {
                return;
            }
            pipe.wish = wish;
            pipe.connection.take()
        };
        wake(connection);
    }
}

impl Pipe {
    /// The error if nothing can be sent or received any more.
    fn error(&self) -> Option<io::Error> {
        let reason = self.ended.as_ref().filter(|reason| !reason.is_clean())?;
        Some(reason.clone().into())
    }
}

impl AsyncRead for TokioStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut pipe = self.shared.lock();
        if !pipe.received.is_empty() {
            let front = pipe.received.as_slices().0;
            let n = front.len().min(buffer.remaining());
            buffer.put_slice(&front[..n]);
            pipe.received.drain(..n);
            if pipe.received.is_empty() {
                pipe.received.shrink_to(KEPT);
                let connection = pipe.connection.take();
                drop(pipe);
                wake(connection);
            }
            return Poll::Ready(Ok(()));
        }
        if pipe.eof || pipe.ended.is_some() {
            return Poll::Ready(pipe.error().map_or(Ok(()), Err));
        }
        pipe.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl AsyncWrite for TokioStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let mut pipe = self.shared.lock();
        if pipe.ended.is_some() || !matches!(pipe.wish, Wish::Open) {
            return Poll::Ready(Err(pipe.error().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into())));
        }
        let room = MOST_WAITING - pipe.written.len();
        if room == 0 && !data.is_empty() {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let n = data.len().min(room);
        pipe.written.extend_from_slice(&data[..n]);
        let connection = pipe.connection.take();
        drop(pipe);
        wake(connection);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.wish(Wish::Shut);
        Poll::Ready(Ok(()))
    }
}

impl Drop for TokioStream {
    fn drop(&mut self) {
        self.shared.wish(if std::thread::panicking() { Wish::Fail(CloseReason::Aborted) } else { Wish::Close });
    }
}

impl fmt::Debug for TokioStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokioStream").field("host", &self.host).field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// The protocol at the other end of a stream.
struct Bridge {
    transport: Transport,
    shared: Arc<SharedPipe>,
    /// For received bytes that were not read.
    charge: Rc<MemoryCharge>,
}

impl Bridge {
    fn new(transport: &Transport) -> (Self, TokioStream) {
        let shared = Arc::<SharedPipe>::default();
        let stream = TokioStream { shared: Arc::clone(&shared), host: transport.host(), peer: transport.peer() };
        let charge = Rc::new(transport.charge_memory(0));
        (Self { transport: transport.clone(), shared, charge }, stream)
    }

    /// Carries out what the stream's owner wants, as far as the connection can take it.
    fn pump(transport: &Transport, shared: &SharedPipe, charge: &MemoryCharge, connection: Option<&Waker>) {
        let (writer, wish) = {
            let mut pipe = shared.lock();
            if let Some(waker) = connection {
                pipe.connection = Some(waker.clone());
            }
            if pipe.received.is_empty() {
                charge.set(0);
                transport.resume_reading();
            }
            if transport.is_full() && !matches!(pipe.wish, Wish::Fail(_)) {
                return;
            }
            transport.write(&pipe.written);
            pipe.written.clear();
            pipe.written.shrink_to(KEPT);
            (pipe.writer.take(), pipe.wish.clone())
        };
        wake(writer);
        match wish {
            Wish::Open => {}
            Wish::Shut => transport.write_eof(),
            Wish::Close => transport.lose_connection(),
            Wish::Fail(reason) => transport.fail_connection(reason),
        }
    }
}

impl Protocol for Bridge {
    fn connection_made(&mut self) {
        let (transport, shared, charge) = (self.transport.clone(), Arc::clone(&self.shared), Rc::clone(&self.charge));
        // What its waker wakes is the connection's own turn.
        let pump = poll_fn(move |cx| {
            Self::pump(&transport, &shared, &charge, Some(cx.waker()));
            Poll::<()>::Pending
        });
        self.transport.defer(pump, |_: &mut Self, ()| {});
    }

    fn data_received(&mut self, data: &[u8]) {
        let reader = {
            let mut pipe = self.shared.lock();
            pipe.received.extend(data);
            self.charge.set(pipe.received.capacity());
            if pipe.received.len() >= MOST_WAITING {
                self.transport.pause_reading();
            }
            pipe.reader.take()
        };
        wake(reader);
    }

    fn eof_received(&mut self) -> OnEof {
        let reader = {
            let mut pipe = self.shared.lock();
            pipe.eof = true;
            pipe.reader.take()
        };
        wake(reader);
        OnEof::KeepWriting
    }

    fn resume_writing(&mut self) {
        Self::pump(&self.transport, &self.shared, &self.charge, None);
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        let wakers = {
            let mut pipe = self.shared.lock();
            pipe.ended = Some(reason);
            [pipe.reader.take(), pipe.writer.take()]
        };
        wakers.into_iter().for_each(wake);
    }
}

/// Never called with the pipe locked: the woken task may use it at once.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// The maximum number of bytes that wait in one direction.
const MOST_WAITING: usize = 64 * 1024;

/// The capacity that an empty buffer may keep.
const KEPT: usize = 4 * 1024;

#[cfg(test)]
mod tests;
