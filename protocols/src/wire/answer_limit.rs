use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use reactor::Address;
use reactor::datagram::DatagramTransport;

/// Decides which datagrams a service answers, and how often, so that nobody can set two services on each other or aim
/// one at a victim. The source address of a datagram is easily forged.
///
/// Datagrams from a port below 1,024, which most such services use, and from the port itself are not answered. A source
/// (an IPv4 address, an IPv6 network of 64 bits) gets up to 50 answers a second, and 100 at once. Two services that a
/// forged datagram has set on each other stop when one of them exceeds this rate: at once on a fast network; on a slow
/// one they may continue slowly.
///
/// The memory has room for 1,024 sources, assigned at random. Sources that share a place share their answers.
///
/// ```
/// use std::net::SocketAddr;
/// use protocols::wire::udp::AnswerLimit;
/// use reactor::Reactor;
/// use reactor::datagram::{DatagramProtocol, DatagramTransport};
///
/// struct Hello { transport: DatagramTransport, limit: AnswerLimit }
///
/// impl DatagramProtocol for Hello {
///     fn datagram_received(&mut self, _data: &[u8], peer: SocketAddr) {
///         if self.limit.allows(peer) {
///             let _ = self.transport.write("hello", peer);
///         }
///     }
/// }
///
/// let reactor = Reactor::new()?;
/// reactor.listen_udp("127.0.0.1:0", |transport| Hello { limit: AnswerLimit::new(&transport), transport })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct AnswerLimit {
    transport: DatagramTransport,
    /// Random, so that nobody can choose the place of a source.
    seed: u64,
    interval: Duration,
    burst: u32,
    /// When the sources at this place have their full allowance again. `None` if they have it.
    whole_at: Box<[Option<Instant>]>,
    refused: u64,
}

impl AnswerLimit {
    /// A limit for the port of this transport.
    pub fn new(transport: &DatagramTransport) -> Self {
        Self {
            transport: transport.clone(),
            seed: transport.reactor().random(),
            interval: Duration::from_secs(1) / ANSWERS_A_SECOND,
            burst: BURST,
            whole_at: vec![None; PLACES].into_boxed_slice(),
            refused: 0,
        }
    }

    /// Allows `answers_a_second` to one source, and `burst` at once, in place of 50 and 100.
    ///
    /// # Panics
    ///
    /// If either is 0.
    #[must_use]
    #[track_caller]
    pub fn rate(mut self, answers_a_second: u32, burst: u32) -> Self {
        assert!(
            answers_a_second > 0 && burst > 0,
            "a rate of {answers_a_second} and a burst of {burst} allow no answers: both must be at least 1"
        );
        self.interval = Duration::from_secs(1) / answers_a_second;
        self.burst = burst;
        self
    }

    /// Whether to answer a datagram of this peer now; if so, it counts.
    pub fn allows(&mut self, peer: SocketAddr) -> bool {
        let allows = !is_service(peer) && !self.is_own(peer) && self.takes(peer);
        if !allows {
            self.refused += 1;
            if self.refused.is_power_of_two() {
                tracing::warn!(host = %self.transport.host(), %peer, refused = self.refused, "did not answer a datagram");
            }
        }
        allows
    }

    /// The number of datagrams that were not to be answered.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Whether it is the port's own address, so that the port would answer itself.
    fn is_own(&self, peer: SocketAddr) -> bool {
        let host = self.transport.host();
        let asked = self.transport.received_at().unwrap_or(host);
        peer.port() == host.port() && [asked.ip(), host.ip()].contains(&peer.ip())
    }

    fn takes(&mut self, peer: SocketAddr) -> bool {
        let mut hasher = DefaultHasher::new();
        (self.seed, Address::from(peer).network()).hash(&mut hasher);
        let place = hasher.finish() as usize % self.whole_at.len();
        let now = self.transport.reactor().now();
        let whole_at = self.whole_at[place].map_or(now, |at| at.max(now)) + self.interval;
        let takes = whole_at - now <= self.interval * self.burst;
        if takes {
            self.whole_at[place] = Some(whole_at);
        }
        takes
    }
}

/// Whether the peer may be such a service, which would answer the answer: the rule of OpenBSD's `inetd` and of
/// `xinetd`.
fn is_service(peer: SocketAddr) -> bool {
    peer.port() < 1024
}

impl fmt::Debug for AnswerLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerLimit")
            .field("interval", &self.interval)
            .field("burst", &self.burst)
            .field("refused", &self.refused)
            .finish_non_exhaustive()
    }
}

/// More than people ask for, and little compared with what a network carries.
const ANSWERS_A_SECOND: u32 = 50;

const BURST: u32 = 100;

/// 16 KiB per port.
const PLACES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_not_answered() {
        for (port, expected) in [(0, true), (7, true), (19, true), (1023, true), (1024, false), (65_535, false)] {
            assert_eq!(is_service(([127, 0, 0, 1], port).into()), expected);
        }
    }
}
