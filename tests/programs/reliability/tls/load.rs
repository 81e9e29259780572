//! Clients. They are on `tokio-rustls`, whatever the server is: only the server is measured.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use futures_util::future::{join_all, join3, try_join, try_join_all};
use rig::certificates::SERVER_NAME;
use rig::now;
use rig::ready_made::any_server;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, split};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::LocalSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::load::Latencies;

pub(crate) type Stream = TlsStream<TcpStream>;

/// What loads one server.
pub(crate) struct Load {
    runtime: Runtime,
    client: Client,
}

/// What the figure about reloads counts.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) handshakes: usize,
    pub(crate) messages: usize,
    pub(crate) lost: usize,
    pub(crate) stale: usize,
}

impl Load {
    /// Each of its connections has a full handshake.
    pub(crate) fn anew(address: SocketAddr) -> io::Result<Self> {
        Self::new(address, false)
    }

    /// Its connections are resumed once there was one.
    pub(crate) fn resuming(address: SocketAddr) -> io::Result<Self> {
        Self::new(address, true)
    }

    fn new(address: SocketAddr, resumes: bool) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut config = any_server();
        if !resumes {
            config.resumption = Resumption::disabled();
        }
        Ok(Self { runtime, client: Client { address, connector: Arc::new(config).into() } })
    }

    pub(crate) fn connect(&self, connections: usize) -> io::Result<Vec<Stream>> {
        let connect = async || {
            let mut streams = Vec::new();
            for _ in 0..connections {
                streams.push(self.client.greet().await?);
            }
            Ok(streams)
        };
        self.runtime.block_on(connect())
    }

    /// Exchanges about this many messages of 64 bytes, one at a time on each connection, and returns the time it took.
    pub(crate) fn exchange(&self, streams: &mut [Stream], messages: usize) -> io::Result<Duration> {
        let (begun, each) = (now(), messages / streams.len());
        self.runtime.block_on(try_join_all(streams.iter_mut().map(async |stream| {
            for _ in 0..each {
                round_trip(stream, &[b'x'; 64]).await?;
            }
            io::Result::Ok(())
        })))?;
        Ok(begun.elapsed())
    }

    /// Has about this much echoed, as fast as it goes.
    pub(crate) fn pour(&self, streams: &mut [Stream], mebibytes: usize) -> io::Result<Duration> {
        let (begun, each) = (now(), (mebibytes << 20) / streams.len() / CHUNK);
        self.runtime.block_on(try_join_all(streams.iter_mut().map(async |stream| {
            let (mut reader, mut writer) = split(stream);
            let write = async {
                for _ in 0..each {
                    writer.write_all(&[b'x'; CHUNK]).await?;
                }
                writer.flush().await
            };
            let read = async {
                let (mut left, mut buffer) = (each * CHUNK, vec![0; CHUNK]);
                while left > 0 {
                    match reader.read(&mut buffer).await? {
                        0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                        n => left -= n,
                    }
                }
                Ok(())
            };
            try_join(write, read).await
        })))?;
        Ok(begun.elapsed())
    }

    /// Makes this many connections, a few at a time, each with a byte there and back and an end in order.
    pub(crate) fn greet(&self, connections: usize) -> io::Result<Duration> {
        let begun = now();
        self.runtime.block_on(try_join_all((0..AT_A_TIME).map(async |_| {
            for _ in 0..connections / AT_A_TIME {
                self.client.greet().await?.shutdown().await?;
            }
            io::Result::Ok(())
        })))?;
        Ok(begun.elapsed())
    }

    pub(crate) fn live_bytes(&self, stream: &mut Stream) -> io::Result<f64> {
        let answer = async {
            stream.write_all(b"live").await?;
            stream.flush().await?;
            let mut answer = [0; 32];
            let length = stream.read(&mut answer).await?;
            String::from_utf8_lossy(&answer[..length]).parse().map_err(io::Error::other)
        };
        self.runtime.block_on(answer)
    }

    /// Round trips on one connection for some time, from a thread of their own, beside as many handshakes a second;
    /// returns how many of these there were.
    pub(crate) fn probe(&self, handshakes: u32, time: Duration) -> io::Result<(Latencies, f64)> {
        let client = self.client.clone();
        let probing = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let (mut stream, mut latencies) = (client.greet().await?, Latencies::default());
                let begun = now();
                while begun.elapsed() < time {
                    let sent = now();
                    round_trip(&mut stream, b"are you there?").await?;
                    latencies.add(sent.elapsed());
                    sleep(Duration::from_millis(1)).await;
                }
                io::Result::Ok(latencies)
            })
        });
        let made = Rc::new(Cell::new(0_u32));
        let local = LocalSet::new();
        let counted = Rc::clone(&made);
        // This side takes longer for each than the server: they must not heap up here, where the probe is, too.
        let room = Arc::new(Semaphore::new(AT_A_TIME));
        self.runtime.block_on(local.run_until(async {
            let mut ticks = interval(Duration::from_secs(1) / handshakes);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let begun = now();
            while begun.elapsed() < time {
                ticks.tick().await;
                let (client, made) = (self.client.clone(), Rc::clone(&counted));
                let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
                tokio::task::spawn_local(async move {
                    let _place = place;
                    if let Ok(mut stream) = client.greet().await {
                        made.set(made.get() + 1);
                        let _ = stream.shutdown().await;
                    }
                });
            }
        }));
        let latencies = probing.join().map_err(|_| io::Error::other("the probe has panicked"))??;
        Ok((latencies, f64::from(made.get()) / time.as_secs_f64()))
    }

    /// Has the certificate changed again and again, while others connect and talk.
    pub(crate) fn reload(&self, reloads: usize) -> io::Result<Outcome> {
        let outcome = [const { Cell::new(0_usize) }; 4];
        let [handshakes, messages, lost, stale] = &outcome;
        let done = Cell::new(false);
        let count = |cell: &Cell<usize>| cell.set(cell.get() + 1);
        let talking = async |_| {
            let Ok(mut stream) = self.client.greet().await else { return count(lost) };
            while !done.get() {
                match round_trip(&mut stream, &[b'x'; 64]).await {
                    Ok(()) => count(messages),
                    Err(_) => return count(lost),
                }
            }
        };
        let connecting = async |_| {
            while !done.get() {
                count(if self.client.greet().await.is_ok() { handshakes } else { lost });
            }
        };
        let reloading = async {
            let mut control = self.client.greet().await?;
            let mut presented = certificate(&self.client.greet().await?);
            for _ in 0..reloads {
                round_trip(&mut control, b"reload").await?;
                let now = certificate(&self.client.greet().await?);
                if now == presented {
                    count(stale);
                }
                presented = now;
            }
            io::Result::Ok(())
        };
        let (talked, connected) = (join_all((0..100).map(talking)), join_all((0..AT_A_TIME).map(connecting)));
        let reloading = async {
            let reloaded = reloading.await;
            done.set(true);
            reloaded
        };
        self.runtime.block_on(async { join3(talked, connected, reloading).await.2 })?;
        let [handshakes, messages, lost, stale] = outcome.map(Cell::into_inner);
        Ok(Outcome { handshakes, messages, lost, stale })
    }
}

/// Who connects.
#[derive(Clone)]
struct Client {
    address: SocketAddr,
    connector: TlsConnector,
}

impl Client {
    /// A connection that was used once: what follows the handshake has arrived.
    async fn greet(&self) -> io::Result<Stream> {
        let greet = async {
            let stream = TcpStream::connect(self.address).await?;
            stream.set_nodelay(true)?;
            let name = ServerName::try_from(SERVER_NAME).map_err(io::Error::other)?;
            let mut stream = self.connector.connect(name, stream).await?;
            round_trip(&mut stream, b"x").await?;
            Ok(stream)
        };
        timeout(rig::peer::DEADLINE, greet).await?
    }
}

async fn round_trip(stream: &mut Stream, message: &[u8]) -> io::Result<()> {
    stream.write_all(message).await?;
    stream.flush().await?;
    let mut answer = [0; 64];
    stream.read_exact(&mut answer[..message.len()]).await?;
    if answer.starts_with(message) { Ok(()) } else { Err(io::Error::other("the server answers something else")) }
}

fn certificate(stream: &Stream) -> Vec<u8> {
    stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(|chain| chain.first())
        .map(|first| first.to_vec())
        .unwrap_or_default()
}

/// How much is written at a time.
const CHUNK: usize = 64 << 10;

/// How many connections are made at the same time.
const AT_A_TIME: usize = 8;
