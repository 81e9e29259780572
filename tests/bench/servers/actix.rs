use std::io;
use std::net::TcpListener;

use actix_rt::net::TcpStream;
use actix_server::Server;
use actix_service::fn_service;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::say_ready;

pub(super) fn serve() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    actix_rt::System::new().block_on(async {
        let server = Server::build().workers(1).max_concurrent_connections(100_000);
        let server = server.listen("echo", listener, || fn_service(echo))?.run();
        say_ready(address);
        server.await
    })
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            length => stream.write_all(&buffer[..length]).await?,
        }
    }
}
