//! The small services that every machine once had: echo, discard, chargen, quote of the day, active users, and the time
//! in two forms. Twisted's `protocols.wire`; [`udp`] has them over datagrams.
//!
//! They are useful for testing what surrounds them: a layer, a network, a client. Each is a complete server:
//!
//! ```no_run
//! use protocols::wire::{Chargen, Daytime, Discard, Echo, Qotd, Time};
//! use reactor::Reactor;
//!
//! let reactor = Reactor::new()?;
//! reactor.listen_tcp(7, Echo::new)?;
//! reactor.listen_tcp(9, Discard::new)?;
//! reactor.listen_tcp(13, Daytime::new)?;
//! reactor.listen_tcp(17, |transport| Qotd::new(transport, "An apple a day keeps the doctor away.\r\n"))?;
//! reactor.listen_tcp(19, Chargen::new)?;
//! reactor.listen_tcp(37, Time::new)?;
//! reactor.run()
//! # ?; Ok::<(), std::io::Error>(())
//! ```

pub(crate) mod answer_limit;
pub mod udp;

use std::mem::take;
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use reactor::{Protocol, Transport};

/// Sends back the bytes it receives (RFC 862).
#[derive(Debug)]
pub struct Echo {
    transport: Transport,
}

impl Echo {
    /// The protocol of one connection.
    pub fn new(transport: Transport) -> Self {
        Self { transport }
    }
}

impl Protocol for Echo {
    fn data_received(&mut self, data: &[u8]) {
        self.transport.write(data);
    }
}

/// Discards the bytes it receives (RFC 863).
#[derive(Debug)]
pub struct Discard;

impl Discard {
    /// The protocol of one connection.
    pub fn new(_transport: Transport) -> Self {
        Self
    }
}

impl Protocol for Discard {
    fn data_received(&mut self, _data: &[u8]) {}
}

/// Sends lines of characters until the peer closes, and discards the bytes it receives (RFC 864).
///
/// The lines are those that the RFC recommends: 72 printable characters and CR LF, each line beginning one character
/// later than the line before. They are produced as the peer takes them, so a slow peer costs no memory. Twisted sends
/// the same 71 characters again and again, without line ends.
#[derive(Debug)]
pub struct Chargen {
    transport: Transport,
    line: usize,
}

impl Chargen {
    /// The protocol of one connection.
    pub fn new(transport: Transport) -> Self {
        Self { transport, line: 0 }
    }
}

impl Protocol for Chargen {
    fn connection_made(&mut self) {
        self.resume_writing();
    }

    fn data_received(&mut self, _data: &[u8]) {}

    fn resume_writing(&mut self) {
        while !self.transport.is_full() {
            let unsent = self.transport.unsent_bytes();
            self.transport.write(pattern_line(self.line));
            if self.transport.unsent_bytes() == unsent {
                // Nothing more is accepted: the connection is ending, or its limit is below the level that makes it
                // full.
                return;
            }
            self.line = (self.line + 1) % PRINTING;
        }
    }
}

/// Sends a text and closes (RFC 865). Twisted's `QOTD`.
///
/// The text is given for each connection, so it can vary:
///
/// ```no_run
/// use protocols::wire::Qotd;
/// use reactor::{Reactor, Transport};
///
/// let quotes = ["Plan to throw one away.\r\n", "There is no silver bullet.\r\n"];
/// let reactor = Reactor::new()?;
/// reactor.listen_tcp(17, move |transport: Transport| {
///     let chosen = transport.reactor().random() as usize % quotes.len();
///     Qotd::new(transport, quotes[chosen])
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Qotd(Once);

impl Qotd {
    /// The protocol of one connection. The RFC recommends fewer than 512 printable characters, with lines that end with
    /// CR LF.
    pub fn new(transport: Transport, quote: impl Into<Vec<u8>>) -> Self {
        Self(Once { transport, text: quote.into() })
    }
}

impl Protocol for Qotd {
    fn connection_made(&mut self) {
        self.0.send();
    }

    fn data_received(&mut self, _data: &[u8]) {}
}

/// Sends the list of active users and closes (RFC 866).
#[derive(Debug)]
pub struct Who(Once);

impl Who {
    /// The protocol of one connection. The RFC asks for one line per user, ending with CR LF.
    pub fn new(transport: Transport, users: impl Into<Vec<u8>>) -> Self {
        Self(Once { transport, text: users.into() })
    }
}

impl Protocol for Who {
    fn connection_made(&mut self) {
        self.0.send();
    }

    fn data_received(&mut self, _data: &[u8]) {}
}

/// Sends the time as a line of text and closes (RFC 867): `Sun Nov  1 16:58:06 2026`, in UTC.
#[derive(Debug)]
pub struct Daytime {
    transport: Transport,
}

impl Daytime {
    /// The protocol of one connection.
    pub fn new(transport: Transport) -> Self {
        Self { transport }
    }
}

impl Protocol for Daytime {
    fn connection_made(&mut self) {
        self.transport.write(daytime(self.transport.reactor().time_of_day()));
        self.transport.lose_connection();
    }

    fn data_received(&mut self, _data: &[u8]) {}
}

/// Sends the time as a number and closes (RFC 868): the seconds since 1900 in UTC, as 32 bits, big-endian.
///
/// The number wraps like the RFC's field: on 7 February 2036 it restarts at 0. Twisted sends the seconds since 1970,
/// which no client of this service accepts as the time.
#[derive(Debug)]
pub struct Time {
    transport: Transport,
}

impl Time {
    /// The protocol of one connection.
    pub fn new(transport: Transport) -> Self {
        Self { transport }
    }
}

impl Protocol for Time {
    fn connection_made(&mut self) {
        self.transport.write(seconds_since_1900(self.transport.reactor().time_of_day()));
        self.transport.lose_connection();
    }

    fn data_received(&mut self, _data: &[u8]) {}
}

/// Sends a text as soon as the connection is made, and closes.
#[derive(Debug)]
struct Once {
    transport: Transport,
    text: Vec<u8>,
}

impl Once {
    fn send(&mut self) {
        self.transport.write(take(&mut self.text));
        self.transport.lose_connection();
    }
}

fn daytime(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).format("%a %b %e %H:%M:%S %Y\r\n").to_string()
}

fn seconds_since_1900(time: SystemTime) -> [u8; 4] {
    let seconds = DateTime::<Utc>::from(time).timestamp() + SECONDS_FROM_1900_TO_1970;
    (seconds as u32).to_be_bytes()
}

/// Line `number` of the pattern, with its line end.
fn pattern_line(number: usize) -> [u8; LINE + 2] {
    let mut line = [b'\n'; LINE + 2];
    for (place, byte) in line[..LINE].iter_mut().enumerate() {
        *byte = b' ' + ((number + place) % PRINTING) as u8;
    }
    line[LINE] = b'\r';
    line
}

/// The length of a pattern line in characters.
const LINE: usize = 72;

/// The number of printable ASCII characters, including the space; after this many lines the pattern restarts.
const PRINTING: usize = 95;

/// The value given in RFC 868.
const SECONDS_FROM_1900_TO_1970: i64 = 2_208_988_800;

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use reactor::Factory;
    use reactor::layer::{self, Policy};
    use reactor::net::{ConnectionOptions, ListenOptions};
    use reactor::testing::{Pair, Simulation, StringTransport, every_cut};

    use super::*;

    /// What a service sends that closes by itself.
    fn answer(factory: impl Factory) -> Vec<u8> {
        let wire = StringTransport::connect(factory);
        assert!(wire.close_reason().is_some_and(|reason| reason.is_clean()));
        assert!(wire.eof_written());
        wire.written().to_vec()
    }

    #[test]
    fn s262_echo_writes_back_each_chunk() {
        let echoed = every_cut("one\r\ntwo\0", |pieces| {
            let mut wire = StringTransport::connect(Echo::new);
            for piece in pieces {
                wire.receive(piece);
                assert!(wire.written().ends_with(piece));
            }
            wire.take_written()
        });
        assert_eq!(echoed, b"one\r\ntwo\0");
    }

    #[test]
    fn s262_discard_ignores_what_comes_and_ends_with_the_peer() {
        let mut wire = StringTransport::connect(Discard::new);
        wire.receive("anything");
        assert_eq!((wire.written(), wire.close_reason().is_none()), (&b""[..], true));
        wire.receive_eof();
        assert_eq!((wire.written(), wire.close_reason().is_some()), (&b""[..], true));
    }

    #[test]
    fn s262_chargen_writes_whenever_its_output_is_empty_and_holds_little() {
        let mut pair = Pair::connect(Discard::new, Chargen::new);
        let mut received: Vec<u8> = Vec::new();
        for _ in 0..10 {
            received.extend(pair.server.written());
            assert!(pair.server.transport().unsent_bytes() <= 65_536 + LINE + 2);
            pair.pump();
        }
        assert!(received.len() >= 10 * 65_536);
        for (number, line) in received.chunks_exact(LINE + 2).enumerate() {
            assert_eq!(line, pattern_line(number));
        }
    }

    #[test]
    fn s262_chargen_sends_the_lines_of_rfc_864() {
        let first = br##" !"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_`abcdefg"##;
        assert_eq!(pattern_line(0), [&first[..], b"\r\n"].concat()[..]);
        assert_eq!(pattern_line(1), [&first[1..], b"h\r\n"].concat()[..]);
        assert_eq!(&pattern_line(94)[..3], b"~ !");
        assert_eq!(pattern_line(95), pattern_line(0));
    }

    #[test]
    fn s262_chargen_stops_when_the_peer_closes() {
        let mut pair = Pair::connect(Discard::new, Chargen::new);
        pair.client.transport().write("stop it");
        pair.client.transport().lose_connection();
        pair.run_until_quiet();
        assert!(pair.server.close_reason().is_some_and(|reason| reason.is_clean()));
    }

    #[test]
    fn chargen_writes_no_more_when_nothing_more_is_taken() {
        struct Closing(Transport);
        impl Policy for Closing {
            fn connection_made(&mut self) {
                self.0.lose_connection();
            }
        }
        let wire = StringTransport::connect(layer::around(Closing, Chargen::new));
        assert_eq!((wire.written(), wire.close_reason().is_some()), (&b""[..], true));

        let mut pair = Pair::connect(Discard::new, Chargen::new);
        pair.server.transport().write_eof();
        pair.client.transport().write_eof();
        pair.run_until_quiet();
        assert!(pair.server.close_reason().is_some_and(|reason| reason.is_clean()));

        let sim = Simulation::new(0);
        let server = sim.host("server");
        let options = ListenOptions::new(19).connection(ConnectionOptions::new().output_limit(1000));
        server.listen_tcp(options, Chargen::new).unwrap();
        let connector = sim.host("client").connect_tcp("server:19", Discard::new);
        sim.run_for(Duration::from_secs(1));
        assert!(connector.transport().is_none());
    }

    #[test]
    fn s262_qotd_writes_once_and_closes() {
        assert_eq!(answer(|transport| Qotd::new(transport, "Less is more.\r\n")), b"Less is more.\r\n");
    }

    #[test]
    fn s262_who_writes_once_and_closes() {
        assert_eq!(answer(|transport| Who::new(transport, "root\r\n")), b"root\r\n");
    }

    /// A test's clock begins with the year 2000.
    #[test]
    fn s263_daytime_is_a_line_of_text() {
        assert_eq!(answer(Daytime::new), b"Sat Jan  1 00:00:00 2000\r\n");
    }

    #[test]
    fn s263_time_counts_from_1900() {
        assert_eq!(answer(Time::new), 3_155_673_600_u32.to_be_bytes());
    }

    #[test]
    fn s263_time_has_the_values_of_rfc_868_and_wraps_as_its_field_does() {
        for (since_1970, expected) in [
            (0, 2_208_988_800_u32),
            (441_763_200, 2_650_752_000), // 1 January 1984
            (2_085_978_495, u32::MAX),
            (2_085_978_496, 0),
            (2_085_978_497, 1),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(since_1970);
            assert_eq!(seconds_since_1900(time), expected.to_be_bytes());
        }
        let before_1970 = UNIX_EPOCH - Duration::from_secs(1_297_728_000); // 17 November 1928
        assert_eq!(seconds_since_1900(before_1970), 911_260_800_u32.to_be_bytes());
    }
}
