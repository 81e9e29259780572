use std::io;
use std::net::SocketAddr;

use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_util::codec::{Framed, LinesCodec};

use super::{Role, no_target, say_ready};

pub(super) fn serve(role: Role, target: Option<SocketAddr>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match role {
            Role::Echo => accept(echo).await,
            Role::Lines => accept(echo_lines).await,
            Role::Datagrams => echo_datagrams().await,
            Role::Forward => {
                let target = target.ok_or_else(no_target)?;
                accept(move |stream| forward(stream, target)).await
            }
        }
    })
}

async fn accept<F: Future<Output = io::Result<()>> + Send + 'static>(serve: impl Fn(TcpStream) -> F) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    say_ready(listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(serve(stream));
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            length => stream.write_all(&buffer[..length]).await?,
        }
    }
}

/// Sends what it has when there is nothing to read, which is cheaper than to send each line.
async fn echo_lines(stream: TcpStream) -> io::Result<()> {
    let (sink, lines) = Framed::new(stream, LinesCodec::new()).split::<String>();
    lines.forward(sink).await.map_err(io::Error::other)
}

async fn forward(mut stream: TcpStream, target: SocketAddr) -> io::Result<()> {
    let mut other = TcpStream::connect(target).await?;
    other.set_nodelay(true)?;
    copy_bidirectional(&mut stream, &mut other).await.map(drop)
}

async fn echo_datagrams() -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    say_ready(socket.local_addr()?);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let (length, peer) = socket.recv_from(&mut buffer).await?;
        let _ = socket.send_to(&buffer[..length], peer).await;
    }
}
