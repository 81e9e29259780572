//! Where policies write what they see.

use std::io::Write;

/// Takes records of connections until one cannot be written.
pub(crate) struct Sink {
    /// None after an error: behind half a record nothing can be read.
    writer: Option<Box<dyn Write>>,
    record: Vec<u8>,
    connections: u64,
}

impl Sink {
    pub(crate) fn new(writer: impl Write + 'static) -> Self {
        Self { writer: Some(Box::new(writer)), record: Vec::new(), connections: 0 }
    }

    /// The number of one more connection; the first is 1.
    pub(crate) fn next_connection(&mut self) -> u64 {
        self.connections += 1;
        self.connections
    }

    /// Writes what `compose` puts into the buffer, in one call. An error is logged, and ends the writing.
    pub(crate) fn write(&mut self, compose: impl FnOnce(&mut Vec<u8>)) {
        let Some(writer) = &mut self.writer else { return };
        self.record.clear();
        compose(&mut self.record);
        if let Err(error) = writer.write_all(&self.record) {
            tracing::error!(%error, "cannot write down traffic any more; connections go on");
            self.writer = None;
        }
    }
}
