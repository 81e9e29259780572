//! Stream sockets of a simulated host.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::io::Read as _;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::address::Address;
use crate::driver::stream::{Accepted, AnyStream, Listener, Stream};
use crate::net::connect_options::ConnectOptions;
use crate::net::connection_options::KeepAliveProbes;
use crate::net::error::BindError;
use crate::net::listen_options::ListenOptions;
use crate::simnet::Network;
use crate::simnet::addresses::{HostId, overlap, source_address};
use crate::simnet::conn::{Conn, ConnPhase, End};
use crate::simnet::host::Listening;
use crate::simnet::packet::{Packet, Part};
use crate::simnet::state::NetworkState;
use crate::transport::state::SocketOptions;

/// One end of a simulated connection.
pub(crate) struct SimStream {
    network: Rc<Network>,
    conn: u64,
    end: usize,
    reset: bool,
}

impl SimStream {
    fn with<R>(&self, f: impl FnOnce(&mut NetworkState, Instant) -> R) -> R {
        f(&mut self.network.state.borrow_mut(), self.network.clock.now())
    }
}

impl Stream for SimStream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let (conn, end) = (self.conn, self.end);
        let (read, writer) = self.with(|state, _| {
            let Some(connection) = state.conn(conn) else {
                return (Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())), None);
            };
            let this = &mut connection.ends[end];
            if !this.unread.is_empty() {
                let read = this.unread.read(buffer);
                let other = &mut connection.ends[1 - end];
                other.in_flight -= read.as_ref().map_or(0, |n| *n);
                return (Poll::Ready(read), other.writer.take());
            }
            if let Some(kind) = this.broken {
                return (Poll::Ready(Err(kind.into())), None);
            }
            if this.ended {
                return (Poll::Ready(Ok(0)), None);
            }
            this.reader = Some(cx.waker().clone());
            (Poll::Pending, None)
        });
        if let Some(writer) = writer {
            writer.wake();
        }
        read
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (conn, end) = (self.conn, self.end);
        self.with(|state, _| {
            let Some(connection) = state.conn(conn) else {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            };
            let this = &mut connection.ends[end];
            if let Some(kind) = this.broken {
                return Poll::Ready(Err(kind.into()));
            }
            if this.ended && this.unread.is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.reader = Some(cx.waker().clone());
            Poll::Pending
        })
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let (conn, end) = (self.conn, self.end);
        let (written, wakers) = self.with(|state, now| {
            let Some(connection) = state.conn(conn) else {
                return (Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())), Vec::new());
            };
            let this = &mut connection.ends[end];
            if let Some(kind) = this.broken {
                return (Poll::Ready(Err(kind.into())), Vec::new());
            }
            let room = WINDOW - this.in_flight;
            if room == 0 {
                this.writer = Some(cx.waker().clone());
                return (Poll::Pending, Vec::new());
            }
            let written = data.len().min(room);
            this.in_flight += written;
            let hosts = connection.ends.each_ref().map(|end| end.host);
            let link = state.link_between(hosts[0], hosts[1]);
            let (resets, splits) = (link.resets, link.splits);
            if hosts[0] != hosts[1] && state.happens(resets) {
                let wakers = state.conn(conn).map(|conn| conn.break_both(io::ErrorKind::ConnectionReset));
                return (Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())), wakers.unwrap_or_default());
            }
            let mut rest = &data[..written];
            if state.happens(splits) {
                for _ in 1..MOST_PIECES {
                    let (piece, more) = rest.split_at(state.random.usize(..=rest.len()));
                    if !piece.is_empty() {
                        state.send_part(conn, end, Part::Data(piece.to_vec()), now);
                    }
                    rest = more;
                }
            }
            if !rest.is_empty() {
                state.send_part(conn, end, Part::Data(rest.to_vec()), now);
            }
            (Poll::Ready(Ok(written)), Vec::new())
        });
        wakers.into_iter().for_each(Waker::wake);
        written
    }

    fn poll_shut(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (conn, end) = (self.conn, self.end);
        self.with(|state, now| {
            let Some(connection) = state.conn(conn) else {
                return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
            };
            let this = &mut connection.ends[end];
            if let Some(kind) = this.broken {
                return Poll::Ready(Err(kind.into()));
            }
            if !std::mem::replace(&mut this.shut, true) {
                state.send_part(conn, end, Part::End, now);
            }
            Poll::Ready(Ok(()))
        })
    }

    fn reset(&mut self) {
        self.reset = true;
    }

    fn set_options(&mut self, options: SocketOptions) -> io::Result<()> {
        if let Some(idle) = options.keep_alive {
            let (conn, end) = (self.conn, self.end);
            let time = idle.map(|idle| KeepAliveProbes::default().longest_silence(idle));
            self.with(|state, _| {
                if let Some(connection) = state.conn(conn) {
                    connection.ends[end].keep_alive = time;
                }
            });
        }
        Ok(())
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        let (conn, end, reset) = (self.conn, self.end, self.reset);
        self.with(|state, now| state.release(conn, end, reset, now));
    }
}

/// A simulated port.
pub(crate) struct SimListener {
    network: Rc<Network>,
    host: HostId,
    address: SocketAddr,
    listening: Rc<RefCell<Listening>>,
    keep_alive: Option<Duration>,
}

impl Network {
    pub(crate) fn listen(
        self: &Rc<Self>,
        host: HostId,
        mut address: SocketAddr,
        options: &ListenOptions,
    ) -> io::Result<SimListener> {
        let mut state = self.state.borrow_mut();
        state.claim(host, &mut address, |host, address| host.listening.keys().any(|other| overlap(*other, address)))?;
        let backlog = options.backlog as usize;
        let listening = Rc::new(RefCell::new(Listening { queue: VecDeque::new(), backlog, waker: None }));
        state.hosts[host].listening.insert(address, Rc::clone(&listening));
        let keep_alive = options.connection.longest_silence();
        Ok(SimListener { network: Rc::clone(self), host, address, listening, keep_alive })
    }

    /// Connects to one address.
    pub(crate) async fn connect(
        self: Rc<Self>,
        host: HostId,
        to: SocketAddr,
        options: ConnectOptions,
    ) -> io::Result<Accepted<AnyStream>> {
        let (conn, local) = self.begin_connect(host, to, options.local_address)?;
        if let Some(connection) = self.state.borrow_mut().conn(conn) {
            connection.ends[0].keep_alive = options.connection.longest_silence();
        }
        let stream = SimStream { network: Rc::clone(&self), conn, end: 0, reset: false };
        poll_fn(|cx| {
            let mut state = self.state.borrow_mut();
            let Some(connection) = state.conn(conn) else {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            };
            match connection.phase {
                ConnPhase::Opening => {
                    connection.ends[0].reader = Some(cx.waker().clone());
                    Poll::Pending
                }
                ConnPhase::Open => Poll::Ready(Ok(())),
                ConnPhase::Failed(kind) => Poll::Ready(Err(io::Error::from(kind))),
            }
        })
        .await?;
        Ok(Accepted::any(stream, local.into(), to.into()))
    }

    fn begin_connect(&self, host: HostId, to: SocketAddr, local: Option<SocketAddr>) -> io::Result<(u64, SocketAddr)> {
        let now = self.clock.now();
        let mut state = self.state.borrow_mut();
        let server = state.host_at(host, to.ip()).ok_or(io::ErrorKind::NetworkUnreachable)?;
        let own = source_address(host, to);
        let wanted = local.unwrap_or_else(|| SocketAddr::new(own, 0));
        let mut local = wanted;
        if local.ip().is_unspecified() {
            local.set_ip(own);
        }
        state.claim(host, &mut local, |_, _| false).map_err(|error| BindError { address: wanted, error })?;
        let conn = state.conns.len() as u64;
        let connection = Conn::new(End::new(host, local), End::new(server, to), &mut state.log);
        state.conns.push(Some(Box::new(connection)));
        let at = state.arrival(host, server, 0, now);
        state.schedule(at, Packet::Open { conn, attempt: 0 });
        Ok((conn, local))
    }
}

impl Listener for SimListener {
    type Stream = AnyStream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<AnyStream>>> {
        let next = {
            let mut listening = self.listening.borrow_mut();
            let next = listening.queue.pop_front();
            if next.is_none() {
                listening.waker = Some(cx.waker().clone());
            }
            next
        };
        let Some(conn) = next else { return Poll::Pending };
        let mut state = self.network.state.borrow_mut();
        let Some(connection) = state.conn(conn) else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        };
        connection.ends[1].keep_alive = self.keep_alive;
        let [client, server] = connection.ends.each_ref().map(|end| Address::from(end.address));
        let stream = SimStream { network: Rc::clone(&self.network), conn, end: 1, reset: false };
        Poll::Ready(Ok(Accepted::any(stream, server, client)))
    }

    fn host(&self) -> Address {
        self.address.into()
    }

    /// Simulated hosts do not run out of descriptors.
    fn turn_away(&mut self, _cx: &mut Context<'_>) -> io::Result<usize> {
        Ok(0)
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        let mut state = self.network.state.borrow_mut();
        let now = self.network.clock.now();
        // After a crash another listener may have this address.
        let listening = &mut state.hosts[self.host].listening;
        if listening.get(&self.address).is_some_and(|other| Rc::ptr_eq(other, &self.listening)) {
            listening.remove(&self.address);
        }
        for conn in self.listening.borrow_mut().queue.drain(..) {
            state.release(conn, 1, true, now);
        }
    }
}

/// The maximum number of bytes in flight or unread, in one direction.
const WINDOW: usize = 256 * 1024;

/// The maximum number of pieces that a write is split into.
const MOST_PIECES: usize = 4;
