//! The simplest servers.

use std::net::SocketAddr;

use reactor::datagram::{DatagramProtocol, DatagramTransport};
use reactor::{Protocol, Transport};

/// Sends received bytes back.
#[derive(Debug)]
pub struct Echo {
    /// Its connection.
    pub transport: Transport,
}

impl Protocol for Echo {
    fn data_received(&mut self, data: &[u8]) {
        self.transport.write(data);
    }
}

/// Sends datagrams back.
#[derive(Debug)]
pub struct DatagramEcho {
    /// Its port.
    pub transport: DatagramTransport,
}

impl DatagramProtocol for DatagramEcho {
    fn datagram_received(&mut self, data: &[u8], peer: SocketAddr) {
        let _ = self.transport.write(data, peer);
    }
}
