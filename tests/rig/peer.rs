//! The other side: plain blocking sockets, and servers on threads of this process.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, thread};

use reactor::threads::RemoteReactor;
use reactor::{Port, Reactor};
use socket2::{Domain, SockRef, Socket, Type};

/// How long a peer waits before it considers the server hung.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Connects; later reads and writes fail at the [`DEADLINE`].
///
/// # Panics
///
/// If the connection cannot be made.
#[track_caller]
pub fn connect(address: SocketAddr) -> TcpStream {
    try_connect(address).expect("the server accepts")
}

/// The same.
///
/// # Errors
///
/// If the connection cannot be made.
pub fn try_connect(address: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(&address, DEADLINE).map(with_deadline)
}

/// Connects from the address `source` of this machine; each address has its own range of ports.
///
/// # Errors
///
/// If the connection cannot be made.
pub fn connect_from(source: IpAddr, address: SocketAddr) -> io::Result<TcpStream> {
    connect_socket(Socket::new(Domain::for_address(address), Type::STREAM, None)?, source, address)
}

/// The same for a peer that is not going to read: the system gets only a small receive buffer.
///
/// # Errors
///
/// If the connection cannot be made.
pub fn connect_narrow(source: IpAddr, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_recv_buffer_size(4096)?;
    connect_socket(socket, source, address)
}

fn connect_socket(socket: Socket, source: IpAddr, address: SocketAddr) -> io::Result<TcpStream> {
    socket.bind(&SocketAddr::new(source, 0).into())?;
    socket.connect_timeout(&address.into(), DEADLINE)?;
    Ok(with_deadline(socket.into()))
}

fn with_deadline(stream: TcpStream) -> TcpStream {
    stream.set_nodelay(true).expect("a connected socket takes options");
    stream.set_read_timeout(Some(DEADLINE)).expect("the deadline is not zero");
    stream.set_write_timeout(Some(DEADLINE)).expect("the deadline is not zero");
    stream
}

/// Sends a message and receives its echo.
///
/// # Panics
///
/// If the echo is missing or differs.
#[track_caller]
pub fn round_trip(mut stream: &TcpStream, message: &[u8]) {
    stream.write_all(message).expect("the server reads");
    let mut answer = vec![0; message.len()];
    stream.read_exact(&mut answer).expect("the server answers");
    assert!(answer == message, "the echo is another text");
}

/// Closes with a reset.
pub fn reset(stream: TcpStream) {
    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    drop(stream);
}

/// How a stream ends for the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In order: everything has arrived.
    Clean,
    /// By a reset: something may be missing.
    Reset,
}

/// Reads to the end; returns the bytes and how the stream ended.
///
/// # Panics
///
/// If the stream does not end before the deadline.
#[track_caller]
pub fn read_to_end(mut stream: &TcpStream) -> (Vec<u8>, End) {
    let mut received = Vec::new();
    match stream.read_to_end(&mut received) {
        Ok(_) => (received, End::Clean),
        Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => {
            (received, End::Reset)
        }
        Err(error) => panic!("the connection did not end: {error}"),
    }
}

/// Bytes `from` to `to` of a stream in which each byte roughly indicates its position.
pub fn pattern(from: usize, to: usize) -> Vec<u8> {
    (from..to).map(|place| (place % 251) as u8).collect()
}

/// A reactor on a thread of this process; stopped when dropped.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    remote: RemoteReactor,
    thread: Option<JoinHandle<()>>,
}

/// Runs a reactor on a thread, with the port that `setup` listens on.
///
/// # Panics
///
/// If it cannot listen.
#[track_caller]
pub fn serve(setup: impl FnOnce(&Reactor) -> io::Result<Port> + Send + 'static) -> Serving {
    let (tell, told) = mpsc::channel();
    let thread = thread::spawn(move || {
        let reactor = Reactor::new().expect("a descriptor is left for the poller");
        reactor.set_signal_handling(false);
        let port = setup(&reactor).expect("the port is free");
        let address = port.host().socket_addr().expect("it is a TCP port");
        tell.send((address, reactor.remote())).expect("the test waits");
        reactor.run().expect("it runs for the first time");
    });
    let (address, remote) = told.recv().expect("the server listens");
    Serving { address, remote, thread: Some(thread) }
}

impl Serving {
    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The reactor.
    pub fn remote(&self) -> &RemoteReactor {
        &self.remote
    }

    /// Connects to it.
    #[track_caller]
    pub fn connect(&self) -> TcpStream {
        connect(self.address)
    }

    /// Stops the reactor in order and waits for its end.
    ///
    /// # Panics
    ///
    /// If its thread has panicked.
    #[track_caller]
    pub fn stop(mut self) {
        self.remote.stop();
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok(), "the reactor's thread panicked");
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.remote.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
