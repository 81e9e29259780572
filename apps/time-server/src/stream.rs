//! The service over TCP: a stamp for every chunk.

use std::sync::Arc;

use reactor::connection::Resumable;
use reactor::{Protocol, Transport};

use crate::journal::Journal;
use crate::stamp::Stamps;

/// Answers each chunk with the time and the chunk.
pub(crate) struct Stamper {
    transport: Transport,
    journal: Arc<Journal>,
    stamps: Stamps,
}

impl Stamper {
    pub(crate) fn new(transport: Transport, journal: Arc<Journal>, stamps: Stamps) -> Self {
        Self { transport, journal, stamps }
    }
}

impl Protocol for Stamper {
    fn connection_made(&mut self) {
        self.journal.connected(&self.transport.peer());
    }

    fn data_received(&mut self, data: &[u8]) {
        self.journal.received(&self.transport.peer(), data);
        write!(self.transport, "{}", self.stamps.stamp(self.transport.reactor().time_of_day()));
        self.transport.write(data);
    }
}

/// Chunks have nothing to do with each other.
impl Resumable for Stamper {
    fn state(&mut self) -> Option<Vec<u8>> {
        Some(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::arguments::Format;
    use reactor::testing::StringTransport;

    #[test]
    fn each_chunk_is_answered_with_a_stamp_of_its_own() {
        let journal = Arc::new(Journal::open(false, Format::Text).unwrap());
        let stamps = Stamps::default();
        let mut wire = StringTransport::connect(move |transport| Stamper::new(transport, Arc::clone(&journal), stamps));
        let stamp = stamps.stamp(wire.reactor().time_of_day()).to_string();
        wire.receive(b"hi");
        wire.receive(b"\xff\r\n");
        let expected = [format!("{stamp}hi{stamp}").as_bytes(), b"\xff\r\n"].concat();
        assert_eq!(wire.written(), expected);
    }
}
