use std::collections::HashMap;
use std::io;
use std::io::Read;
use std::time::Duration;

use reactor::testing::StringTransport;

use crate::policies::capture::pcap::{Records, invalid};
use crate::policies::capture::{ENDED, LOST, MADE, RECEIVED, SENT};

/// One connection of a [`Capture`](crate::policies::Capture), read back for replay.
///
/// ```
/// use protocols::policies::{Capture, CapturedConnection};
/// use reactor::testing::StringTransport;
/// # use std::cell::RefCell;
/// # use std::io;
/// # use std::rc::Rc;
/// # use reactor::{Protocol, Transport};
/// # struct Echo { transport: Transport }
/// # impl Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
/// # #[derive(Clone, Default)]
/// # struct File(Rc<RefCell<Vec<u8>>>);
/// # impl io::Write for File {
/// #     fn write(&mut self, data: &[u8]) -> io::Result<usize> { self.0.borrow_mut().write(data) }
/// #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
/// # }
/// # let file = File::default();
/// # let capture = Capture::new(file.clone());
/// # let mut wire = StringTransport::connect(capture.around(|transport| Echo { transport }));
/// # wire.receive("hello");
/// # let file = file.0.take();
/// # let file = io::Cursor::new(file);
///
/// for connection in CapturedConnection::read_all(file)? {
///     let mut wire = StringTransport::connect(|transport| Echo { transport });
///     connection.replay(&mut wire);
///     assert_eq!(wire.written(), connection.sent(), "of {}", connection.peer());
/// }
/// # Ok::<(), io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CapturedConnection {
    peer: String,
    /// Each with its time since 1970.
    events: Vec<(Duration, CapturedEvent)>,
}

#[derive(Clone, Debug)]
enum CapturedEvent {
    Made,
    Received(Vec<u8>),
    Sent(Vec<u8>),
    Ended,
    Lost,
}

impl CapturedConnection {
    /// Reads all connections of a capture, in the order in which they were made. An incomplete last record, as left by
    /// a killed program, is ignored.
    ///
    /// # Errors
    ///
    /// `InvalidData`, with a description, if the input was not written by [`Capture`](crate::policies::Capture);
    /// otherwise the reader's error. No input causes a panic, or uses more memory than the length of the capture.
    pub fn read_all(capture: impl Read) -> io::Result<Vec<Self>> {
        let mut records = Records::new(capture)?;
        let mut connections = Vec::<Self>::new();
        let mut numbers = HashMap::new();
        while let Some((time, record)) = records.next()? {
            let Some((number, rest)) = record.split_first_chunk() else {
                return Err(invalid(format!("a record of {} bytes: the minimum is 9", record.len())));
            };
            let number = u64::from_be_bytes(*number);
            let event = match rest {
                [MADE, peer @ ..] => {
                    numbers.insert(number, connections.len());
                    connections.push(Self { peer: String::from_utf8_lossy(peer).into_owned(), events: Vec::new() });
                    CapturedEvent::Made
                }
                [RECEIVED, data @ ..] => CapturedEvent::Received(data.to_vec()),
                [SENT, data @ ..] => CapturedEvent::Sent(data.to_vec()),
                [ENDED, ..] => CapturedEvent::Ended,
                [LOST, ..] => CapturedEvent::Lost,
                _ => return Err(invalid(format!("an event of unknown kind of connection {number}"))),
            };
            let Some(index) = numbers.get(&number) else {
                return Err(invalid(format!("an event of connection {number} before the connection was made")));
            };
            connections[*index].events.push((time, event));
        }
        Ok(connections)
    }

    /// The peer's address.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// All received bytes.
    pub fn received(&self) -> Vec<u8> {
        self.bytes(|event| if let CapturedEvent::Received(data) = event { data } else { &[] })
    }

    /// All sent bytes.
    pub fn sent(&self) -> Vec<u8> {
        self.bytes(|event| if let CapturedEvent::Sent(data) = event { data } else { &[] })
    }

    /// Does to a protocol what the peer did to the captured one: delivers the same bytes, cut in the same way, and the
    /// end of the stream, at the same times. Timers run in between and after the last event as long as they did then.
    pub fn replay(&self, wire: &mut StringTransport) {
        let mut now = self.events.first().map(|(time, _)| *time).unwrap_or_default();
        for (time, event) in &self.events {
            // The clock may have been set back.
            wire.advance(time.saturating_sub(now));
            now = *time;
            match event {
                CapturedEvent::Received(data) => wire.receive(data),
                CapturedEvent::Ended => wire.receive_eof(),
                CapturedEvent::Made | CapturedEvent::Sent(_) | CapturedEvent::Lost => {}
            }
        }
    }

    fn bytes(&self, of: impl Fn(&CapturedEvent) -> &[u8]) -> Vec<u8> {
        self.events.iter().flat_map(|(_, event)| of(event)).copied().collect()
    }
}

#[cfg(test)]
mod tests;
