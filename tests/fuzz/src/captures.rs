//! Captures of traffic.

use protocols::policies::CapturedConnection;
use reactor::testing::StringTransport;
use reactor::{Protocol, Transport};

/// A capture is read without using more memory than its length, and the result can be replayed.
pub fn capture(data: &[u8]) {
    let Ok(connections) = CapturedConnection::read_all(data) else { return };
    let bytes: usize = connections.iter().map(|connection| connection.received().len() + connection.sent().len()).sum();
    assert!(bytes <= data.len());
    for connection in connections {
        let mut wire = StringTransport::connect(|transport| Echo { transport });
        connection.replay(&mut wire);
        assert!(connection.received().starts_with(wire.written()));
    }
}

struct Echo {
    transport: Transport,
}

impl Protocol for Echo {
    fn data_received(&mut self, data: &[u8]) {
        self.transport.write(data);
    }
}
