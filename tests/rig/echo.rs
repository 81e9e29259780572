//! The simplest server.

use reactor::Protocol;
use reactor::Transport;

/// Sends back what it is sent.
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
