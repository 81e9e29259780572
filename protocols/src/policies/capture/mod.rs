//! Captures of the traffic, and their replay.

pub(crate) mod captured_connection;
pub(crate) mod captured_difference;
pub(crate) mod pcap;

use std::cell::RefCell;
use std::fmt;
use std::io::Write;
use std::rc::Rc;
use std::time::SystemTime;

use reactor::layer::Policy;
use reactor::{CloseReason, Factory, Transport, layer};

use crate::policies::sink::Sink;

/// A policy that captures every byte with its time, so that a connection can be
/// [replayed](crate::policies::CapturedConnection).
///
/// It is a handle and cheap to clone; all factories that it wraps write into one file. The rules for
/// [`TrafficLog`](crate::policies::TrafficLog)'s writer apply here, too. A capture holds everything in clear text,
/// including passwords.
///
/// # The file
///
/// A pcap file, which Wireshark and tcpdump open, with the link type `USER0` (147). Each packet is an event: the number
/// of the connection (8 bytes, big-endian), the kind of the event (1 byte), and its content:
///
/// | kind | event | content |
/// |---|---|---|
/// | `M` | the connection was made | the peer's address, as text |
/// | `R` | bytes were received | the bytes |
/// | `S` | bytes were sent | the bytes |
/// | `E` | the peer ended its stream | nothing |
/// | `L` | the connection was lost | the reason, as text |
///
/// ```no_run
/// use std::fs::File;
/// use std::io::BufWriter;
/// use protocols::policies::Capture;
/// # use reactor::{Protocol, Transport};
/// # struct Echo { transport: Transport }
/// # impl Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
///
/// let reactor = reactor::Reactor::new()?;
/// let capture = Capture::new(BufWriter::new(File::create("echo.pcap")?));
/// reactor.listen_tcp(7, capture.around(|transport| Echo { transport }))?;
/// reactor.run()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Capture(Rc<RefCell<Sink>>);

/// The kinds of event.
pub(crate) const MADE: u8 = b'M';
pub(crate) const RECEIVED: u8 = b'R';
pub(crate) const SENT: u8 = b'S';
pub(crate) const ENDED: u8 = b'E';
pub(crate) const LOST: u8 = b'L';

impl Capture {
    /// A capture into this writer. Writes the file header at once.
    pub fn new(writer: impl Write + 'static) -> Self {
        let mut sink = Sink::new(writer);
        sink.write(|file| file.extend(pcap::HEADER));
        Self(Rc::new(RefCell::new(sink)))
    }

    /// A factory around a factory, which captures its connections.
    pub fn around<F: Factory>(&self, inside: F) -> impl Factory + use<F> {
        let capture = self.clone();
        layer::around(
            move |outer| {
                let connection = capture.0.borrow_mut().next_connection();
                Captured { capture: capture.clone(), outer, connection }
            },
            inside,
        )
    }
}

/// A captured connection.
struct Captured {
    capture: Capture,
    outer: Transport,
    connection: u64,
}

impl Captured {
    fn record(&self, kind: u8, data: &[u8]) {
        let time = self.outer.reactor().time_of_day().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut head = [0; 9];
        head[..8].copy_from_slice(&self.connection.to_be_bytes());
        head[8] = kind;
        self.capture.0.borrow_mut().write(|file| pcap::record(file, time, &head, data));
    }
}

impl Policy for Captured {
    fn connection_made(&mut self) {
        self.record(MADE, self.outer.peer().to_string().as_bytes());
    }

    fn incoming(&mut self, data: &[u8]) {
        self.record(RECEIVED, data);
    }

    fn eof_received(&mut self) {
        self.record(ENDED, b"");
    }

    fn outgoing(&mut self, data: &[u8]) -> usize {
        self.record(SENT, data);
        data.len()
    }

    fn connection_lost(&mut self, reason: &CloseReason) {
        self.record(LOST, reason.to_string().as_bytes());
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture").finish_non_exhaustive()
    }
}
