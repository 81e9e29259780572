use std::collections::HashMap;
use std::io;
use std::io::Read;
use std::time::{Duration, UNIX_EPOCH};

use reactor::testing::{StringTransport, every_cut};
use reactor::{Factory, Protocol, Transport};

use crate::policies::capture::captured_difference::CapturedDifference;
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
    /// end of the stream, at the same times of day. Timers run in between and after the last event as long as they did then.
    pub fn replay(&self, wire: &mut StringTransport) {
        self.play(wire, &[], |_, _, _| {});
    }

    /// Replays the connection to a protocol that `factory` builds, and compares what it sends with what the captured one
    /// sent. The protocol has the captured times of day, so stamps are the same; the addresses are those of a
    /// [`StringTransport`].
    ///
    /// ```
    /// # use protocols::policies::{Capture, CapturedConnection};
    /// # use protocols::{LineHandler, LineReceiver, Lines};
    /// # use reactor::testing::StringTransport;
    /// # use std::cell::RefCell;
    /// # use std::io;
    /// # use std::rc::Rc;
    /// # #[derive(Clone, Default)]
    /// # struct File(Rc<RefCell<Vec<u8>>>);
    /// # impl io::Write for File {
    /// #     fn write(&mut self, data: &[u8]) -> io::Result<usize> { self.0.borrow_mut().write(data) }
    /// #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
    /// # }
    /// struct Greeter { lines: Lines, greeting: &'static str }
    ///
    /// impl LineHandler for Greeter {
    ///     fn line_received(&mut self, name: &[u8]) {
    ///         self.lines.send_line(format!("{}, {}!", self.greeting, name.escape_ascii()));
    ///     }
    /// }
    ///
    /// let build = |greeting| LineReceiver::factory(move |lines| Greeter { lines, greeting });
    /// # let file = File::default();
    /// # let capture = Capture::new(file.clone());
    /// # StringTransport::connect(capture.around(build("Hello"))).receive("Ann\r\nBob\r\n");
    /// # let file = io::Cursor::new(file.0.take());
    /// for connection in CapturedConnection::read_all(file)? {
    ///     assert!(connection.compare(build("Hello")).is_ok());
    ///     connection.compare_every_cut(|| build("Hello"));
    ///     let difference = connection.compare(build("Hallo")).unwrap_err();
    ///     assert_eq!(
    ///         difference.to_string(),
    ///         "from byte 1 of the answers on, after 10 received bytes, 0ns after the connection was made:\n \
    ///          then: Hello, Ann!\\r\\nHello, Bob!\\r\\n\n  now: Hallo, Ann!\\r\\nHallo, Bob!\\r\\n"
    ///     );
    /// }
    /// # Ok::<(), io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The first difference.
    pub fn compare(&self, factory: impl Factory) -> Result<(), CapturedDifference> {
        self.compare_cut(factory, &[])
    }

    /// As [`compare`](Self::compare), and then with the received bytes cut further, in every way that a network may cut them
    /// ([`every_cut`] says which), each at the time at which it came. For a protocol whose answers do not depend on that.
    ///
    /// # Panics
    ///
    /// If there is a difference. The message shows it, and the cut, after removing as many as possible.
    #[track_caller]
    pub fn compare_every_cut<F: Factory>(&self, mut build: impl FnMut() -> F) {
        if let Err(difference) = self.compare(build()) {
            panic!("the connection from {} differs {difference}", self.peer);
        }
        // All ways give what this one has given.
        let _ = every_cut(self.received(), |pieces| {
            let cuts = pieces.iter().scan(0, |end, piece| {
                *end += piece.len();
                Some(*end)
            });
            self.compare_cut(build(), &cuts.collect::<Vec<_>>())
        });
    }

    fn compare_cut(&self, factory: impl Factory, cuts: &[usize]) -> Result<(), CapturedDifference> {
        // Its clock is set before the protocol is built.
        let mut clock = StringTransport::connect(|_: Transport| Clock);
        clock.set_time_of_day(UNIX_EPOCH + self.start());
        let mut wire = StringTransport::connect_on(clock.reactor(), factory);
        // How much had been sent after each input.
        let mut steps = Vec::new();
        self.play(&mut wire, cuts, |wire, received, since| steps.push((wire.written().len(), received, since)));
        CapturedDifference::between(&self.sent(), wire.written(), &steps).map_or(Ok(()), Err)
    }

    /// Replays the received bytes cut also at these places, which are in order. Calls `after` after each event, with the number
    /// of bytes received until then, and the time.
    fn play(
        &self,
        wire: &mut StringTransport,
        cuts: &[usize],
        mut after: impl FnMut(&StringTransport, usize, Duration),
    ) {
        let (start, mut received) = (self.start(), 0);
        let mut now = start;
        wire.set_time_of_day(UNIX_EPOCH + now);
        for (time, event) in &self.events {
            // The clock may have been set back.
            wire.advance(time.saturating_sub(now));
            now = *time;
            wire.set_time_of_day(UNIX_EPOCH + now);
            match event {
                CapturedEvent::Received(data) => {
                    let inside = cuts.partition_point(|cut| *cut <= received)
                        ..cuts.partition_point(|cut| *cut < received + data.len());
                    let mut begin = 0;
                    for end in cuts[inside].iter().map(|cut| cut - received).chain([data.len()]) {
                        wire.receive(&data[begin..end]);
                        begin = end;
                    }
                    received += data.len();
                }
                CapturedEvent::Ended => wire.receive_eof(),
                CapturedEvent::Made | CapturedEvent::Sent(_) | CapturedEvent::Lost => {}
            }
            after(wire, received, now.saturating_sub(start));
        }
    }

    /// When the connection was made, since 1970.
    fn start(&self) -> Duration {
        self.events.first().map(|(time, _)| *time).unwrap_or_default()
    }

    fn bytes(&self, of: impl Fn(&CapturedEvent) -> &[u8]) -> Vec<u8> {
        self.events.iter().flat_map(|(_, event)| of(event)).copied().collect()
    }
}

/// Keeps the reactor whose clock the replay uses.
struct Clock;

impl Protocol for Clock {
    fn data_received(&mut self, _data: &[u8]) {}
}

#[cfg(test)]
mod tests;
