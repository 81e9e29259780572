use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufWriter, DuplexStream, ReadBuf, duplex};

use super::*;
use crate::connection::{OnEof, Protocol};
use crate::testing::Simulation;
use crate::transport::Transport;

/// Sends everything back, also behind the peer's end.
struct Echo {
    transport: Transport,
}

impl Protocol for Echo {
    fn data_received(&mut self, data: &[u8]) {
        self.transport.write(data);
    }

    fn eof_received(&mut self) -> OnEof {
        self.transport.write(" end");
        OnEof::Close
    }
}

fn adopt<S: AsyncRead + AsyncWrite + Unpin + 'static>(
    reactor: &Reactor,
    stream: S,
    factory: impl Factory,
) -> ConnectionEnd {
    let [host, peer] = ["here", "there"].map(Address::memory);
    reactor.adopt_stream(stream, host, peer, factory)
}

async fn talk(mut near: DuplexStream) -> io::Result<Vec<u8>> {
    near.write_all(b"hello").await?;
    let mut hello = [0; 5];
    near.read_exact(&mut hello).await?;
    near.shutdown().await?;
    let mut rest = hello.to_vec();
    near.read_to_end(&mut rest).await?;
    Ok(rest)
}

#[test]
fn a_stream_carries_a_protocol_on_tokio_and_in_a_simulation() {
    let sim = Simulation::new(1);
    for reactor in [Reactor::new().unwrap(), sim.host("here")] {
        let (near, far) = duplex(3);
        let end = adopt(&reactor, far, |transport| Echo { transport });
        let result = reactor.run_until(async move { (talk(near).await.unwrap(), end.await) });
        let (talk, reason) = result.unwrap();
        assert_eq!(talk, b"hello end");
        assert!(reason.is_clean(), "{reason}");
    }
}

#[test]
fn what_a_buffered_stream_has_taken_is_flushed() {
    let reactor = Reactor::new().unwrap();
    let (near, far) = duplex(3);
    drop(adopt(&reactor, BufWriter::new(far), |transport| Echo { transport }));
    assert_eq!(reactor.run_until(talk(near)).unwrap().unwrap(), b"hello end");
}

#[test]
fn a_stream_is_read_no_faster_than_its_answers_leave_it() {
    let reactor = Reactor::new().unwrap();
    let (near, far) = duplex(4096);
    let (mut reader, mut writer) = tokio::io::split(near);
    drop(adopt(&reactor, far, |transport| Echo { transport }));
    let sent = Rc::new(std::cell::Cell::new(0));
    let count = Rc::clone(&sent);
    reactor.spawn(async move {
        for _ in 0..2000 {
            writer.write_all(&[3; 4096]).await.unwrap();
            count.set(count.get() + 4096);
        }
        writer.shutdown().await.unwrap();
    });
    let read = reactor.run_until(async move {
        // By the time something can be read the writer has had its turns.
        let mut first = [0; 1];
        reader.read_exact(&mut first).await.unwrap();
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        assert!(sent.get() < 300_000, "{}", sent.get());
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).await.unwrap();
        rest.len()
    });
    assert_eq!(read.unwrap(), 2000 * 4096 - 1 + 4);
}

/// Reads only after a while.
struct Late {
    transport: Transport,
    data: Vec<u8>,
}

impl Protocol for Late {
    fn connection_made(&mut self) {
        self.transport.pause_reading();
        self.transport.call_later(Duration::from_secs(1), |this: &mut Self| this.transport.resume_reading());
    }

    fn data_received(&mut self, data: &[u8]) {
        self.data.extend(data);
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        assert_eq!(self.data, b"hello");
    }
}

#[test]
fn what_is_read_while_reading_is_paused_is_not_lost() {
    let sim = Simulation::new(1);
    let reactor = sim.host("here");
    let (mut near, far) = duplex(100);
    let end = adopt(&reactor, far, |transport| Late { transport, data: Vec::new() });
    reactor.spawn(async move {
        near.write_all(b"hello").await.unwrap();
        drop(near);
    });
    assert!(sim.run_until(|| end.0.reason.borrow().is_some()));
    assert!(matches!(*end.0.reason.borrow(), Some(CloseReason::Done)));
    assert_eq!(sim.elapsed(), Duration::from_secs(1));
}

/// Panics when it is read, or when it is written.
struct Panics {
    when_read: bool,
}

impl AsyncRead for Panics {
    fn poll_read(self: Pin<&mut Self>, _cx: &mut Context<'_>, _buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        assert!(!self.when_read, "on purpose");
        Poll::Pending
    }
}

impl AsyncWrite for Panics {
    fn poll_write(self: Pin<&mut Self>, _cx: &mut Context<'_>, _data: &[u8]) -> Poll<io::Result<usize>> {
        panic!("on purpose");
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        panic!("on purpose");
    }
}

#[test]
fn a_stream_that_panics_ends_its_connection() {
    for when_read in [true, false] {
        let reactor = Reactor::new().unwrap();
        let end = adopt(&reactor, Panics { when_read }, |transport: Transport| {
            transport.write("hello");
            Echo { transport }
        });
        let reason = reactor.run_until(end).unwrap();
        assert_eq!(reason.to_string(), "connection lost: the stream panicked: on purpose");
    }
}

#[test]
fn the_end_is_told_of_what_never_began() {
    let reactor = Reactor::new().unwrap();
    let refused = adopt(&reactor, duplex(1).0, |_: Transport| None::<Echo>);
    let panicked = adopt(&reactor, duplex(1).0, |_: Transport| -> Echo { panic!("on purpose") });
    let never = {
        let stopped = Reactor::new().unwrap();
        stopped.stop();
        stopped.run().unwrap();
        adopt(&stopped, duplex(1).0, |transport| Echo { transport })
    };
    let (refused, panicked, never) = reactor.run_until(async { (refused.await, panicked.await, never.await) }).unwrap();
    assert!(refused.is_clean());
    assert!(matches!(panicked, CloseReason::Panicked(message) if message == "on purpose"));
    assert!(matches!(never, CloseReason::Aborted));
}

#[test]
fn a_reactor_that_stops_closes_what_it_has_adopted() {
    let reactor = Reactor::new().unwrap();
    let (mut near, far) = duplex(100);
    let end = adopt(&reactor, far, |transport| Echo { transport });
    let echoed = reactor.run_until(async {
        near.write_all(b"x").await?;
        near.read_u8().await
    });
    assert_eq!(echoed.unwrap().unwrap(), b'x');
    assert!(end.0.reason.borrow().as_ref().is_some_and(CloseReason::is_clean));
}
