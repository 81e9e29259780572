use std::cell::RefCell;
use std::fmt;
use std::io::Write;
use std::rc::Rc;
use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use reactor::layer::Policy;
use reactor::text::escaped;
use reactor::{CloseReason, Factory, Transport, layer};

use crate::policies::sink::Sink;

/// A policy that logs the traffic for people to read: one line per event, with the time (UTC), the number of the
/// connection, and what happened. Twisted's `SpewingFactory` and `TrafficLoggingFactory`.
///
/// It is a handle and cheap to clone; all factories that it wraps write into one log. Long data is cut; for every byte,
/// see [`Capture`](crate::policies::Capture).
///
/// The writer is called from the event loop, once per line: use a [`LineWriter`](std::io::LineWriter) or
/// [`BufWriter`](std::io::BufWriter) if calls are expensive, and nothing that may block for long. If it fails, the
/// error is logged and nothing more is written; connections go on.
///
/// ```
/// use protocols::policies::TrafficLog;
/// use reactor::testing::StringTransport;
/// # use std::cell::RefCell;
/// # use std::rc::Rc;
/// # use reactor::{Protocol, Transport};
/// # struct Echo { transport: Transport }
/// # impl Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
/// # #[derive(Clone, Default)]
/// # struct File(Rc<RefCell<Vec<u8>>>);
/// # impl std::io::Write for File {
/// #     fn write(&mut self, data: &[u8]) -> std::io::Result<usize> { self.0.borrow_mut().write(data) }
/// #     fn flush(&mut self) -> std::io::Result<()> { Ok(()) }
/// # }
/// # let file = File::default();
/// # let text = file.clone();
///
/// let log = TrafficLog::new(file);
/// let mut wire = StringTransport::connect(log.around(|transport| Echo { transport }));
/// wire.receive("hi\r\n");
/// wire.receive_eof();
/// # assert_eq!(String::from_utf8(text.0.take()).unwrap(),
/// # r#"2000-01-01T00:00:00.000Z 1 connected to memory:test
/// # 2000-01-01T00:00:00.000Z 1 received "hi\r\n"
/// # 2000-01-01T00:00:00.000Z 1 sent "hi\r\n"
/// # 2000-01-01T00:00:00.000Z 1 received the end
/// # 2000-01-01T00:00:00.000Z 1 lost: connection closed cleanly
/// # "#);
/// ```
///
/// ```text
/// 2000-01-01T00:00:00.000Z 1 connected to memory:test
/// 2000-01-01T00:00:00.000Z 1 received "hi\r\n"
/// 2000-01-01T00:00:00.000Z 1 sent "hi\r\n"
/// 2000-01-01T00:00:00.000Z 1 received the end
/// 2000-01-01T00:00:00.000Z 1 lost: connection closed cleanly
/// ```
#[derive(Clone)]
pub struct TrafficLog {
    sink: Rc<RefCell<Sink>>,
    max_bytes: usize,
}

impl TrafficLog {
    /// A log into this writer.
    pub fn new(writer: impl Write + 'static) -> Self {
        Self { sink: Rc::new(RefCell::new(Sink::new(writer))), max_bytes: 256 }
    }

    /// The maximum number of bytes to show of each chunk received or sent. Default: 256.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// A factory around a factory, which logs what its connections receive and send.
    pub fn around<F: Factory>(&self, inside: F) -> impl Factory + use<F> {
        let log = self.clone();
        layer::around(
            move |outer| {
                let connection = log.sink.borrow_mut().next_connection();
                Logged { log: log.clone(), outer, connection }
            },
            inside,
        )
    }
}

/// A logged connection.
struct Logged {
    log: TrafficLog,
    outer: Transport,
    connection: u64,
}

impl Logged {
    fn line(&self, event: fmt::Arguments<'_>) {
        let time = timestamp(self.outer.reactor().time_of_day());
        self.log.sink.borrow_mut().write(|line| {
            // Writing to a vector cannot fail.
            let _ = writeln!(line, "{time} {} {event}", self.connection);
        });
    }

    fn bytes(&self, direction: &str, data: &[u8]) {
        let shown = &data[..data.len().min(self.log.max_bytes)];
        self.line(format_args!(
            "{}",
            PassedBytes { direction, shown: shown.escape_ascii(), hidden: data.len() - shown.len() }
        ));
    }
}

/// The time of an event: UTC, to the millisecond.
pub(crate) fn timestamp(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// What a line says of bytes that were received or sent.
pub(crate) struct PassedBytes<'a, S> {
    pub(crate) direction: &'a str,
    /// The first of them, escaped.
    pub(crate) shown: S,
    /// How many more there were.
    pub(crate) hidden: usize,
}

impl<S: fmt::Display> fmt::Display for PassedBytes<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { direction, shown, hidden } = self;
        write!(f, "{direction} \"{shown}\"")?;
        if *hidden > 0 {
            write!(f, " and {hidden} more bytes")?;
        }
        Ok(())
    }
}

impl Policy for Logged {
    fn connection_made(&mut self) {
        self.line(format_args!("connected to {}", self.outer.peer()));
    }

    fn incoming(&mut self, data: &[u8]) {
        self.bytes("received", data);
    }

    fn eof_received(&mut self) {
        self.line(format_args!("received the end"));
    }

    fn outgoing(&mut self, data: &[u8]) -> usize {
        self.bytes("sent", data);
        data.len()
    }

    fn connection_lost(&mut self, reason: &CloseReason) {
        self.line(format_args!("lost: {}", escaped(&reason.to_string())));
    }
}

impl fmt::Debug for TrafficLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrafficLog").field("max_bytes", &self.max_bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reactor::Protocol;
    use reactor::testing::StringTransport;

    use super::*;
    use crate::policies::kept::Kept;

    struct Echo(Transport);

    impl Protocol for Echo {
        fn data_received(&mut self, data: &[u8]) {
            self.0.write(data);
        }
    }

    #[test]
    fn s253_every_event_is_a_line_that_names_its_connection() {
        let kept = Kept::default();
        let log = TrafficLog::new(kept.clone()).max_bytes(3);
        let mut one = StringTransport::connect(log.around(Echo));
        let mut other = StringTransport::connect(log.around(log.around(Echo)));
        one.advance(Duration::from_millis(61_500));
        one.receive("a\n\"é");
        other.receive("b");
        one.transport().abort_connection();
        one.settle();
        let text = String::from_utf8(kept.take()).unwrap();
        let lines: Vec<_> = text.lines().map(|line| line.strip_prefix("2000-01-01T00:0").unwrap()).collect();
        assert_eq!(
            lines,
            [
                "0:00.000Z 1 connected to memory:test",
                "0:00.000Z 2 connected to memory:test",
                "0:00.000Z 3 connected to memory:test",
                r#"1:01.500Z 1 received "a\n\"" and 2 more bytes"#,
                r#"1:01.500Z 1 sent "a\n\"" and 2 more bytes"#,
                r#"0:00.000Z 2 received "b""#,
                r#"0:00.000Z 3 received "b""#,
                r#"0:00.000Z 3 sent "b""#,
                r#"0:00.000Z 2 sent "b""#,
                "1:01.500Z 1 lost: connection aborted on this side",
            ]
        );
    }

    #[test]
    fn a_log_that_cannot_be_written_ends_no_connection() {
        let kept = Kept::failing_after(2);
        let log = TrafficLog::new(kept.clone());
        let mut wire = StringTransport::connect(log.around(Echo));
        for _ in 0..3 {
            wire.receive("x");
        }
        assert_eq!(wire.written(), b"xxx");
        assert_eq!(kept.take().iter().filter(|byte| **byte == b'\n').count(), 2);
        assert_eq!(kept.calls(), 3, "it is not tried again");
    }
}
