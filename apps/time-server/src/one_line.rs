//! The service by lines: one line, one answer, then the connection is closed.

use std::sync::Arc;
use std::time::Duration;

use protocols::line::OnLongLine;
use protocols::{LineHandler, Lines};
use reactor::OnEof;
use reactor::connection::Resumable;

use crate::journal::Journal;
use crate::stamp::Stamps;

/// Answers the first line of a connection with the time and the unchanged line, then closes.
pub(crate) struct OneLine {
    lines: Lines,
    journal: Arc<Journal>,
    stamps: Stamps,
}

/// Both CRLF and LF end a line: the CR stays in the line and is sent back.
pub(crate) const DELIMITER: &[u8] = b"\n";

/// A longer line is not answered, because a line is held in memory until it is complete.
pub(crate) const LONGEST: usize = 65_536;

/// How long a client may take to send its line after the server has begun to stop.
const GRACE: Duration = Duration::from_secs(3);

impl OneLine {
    pub(crate) fn new(lines: Lines, journal: Arc<Journal>, stamps: Stamps) -> Self {
        Self { lines, journal, stamps }
    }

    /// For a connection that another process has begun. The receiver knows the beginning of the line.
    pub(crate) fn resume(lines: Lines, journal: Arc<Journal>, stamps: Stamps) -> Self {
        let this = Self::new(lines, journal, stamps);
        this.answer_when_stopping();
        this
    }

    /// Data still on its way is answered even when the server stops.
    fn answer_when_stopping(&self) {
        self.lines.on_drain(|this: &mut Self| {
            this.lines.call_later(GRACE, |this: &mut Self| this.lines.lose_connection());
        });
    }

    fn answer(&self, line: &[u8], delimiter: &[u8]) {
        self.journal.received(&self.lines.peer(), line);
        let transport = self.lines.transport();
        write!(transport, "{}", self.stamps.stamp(transport.reactor().time_of_day()));
        transport.write(line);
        transport.write(delimiter);
        transport.lose_connection();
    }
}

impl Resumable for OneLine {
    fn state(&mut self) -> Option<Vec<u8>> {
        Some(Vec::new())
    }
}

impl LineHandler for OneLine {
    fn connection_made(&mut self) {
        self.journal.connected(&self.lines.peer());
        self.answer_when_stopping();
    }

    fn line_received(&mut self, line: &[u8]) {
        self.answer(line, DELIMITER);
    }

    fn line_length_exceeded(&mut self, _data: &[u8]) -> OnLongLine {
        tracing::info!("a line is longer than {LONGEST} bytes");
        self.lines.abort_connection();
        OnLongLine::Close
    }

    fn eof_received(&mut self, unfinished: &[u8]) -> OnEof {
        if !unfinished.is_empty() {
            self.answer(unfinished, b"");
        }
        OnEof::Close
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::arguments::Format;
    use protocols::LineReceiver;
    use reactor::testing::StringTransport;

    fn connect() -> (StringTransport, String) {
        let journal = Arc::new(Journal::open(false, Format::Text).unwrap());
        let factory = LineReceiver::factory(move |lines| OneLine::new(lines, Arc::clone(&journal), Stamps::default()));
        let wire = StringTransport::connect(factory.delimiter(DELIMITER).max_length(LONGEST));
        let stamp = Stamps::default().stamp(wire.reactor().time_of_day()).to_string();
        (wire, stamp)
    }

    #[test]
    fn a_line_is_answered_as_it_came_and_no_other() {
        for line in ["hi\r\n", "hi\n", "\n"] {
            let (mut wire, stamp) = connect();
            wire.receive(format!("{line}more\r\n"));
            assert_eq!(wire.written(), format!("{stamp}{line}").as_bytes());
            assert!(wire.eof_written());
        }
    }

    #[test]
    fn the_end_of_the_stream_ends_a_line_too() {
        let (mut wire, stamp) = connect();
        wire.receive("hi");
        wire.receive_eof();
        assert_eq!(wire.written(), format!("{stamp}hi").as_bytes());
        let (mut wire, _) = connect();
        wire.receive_eof();
        assert_eq!(wire.written(), b"");
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let (mut wire, _) = connect();
        wire.receive(vec![b'x'; LONGEST]);
        assert!(!wire.was_reset());
        wire.receive("xx");
        assert!(wire.was_reset());
        assert_eq!(wire.written(), b"");
    }
}
