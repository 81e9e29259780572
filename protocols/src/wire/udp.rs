//! The services of [`wire`](super) over datagrams: each datagram gets one as its answer.
//!
//! ```no_run
//! use protocols::wire::udp;
//! use reactor::Reactor;
//!
//! let reactor = Reactor::new()?;
//! reactor.listen_udp(7, udp::echo)?;
//! reactor.listen_udp(13, udp::daytime)?;
//! reactor.listen_udp(17, |transport| udp::qotd(transport, || "Less is more.\r\n"))?;
//! reactor.run()
//! # ?; Ok::<(), std::io::Error>(())
//! ```
//!
//! # Before you open one to the internet
//!
//! The source address of a datagram is easily forged. Two of these services, each told that the other has asked, would
//! answer each other forever; so datagrams from such services are not answered, and nobody is answered too often: see
//! [`AnswerLimit`]. An attacker can also flood a victim with answers to questions in its name: [`chargen`] and [`echo`]
//! answer with no more than they were sent; [`daytime`], [`time`] and [`qotd`] may answer an empty question with a few
//! bytes, and are for networks whose hosts are known.

pub use crate::wire::answer_limit::AnswerLimit;

use std::net::SocketAddr;

use reactor::datagram::{DatagramProtocol, DatagramTransport};

use crate::wire::{PRINTING, pattern_line, seconds_since_1900};

/// Sends back the bytes it receives (RFC 862).
pub fn echo(transport: DatagramTransport) -> impl DatagramProtocol {
    answers(transport, |_, question, answer| answer.extend(question))
}

/// Discards the bytes it receives (RFC 863).
pub fn discard(_transport: DatagramTransport) -> impl DatagramProtocol {
    Discard
}

/// Sends characters (RFC 864): as many as it was sent, up to 512. The RFC chooses their number at random, which would
/// send more than was received.
pub fn chargen(transport: DatagramTransport) -> impl DatagramProtocol {
    let mut line = 0;
    answers(transport, move |_, question, answer| {
        while answer.len() < question.len().min(LONGEST) {
            answer.extend(pattern_line(line));
            line = (line + 1) % PRINTING;
        }
        answer.truncate(question.len().min(LONGEST));
    })
}

/// Sends the result of `quote` (RFC 865), which is called for each datagram; up to 512 bytes of it. It can also serve
/// for active users (RFC 866).
pub fn qotd<Q: AsRef<[u8]> + 'static>(
    transport: DatagramTransport,
    mut quote: impl FnMut() -> Q + 'static,
) -> impl DatagramProtocol {
    answers(transport, move |_, _, answer| answer.extend(quote().as_ref().iter().take(LONGEST)))
}

/// Sends the time as a line of text (RFC 867), as [`Daytime`](super::Daytime) does.
pub fn daytime(transport: DatagramTransport) -> impl DatagramProtocol {
    answers(transport, |transport, _, answer| {
        answer.extend(super::daytime(transport.reactor().time_of_day()).as_bytes());
    })
}

/// Sends the time as a number (RFC 868), as [`Time`](super::Time) does.
pub fn time(transport: DatagramTransport) -> impl DatagramProtocol {
    answers(transport, |transport, _, answer| answer.extend(seconds_since_1900(transport.reactor().time_of_day())))
}

struct Discard;

impl DatagramProtocol for Discard {
    fn datagram_received(&mut self, _data: &[u8], _peer: SocketAddr) {}
}

struct Answers<F> {
    transport: DatagramTransport,
    /// Appends the answer to a question to the last argument, which is empty.
    make: F,
    answer: Vec<u8>,
    limit: AnswerLimit,
}

fn answers<F>(transport: DatagramTransport, make: F) -> Answers<F>
where
    F: FnMut(&DatagramTransport, &[u8], &mut Vec<u8>) + 'static,
{
    Answers { limit: AnswerLimit::new(&transport), transport, make, answer: Vec::new() }
}

impl<F: FnMut(&DatagramTransport, &[u8], &mut Vec<u8>) + 'static> DatagramProtocol for Answers<F> {
    fn datagram_received(&mut self, data: &[u8], peer: SocketAddr) {
        if !self.limit.allows(peer) {
            return;
        }
        self.answer.clear();
        (self.make)(&self.transport, data, &mut self.answer);
        // An answer that cannot be sent counts as lost on its way.
        let _ = self.transport.write(&self.answer, peer);
    }
}

/// The maximum of RFC 864 and RFC 865 for a datagram.
const LONGEST: usize = 512;
