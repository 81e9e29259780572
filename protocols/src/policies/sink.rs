//! The output of policies that record traffic.

use std::io::Write;

/// Writes records of connections until a write fails.
pub(crate) struct Sink {
    /// `None` after an error: nothing after half a record could be read.
    writer: Option<Box<dyn Write>>,
    record: Vec<u8>,
    connections: u64,
}

impl Sink {
    pub(crate) fn new(writer: impl Write + 'static) -> Self {
        Self { writer: Some(Box::new(writer)), record: Vec::new(), connections: 0 }
    }

    /// A number for a new connection; the first is 1.
    pub(crate) fn next_connection(&mut self) -> u64 {
        self.connections += 1;
        self.connections
    }

    /// Writes the bytes that `compose` appends to the buffer, in one call. An error is logged and ends the recording.
    pub(crate) fn write(&mut self, compose: impl FnOnce(&mut Vec<u8>)) {
        let Some(writer) = &mut self.writer else { return };
        self.record.clear();
        compose(&mut self.record);
        if let Err(error) = writer.write_all(&self.record) {
            tracing::error!(%error, "cannot record traffic any more; connections go on");
            self.writer = None;
        }
    }
}
