use std::time::Duration;
use std::{fmt, io};

use crate::connection::factory::Factory;
use crate::reactor::Reactor;
use crate::testing::StringTransport;
use crate::testing::manual::PASS;
use crate::testing::string_transport::reactor_in_memory;

/// Two protocols connected with each other by a test that carries their bytes. Twisted's `iosim`.
///
/// Each end is a [`StringTransport`]: what one side has sent and the other has not received yet is
/// [`written`](StringTransport::written) there, and can be inspected, taken or added to. [`pump`](Self::pump) carries
/// it across once; [`run_until_quiet`](Self::run_until_quiet) until there is nothing more to carry. Both ends share one
/// reactor and one clock, which only [`advance`](Self::advance) moves. As on a socket, 64 KiB each way can be in
/// flight; then writers have to wait.
///
/// For several connections, or a network with latency and faults, use a [`Simulation`](super::Simulation).
///
/// ```
/// use reactor::testing::Pair;
/// use reactor::{Protocol, Transport};
///
/// struct Client { transport: Transport, answer: String }
///
/// impl Protocol for Client {
///     fn connection_made(&mut self) {
///         self.transport.write("hello");
///     }
///     fn data_received(&mut self, data: &[u8]) {
///         self.answer.push_str(&String::from_utf8_lossy(data));
///     }
/// }
/// # struct Shout { transport: Transport }
/// # impl Protocol for Shout {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data.to_ascii_uppercase()) }
/// # }
///
/// let mut pair = Pair::connect(
///     |transport| Client { transport, answer: String::new() },
///     |transport| Shout { transport },
/// );
/// assert_eq!(pair.client.written(), b"hello");
/// pair.pump();
/// assert_eq!(pair.server.written(), b"HELLO");
/// pair.run_until_quiet();
/// assert_eq!(pair.client.protocol::<Client>().answer, "HELLO");
/// ```
pub struct Pair {
    /// The end of the protocol that the first factory built.
    pub client: StringTransport,
    /// The end of the protocol that the second factory built.
    pub server: StringTransport,
    /// Whether the server has seen the end of the client's stream.
    client_has_ended: bool,
    server_has_ended: bool,
}

impl Pair {
    /// Builds both protocols, the client first, and connects them. Both have had their `connection_made` when this
    /// returns; what they wrote is in flight.
    ///
    /// # Panics
    ///
    /// If one of the factories refuses the connection or panics.
    #[track_caller]
    pub fn connect(client: impl Factory, server: impl Factory) -> Self {
        let reactor = reactor_in_memory();
        let client = StringTransport::on(&reactor, ["client", "server"], IN_FLIGHT, client);
        let server = StringTransport::on(&reactor, ["server", "client"], IN_FLIGHT, server);
        Self { client, server, client_has_ended: false, server_has_ended: false }
    }

    /// Carries what each side has written across to the other, once; if there is nothing, the end of its stream or its
    /// reset. What the callbacks write meanwhile is then in flight. Returns false if there was nothing to carry.
    ///
    /// A side that does not read receives nothing more until it has read what it received.
    pub fn pump(&mut self) -> bool {
        self.settle();
        let to_server = Parcel::pick_up(&mut self.client, &self.server, &mut self.client_has_ended);
        let to_client = Parcel::pick_up(&mut self.server, &self.client, &mut self.server_has_ended);
        let carried = [&to_server, &to_client].into_iter().any(|parcel| !matches!(parcel, Parcel::Nothing));
        to_server.deliver(&mut self.client, &mut self.server);
        to_client.deliver(&mut self.server, &mut self.client);
        self.settle();
        carried
    }

    /// [Pumps](Self::pump) until there is nothing to carry. No time passes.
    ///
    /// # Panics
    ///
    /// If there is still something to carry after 1,000 rounds, because the two keep answering each other.
    #[track_caller]
    pub fn run_until_quiet(&mut self) {
        for _ in 0..ROUNDS {
            if !self.pump() {
                return;
            }
        }
        panic!("the pair is not quiet after {ROUNDS} rounds: {self:?}");
    }

    /// Lets time pass. Every call due meanwhile is made at its own time, and what is sent is carried across at once.
    ///
    /// # Panics
    ///
    /// As [`run_until_quiet`](Self::run_until_quiet).
    #[track_caller]
    pub fn advance(&mut self, time: Duration) {
        let core = self.reactor().clone().0;
        let end = core.hub.timers.now() + time;
        self.run_until_quiet();
        loop {
            let now = core.hub.timers.now();
            if now >= end {
                return;
            }
            let next = core.hub.timers.next_deadline(std::task::Waker::noop()).unwrap_or(end);
            core.advance(next.max(now + PASS).min(end) - now);
            self.run_until_quiet();
        }
    }

    /// Breaks the link between the two: each side's connection is reset, and what is in flight is lost.
    pub fn break_link(&mut self) {
        for end in [&mut self.client, &mut self.server] {
            end.take_written();
            end.break_connection(io::ErrorKind::ConnectionReset.into());
        }
        self.settle();
    }

    /// The reactor that both protocols see.
    pub fn reactor(&self) -> &Reactor {
        self.client.reactor()
    }

    /// Applies to each side what the other side did to its transport.
    fn settle(&mut self) {
        self.client.settle();
        self.server.settle();
        self.client.settle();
    }
}

/// What is carried across at a time.
enum Parcel {
    Nothing,
    Data(Vec<u8>),
    /// Data for a side whose connection is gone: its system would answer with a reset.
    Bounced,
    End,
    Reset,
}

impl Parcel {
    fn pick_up(from: &mut StringTransport, to: &StringTransport, has_ended: &mut bool) -> Self {
        if !from.written().is_empty() {
            return match to.unread() {
                _ if to.is_over() => {
                    from.take_written();
                    Self::Bounced
                }
                0 => Self::Data(from.take_written()),
                _ => Self::Nothing,
            };
        }
        let was_reset = from.was_reset() || from.close_reason().is_some_and(|reason| !reason.is_clean());
        if *has_ended || !(was_reset || from.eof_written()) {
            return Self::Nothing;
        }
        *has_ended = true;
        if was_reset { Self::Reset } else { Self::End }
    }

    fn deliver(self, from: &mut StringTransport, to: &mut StringTransport) {
        match self {
            Self::Nothing => {}
            Self::Data(data) => to.receive(data),
            Self::Bounced => from.break_connection(io::ErrorKind::ConnectionReset.into()),
            Self::End => to.receive_eof(),
            Self::Reset => to.break_connection(io::ErrorKind::ConnectionReset.into()),
        }
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").field("client", &self.client).field("server", &self.server).finish_non_exhaustive()
    }
}

/// The combined size of the buffers of a socket and its peer, each way.
const IN_FLIGHT: usize = 64 * 1024;

/// Far more than two protocols need unless they never finish.
const ROUNDS: u32 = 1000;
