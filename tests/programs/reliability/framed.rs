//! The reference for processor time: Tokio's usual loops on one thread, with bytes and with frames.

use std::io;
use std::net::SocketAddr;

use bytes::BytesMut;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::codec::{Framed, LengthDelimitedCodec, LinesCodec};

use crate::tls::serve;

/// Runs the server of this kind, if it is one of these.
pub(crate) fn serve(kind: &str, address: &str) -> Option<io::Result<()>> {
    Some(match kind {
        "tokio" => run(address, echo),
        "tokio-datagrams" => echo_datagrams(address),
        "framed-lines" => run(address, async |stream| {
            let mut framed = Framed::new(stream, LinesCodec::new());
            while let Some(Ok(line)) = framed.next().await {
                if framed.send(line).await.is_err() {
                    return;
                }
            }
        }),
        "forwarded-lines" => run(address, async |stream| {
            let (sink, stream) = Framed::new(stream, LinesCodec::new()).split();
            let _ = stream.forward(sink).await;
        }),
        "framed-strings" => run(address, async |stream| {
            let mut framed = Framed::new(stream, LengthDelimitedCodec::new());
            while let Some(Ok(string)) = framed.next().await {
                if framed.send(string.freeze()).await.is_err() {
                    return;
                }
            }
        }),
        "forwarded-strings" => run(address, async |stream| {
            let (sink, stream) = Framed::new(stream, LengthDelimitedCodec::new()).split();
            let _ = stream.map(|string| string.map(BytesMut::freeze)).forward(sink).await;
        }),
        "tokio-tls-echo" => serve::acceptor().and_then(|acceptor| {
            run(address, move |stream| {
                let acceptor = acceptor.clone();
                async move {
                    let _ = serve::tokio_echo(acceptor, stream).await;
                }
            })
        }),
        _ => return None,
    })
}

async fn echo(mut stream: TcpStream) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}

fn run<F: Future<Output = ()> + Send + 'static>(address: &str, serve: impl Fn(TcpStream) -> F) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(address.parse::<SocketAddr>().map_err(io::Error::other)?).await?;
        println!("ready {}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(serve(stream));
        }
    })
}

fn echo_datagrams(address: &str) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let socket = tokio::net::UdpSocket::bind(address).await?;
        println!("ready {}", socket.local_addr()?);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let (len, peer) = socket.recv_from(&mut buffer).await?;
            let _ = socket.send_to(&buffer[..len], peer).await;
        }
    })
}
