//! A test's own sockets, with deadlines.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

use socket2::{Domain, Socket, Type};

use crate::apps::DEADLINE;

#[track_caller]
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    with_deadline(TcpStream::connect_timeout(&address, DEADLINE).expect("to connect"))
}

/// Connects from this address of the loopback interface.
#[track_caller]
pub(crate) fn connect_from(host: [u8; 4], address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((host, 0)).into()).expect("a free port");
    socket.connect_timeout(&address.into(), DEADLINE).expect("to connect");
    with_deadline(socket.into())
}

/// A listener at a port of the loopback interface that the system chooses.
pub(crate) fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    (listener, address)
}

/// An address without a listener, held by a socket. (A program being started may still hold a copy of a socket that was
/// closed.)
pub(crate) fn closed_port() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
    let address = socket.local_addr().expect("its address").as_socket().expect("an internet address");
    (socket, address)
}

/// The next client. It waits as long as it takes: a client that does not come ends its program, and the test with it.
#[track_caller]
pub(crate) fn accept(listener: &TcpListener) -> TcpStream {
    with_deadline(listener.accept().expect("a client").0)
}

#[track_caller]
pub(crate) fn read(stream: &mut impl Read, length: usize) -> Vec<u8> {
    let mut data = vec![0; length];
    stream.read_exact(&mut data).expect("the peer to send as much");
    data
}

#[track_caller]
pub(crate) fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut data = Vec::new();
    stream.read_to_end(&mut data).expect("the peer to close in order");
    data
}

/// A datagram socket at a port of the loopback interface that the system chooses.
pub(crate) fn datagram_socket() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    let address = socket.local_addr().expect("its address");
    (socket, address)
}

fn with_deadline(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    stream.set_write_timeout(Some(DEADLINE)).expect("a deadline");
    stream
}
