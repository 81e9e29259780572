use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use reactor::{Factory, Protocol, Transport};

use crate::line::{LineReceiver, Lines};
use crate::memcache::answers::Answers;
use crate::memcache::client::MemcacheClient;

/// Builds the protocol of a connection to a memcached server. Made by [`MemcacheClient::factory`].
pub struct MemcacheFactory {
    connected: Rc<dyn Fn(MemcacheClient)>,
    timeout: Duration,
    max_value_length: usize,
}

impl MemcacheClient {
    /// A factory to connect with. `connected` is called with the handle of each new connection; others get it by
    /// [`Transport::handle`].
    pub fn factory(connected: impl Fn(Self) + 'static) -> MemcacheFactory {
        MemcacheFactory { connected: Rc::new(connected), timeout: Duration::from_secs(60), max_value_length: 1 << 20 }
    }
}

impl MemcacheFactory {
    /// How long the oldest request may wait for its answer before the connection is given up. Default: one minute.
    /// Twisted's `persistentTimeOut`.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The maximum length of a value in bytes, sent or received. Default: 1 MiB, as in memcached. A longer value from
    /// the server ends the connection.
    #[must_use]
    pub fn max_value_length(mut self, bytes: usize) -> Self {
        self.max_value_length = bytes;
        self
    }
}

impl Factory for MemcacheFactory {
    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        let (connected, timeout, max_value_length) = (Rc::clone(&self.connected), self.timeout, self.max_value_length);
        let build = move |lines: Lines| {
            let start_timer = |lines: &Lines, timeout| lines.call_later(timeout, Answers::timed_out);
            let client = MemcacheClient::new(lines, timeout, max_value_length, start_timer);
            client.transport().set_handle(client.clone());
            Answers::new(client, Rc::clone(&connected))
        };
        LineReceiver::factory(build).max_length(MAX_LINE_LENGTH).build_protocol(transport)
    }
}

impl fmt::Debug for MemcacheFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemcacheFactory")
            .field("timeout", &self.timeout)
            .field("max_value_length", &self.max_value_length)
            .finish_non_exhaustive()
    }
}

/// Far longer than any line of the protocol.
const MAX_LINE_LENGTH: usize = 2048;
