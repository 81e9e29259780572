//! The two servers that are compared: an echo each, which also says how much memory it holds.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use protocols::tls::Server;
use reactor::{Factory, Protocol, Transport};
use rig::allocations::live_bytes;
use rig::certificates::{self, Pem};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// What the loop on `tokio-rustls` reads into.
pub(crate) const BUFFER: usize = 16 * 1024;

/// Ours. It presents the other of two certificates when it is told to.
pub(crate) fn echo() -> impl Factory {
    let tls = certificates::server();
    let (pair, reloads) = ([certificates::pem(), certificates::renewed()], Rc::new(Cell::new(0)));
    tls.clone().around(move |transport| Echo { transport, tls: tls.clone(), pair, reloads: Rc::clone(&reloads) })
}

struct Echo {
    transport: Transport,
    tls: Server,
    pair: [&'static Pem; 2],
    reloads: Rc<Cell<usize>>,
}

impl Protocol for Echo {
    fn data_received(&mut self, data: &[u8]) {
        match data {
            b"live" => self.transport.write(live_bytes().to_string()),
            b"reload" => {
                self.reloads.set(self.reloads.get() + 1);
                self.tls.reload(self.pair[self.reloads.get() % 2].certificates());
                self.transport.write(data);
            }
            _ => self.transport.write(data),
        }
    }
}

/// The usual loop.
pub(crate) async fn tokio_echo(acceptor: TlsAcceptor, stream: TcpStream) -> io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut buffer = vec![0; BUFFER];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return stream.shutdown().await,
            4 if buffer.starts_with(b"live") => stream.write_all(live_bytes().to_string().as_bytes()).await?,
            n => stream.write_all(&buffer[..n]).await?,
        }
        stream.flush().await?;
    }
}

/// With the settings of our server.
pub(crate) fn acceptor() -> io::Result<TlsAcceptor> {
    let Pem { chain, key, .. } = certificates::pem();
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<_, _>>().map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(io::Error::other)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
        .map_err(io::Error::other)?;
    config.ticketer = Ticketer::new().map_err(io::Error::other)?;
    Ok(Arc::new(config).into())
}
