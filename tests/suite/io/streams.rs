//! Connections as Tokio's streams, and Tokio's streams as connections, on the simulated network.

use std::cell::{Cell, RefCell};
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::rc::Rc;
use std::time::Duration;
use std::{io, thread};

use futures_util::future::join;
use protocols::web_socket::WebSocket;
use reactor::connect::ConnectErrorKind;
use reactor::io::TokioStream;
use reactor::testing::{Link, Simulation};
use reactor::{Address, CloseReason, OnEof, Protocol, Reactor, Transport};
use rig::peer;
use rig::peer::pattern;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy, duplex, split};
use tokio::runtime::Builder;

use crate::support::connect;
use crate::support::datagrams::LOOPBACK;

async fn echo(stream: TokioStream) -> io::Result<()> {
    let (mut reader, mut writer) = split(stream);
    copy(&mut reader, &mut writer).await?;
    writer.shutdown().await
}

fn bad_network(sim: &Simulation) {
    sim.set_link(Link::new().latency(Duration::from_millis(5)).splits(0.5));
}

#[test]
fn every_byte_passes_two_streams_in_order() {
    Simulation::for_seeds(0..20, |sim| {
        bad_network(sim);
        sim.host("server").listen_tcp(7, TokioStream::factory(echo)).unwrap();
        let client = sim.host("client");
        let done = Rc::new(Cell::new(false));
        let told = Rc::clone(&done);
        let connector = client.connect_tcp(
            "server:7",
            TokioStream::factory(move |stream| {
                let told = Rc::clone(&told);
                async move {
                    let data = pattern(0, 300_000);
                    let (mut reader, mut writer) = split(stream);
                    let sending = async {
                        writer.write_all(&data).await?;
                        writer.shutdown().await
                    };
                    let mut back = Vec::new();
                    let (sent, read) = join(sending, reader.read_to_end(&mut back)).await;
                    sent?;
                    read?;
                    assert!(back == data);
                    told.set(true);
                    Ok(())
                }
            }),
        );
        let reason = client.run_until(connector.finished()).unwrap().unwrap();
        assert!(done.get() && reason.is_clean(), "{reason}");
    });
}

#[test]
fn a_reset_is_an_error_of_that_kind() {
    let sim = Simulation::new(1);
    let seen = Rc::new(Cell::new(None));
    let told = Rc::clone(&seen);
    let factory = TokioStream::factory(move |mut stream| {
        let told = Rc::clone(&told);
        async move {
            let error = stream.read_u8().await.unwrap_err();
            told.set(Some(error.kind()));
            Err(error)
        }
    });
    let port = sim.host("server").listen_tcp(7, factory).unwrap();
    sim.host("client").connect_tcp("server:7", TokioStream::factory(echo));
    assert!(sim.run_until(|| port.connection_count() == 1));
    sim.reset_connections("server", "client");
    assert!(sim.run_until(|| seen.get().is_some()));
    assert_eq!(seen.get(), Some(io::ErrorKind::ConnectionReset));
}

#[test]
fn accepting_gives_every_connection_and_then_the_end() {
    let sim = Simulation::new(1);
    let server = sim.host("server");
    let (factory, mut incoming) = TokioStream::incoming();
    let port = server.listen_tcp(7, factory).unwrap();
    let greeted = Rc::new(Cell::new(0));
    let ended = Rc::new(Cell::new(false));
    let (count, told) = (Rc::clone(&greeted), Rc::clone(&ended));
    server.spawn(async move {
        while let Some(mut stream) = incoming.accept().await {
            stream.write_all(b"hello").await.unwrap();
            count.set(count.get() + 1);
        }
        told.set(true);
    });
    for _ in 0..5 {
        sim.host("client").connect_tcp("server:7", TokioStream::factory(echo));
    }
    assert!(sim.run_until(|| greeted.get() == 5));
    drop(port.stop_listening());
    assert!(sim.run_until(|| ended.get()));
}

#[test]
fn an_attempt_that_fails_is_an_error_that_says_why() {
    let sim = Simulation::new(1);
    sim.host("server");
    let client = sim.host("client");
    let error = client.run_until(TokioStream::connect(&client, "server:7")).unwrap().unwrap_err();
    assert_eq!(error.to_string(), "cannot connect to server:7: connection refused");
}

#[test]
fn an_attempt_that_nobody_waits_for_any_more_is_given_up() {
    let sim = Simulation::new(1);
    let accepted = Rc::new(Cell::new(0));
    let count = Rc::clone(&accepted);
    let server = sim.host("server");
    let serve = move |_| {
        count.set(count.get() + 1);
        async { Ok(()) }
    };
    server.listen_tcp(7, TokioStream::factory(serve)).unwrap();
    sim.set_link(Link::new().latency(Duration::from_millis(5)));
    let client = sim.host("client");
    let attempt = TokioStream::connect(&client, "server:7");
    sim.run_for(Duration::from_millis(1));
    drop(attempt);
    sim.run_for(Duration::from_secs(1));
    assert_eq!((client.connection_count(), accepted.get()), (0, 0));

    // Made, but not taken: it is closed.
    let attempt = TokioStream::connect(&client, "server:7");
    sim.run_for(Duration::from_secs(1));
    assert_eq!(accepted.get(), 1);
    drop(attempt);
    sim.run_for(Duration::from_secs(1));
    assert_eq!((client.connection_count(), server.connection_count()), (0, 0));
}

#[test]
fn an_attempt_that_the_reactor_does_not_outlive_is_given_up() {
    let sim = Simulation::new(1);
    sim.host("server").listen_tcp(7, TokioStream::factory(echo)).unwrap();
    sim.set_link(Link::new().latency(Duration::from_secs(1)));
    let client = sim.host("client");
    let attempt = TokioStream::connect(&client, "server:7");
    client.run_until(async {}).unwrap();
    let error = sim.host("another").run_until(attempt).unwrap().unwrap_err();
    assert_eq!(error.kind(), &ConnectErrorKind::Cancelled, "{error}");
}

#[test]
fn a_stream_can_be_used_on_another_thread() {
    let server = peer::serve(|reactor| {
        let (factory, mut incoming) = TokioStream::incoming();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                while let Some(stream) = incoming.accept().await {
                    echo(stream).await.unwrap();
                }
            });
        });
        reactor.listen_tcp(LOOPBACK, factory)
    });
    let client = connect(server.address());
    let data = pattern(0, 1_000_000);
    let back = thread::scope(|scope| {
        scope.spawn(|| {
            (&client).write_all(&data).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
        });
        let mut back = Vec::new();
        (&client).read_to_end(&mut back).unwrap();
        back
    });
    assert!(back == data);
}

/// Sends everything back.
struct Echo {
    transport: Transport,
    reason: Rc<RefCell<Option<CloseReason>>>,
}

impl Protocol for Echo {
    fn data_received(&mut self, data: &[u8]) {
        self.transport.write(data);
    }

    fn eof_received(&mut self) -> OnEof {
        OnEof::Close
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.reason.replace(Some(reason));
    }
}

/// The key is the example of RFC 6455.
const REQUEST: &str = "GET / HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A web socket on a pipe of Tokio's, on Tokio and in a simulation: both ways of bridging at once.
#[test]
fn a_web_socket_works_over_any_stream() {
    let sim = Simulation::new(1);
    for (number, reactor) in [Reactor::new().unwrap(), sim.host("here")].into_iter().enumerate() {
        let reason = Rc::default();
        let kept = Rc::clone(&reason);
        let socket = WebSocket::around(move |transport: Transport| {
            assert_eq!(transport.peer().to_string(), format!("memory:there-{number}"));
            Echo { transport, reason: Rc::clone(&kept) }
        });
        let (mut near, far) = duplex(10);
        let (host, peer) = (Address::memory("here"), Address::memory(format!("there-{number}")));
        let end = reactor.adopt_stream(far, host, peer, socket);
        let talk = async {
            near.write_all(REQUEST.as_bytes()).await?;
            // Masked by zeros: a message, and the closing frame.
            near.write_all(b"\x82\x85\0\0\0\0hello\x88\x82\0\0\0\0\x03\xe8").await?;
            let mut answer = Vec::new();
            near.read_to_end(&mut answer).await?;
            assert!(answer.ends_with(b"\r\n\r\n\x82\x05hello\x88\x02\x03\xe8"), "{}", answer.escape_ascii());
            drop(near);
            Ok::<_, io::Error>(end.await)
        };
        assert!(reactor.run_until(talk).unwrap().unwrap().is_clean());
        assert!(reason.take().is_some_and(|reason: CloseReason| reason.is_clean()));
    }
}

#[test]
fn a_web_socket_gives_back_every_message_over_a_bad_network() {
    Simulation::for_seeds(0..20, |sim| {
        bad_network(sim);
        let reason = Rc::default();
        let kept = Rc::clone(&reason);
        let socket = WebSocket::around(move |transport| Echo { transport, reason: Rc::clone(&kept) });
        sim.host("server").listen_tcp(7, socket).unwrap();
        let client = sim.host("client");
        let connector = client.connect_tcp(
            "server:7",
            TokioStream::factory(async |stream: TokioStream| {
                let (mut reader, mut writer) = split(stream);
                let sending = async {
                    writer.write_all(REQUEST.as_bytes()).await?;
                    for n in 0..200_u8 {
                        writer.write_all(&[0x82, 0xfe, 4, 0, 0, 0, 0, 0]).await?;
                        writer.write_all(&[n; 1024]).await?;
                    }
                    writer.write_all(b"\x88\x80\0\0\0\0").await
                };
                let mut answer = Vec::new();
                let (sent, read) = join(sending, reader.read_to_end(&mut answer)).await;
                sent?;
                read?;
                let data = answer.iter().filter(|byte| **byte == 77).count();
                assert!(data >= 1024 && answer.len() > 200 * 1024, "{}", answer.len());
                Ok(())
            }),
        );
        assert!(client.run_until(connector.finished()).unwrap().unwrap().is_clean());
        assert!(sim.run_until(|| reason.borrow().is_some()));
        assert!(reason.take().is_some_and(|reason: CloseReason| reason.is_clean()));
    });
}
