use std::cell::RefCell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

use crate::address::Address;
use crate::connection::factory::{Factory, FactoryCell};
use crate::driver;
use crate::driver::Started;
use crate::driver::keeper::Keeper;
use crate::driver::linger::LingerLimits;
use crate::driver::stream::Accepted;
use crate::io::async_stream::AsyncStream;
use crate::net::connection_options::ConnectionOptions;
use crate::reactor::Reactor;
use crate::transport::Transport;
use crate::transport::close_reason::CloseReason;
use crate::util::wakers::Wakers;

impl Reactor {
    /// Makes a connection of a stream that is already open, whatever it is: a pipe of `tokio::io`, a stream from a TLS
    /// or SSH library, an HTTP connection after an upgrade. `factory` builds the protocol in the reactor's next turn,
    /// with these addresses of the two ends. Twisted's `adoptStreamConnection`.
    ///
    /// It works like a socket, within the limits of a stream: there is no reset, so
    /// [`abort_connection`](crate::Transport::abort_connection) drops the stream, and while reading is paused a broken
    /// stream is noticed only if nothing unread precedes the break. The stream is polled on the reactor's thread inside
    /// its Tokio runtime; a stream that needs no runtime can also be adopted in a simulation.
    ///
    /// ```
    /// use reactor::{Address, Protocol, Reactor, Transport};
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    ///
    /// struct Echo { transport: Transport }
    /// # impl Protocol for Echo {
    /// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
    /// # }
    ///
    /// let reactor = Reactor::new()?;
    /// let (mut near, far) = tokio::io::duplex(1024);
    /// let [host, peer] = ["echo", "client"].map(Address::memory);
    /// reactor.adopt_stream(far, host, peer, |transport| Echo { transport });
    /// let echoed = reactor.run_until(async {
    ///     near.write_all(b"hi").await?;
    ///     near.shutdown().await?;
    ///     let mut echoed = String::new();
    ///     near.read_to_string(&mut echoed).await?;
    ///     Ok::<_, std::io::Error>(echoed)
    /// })??;
    /// assert_eq!(echoed, "hi");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn adopt_stream<S>(&self, stream: S, host: Address, peer: Address, factory: impl Factory) -> ConnectionEnd
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let end = ConnectionEnd(Rc::default());
        let keeper = Rc::new(Adopted { factory: FactoryCell::new(factory), end: end.clone() });
        let core = Rc::downgrade(&self.0);
        // Started by a task, so that no callback runs inside another. If dropped before that, the keeper reports the
        // end.
        self.0.spawn_task(async move {
            let Some(core) = core.upgrade().filter(|core| !core.is_stopping()) else { return };
            keeper.factory.start();
            let accepted = Accepted::any(AsyncStream::new(stream), host, peer);
            let limit = ConnectionOptions::default().output_limit;
            match driver::start(&core.roster, accepted, limit, &keeper.factory, Rc::clone(&keeper) as _) {
                Started::Running(_, task) => core.spawn_driver(task),
                Started::Refused => keeper.connection_lost(&CloseReason::Done),
                Started::Panicked(message) => keeper.connection_lost(&CloseReason::Panicked(message)),
            }
        });
        end
    }
}

/// The owner of an adopted stream's connection.
struct Adopted {
    factory: FactoryCell,
    end: ConnectionEnd,
}

impl Keeper for Adopted {
    fn connection_begins(&self, transport: &Transport) {
        self.end.0.transport.replace(Some(transport.clone()));
        self.end.0.waiting.wake_all();
    }

    fn connection_lost(&self, reason: &CloseReason) {
        self.end.set(reason.clone());
    }

    fn linger_limits(&self) -> LingerLimits {
        ConnectionOptions::default().linger
    }
}

impl Drop for Adopted {
    fn drop(&mut self) {
        self.factory.discard();
        self.end.set(CloseReason::Aborted);
    }
}

/// Resolves with the reason when the connection made by [`Reactor::adopt_stream`] has ended: [`CloseReason::Done`] if
/// the factory refused it, [`CloseReason::Aborted`] if the reactor stopped first. Dropping it changes nothing.
#[derive(Clone)]
pub struct ConnectionEnd(Rc<Ending>);

#[derive(Default)]
struct Ending {
    /// While there is a connection.
    transport: RefCell<Option<Transport>>,
    reason: RefCell<Option<CloseReason>>,
    waiting: Wakers,
}

impl ConnectionEnd {
    /// Resolves with the transport of the connection's protocol, that inside all layers, once it is
    /// [established](Transport::mark_pending). The protocol's own handle comes from it by [`Transport::handle`].
    ///
    /// # Errors
    ///
    /// The reason if the connection has ended before that.
    pub fn connected(&self) -> impl Future<Output = Result<Transport, CloseReason>> + 'static + use<> {
        let end = self.clone();
        async move {
            let begun = poll_fn(|cx| {
                let transport = end.0.transport.borrow().clone();
                if transport.is_none() && end.0.reason.borrow().is_none() {
                    end.0.waiting.add(cx.waker());
                    return Poll::Pending;
                }
                Poll::Ready(transport)
            });
            match begun.await {
                Some(transport) if transport.established().await => Ok(transport.innermost()),
                _ => Err(end.await),
            }
        }
    }

    /// The first reason counts.
    fn set(&self, reason: CloseReason) {
        self.0.reason.borrow_mut().get_or_insert(reason);
        self.0.transport.take();
        self.0.waiting.wake_all();
    }
}

impl Future for ConnectionEnd {
    type Output = CloseReason;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CloseReason> {
        if let Some(reason) = &*self.0.reason.borrow() {
            return Poll::Ready(reason.clone());
        }
        self.0.waiting.add(cx.waker());
        Poll::Pending
    }
}

impl fmt::Debug for ConnectionEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConnectionEnd").field(&self.0.reason.borrow()).finish()
    }
}

#[cfg(test)]
mod tests;
