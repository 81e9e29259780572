//! The service over UDP: one datagram answers another.

use std::net::SocketAddr;
use std::sync::Arc;

use protocols::wire::udp::AnswerLimit;
use reactor::datagram::{DatagramProtocol, DatagramTransport};
use reactor::task::LogLimit;

use crate::journal::Journal;
use crate::stamp::Stamps;

/// Answers each datagram with the time and the datagram, but no source too often: otherwise two servers set on each
/// other by a forged datagram would never stop.
pub(crate) struct DatagramStamper {
    transport: DatagramTransport,
    limit: AnswerLimit,
    failures: LogLimit,
    journal: Arc<Journal>,
    stamps: Stamps,
}

impl DatagramStamper {
    pub(crate) fn new(transport: DatagramTransport, journal: Arc<Journal>, stamps: Stamps) -> Self {
        Self { limit: AnswerLimit::new(&transport), failures: LogLimit::default(), transport, journal, stamps }
    }
}

impl DatagramProtocol for DatagramStamper {
    fn datagram_received(&mut self, data: &[u8], peer: SocketAddr) {
        // Before it is told: what is not answered comes in any number, and the limit counts it.
        if !self.limit.allows(peer) {
            return;
        }
        self.journal.received(&peer.into(), data);
        let reactor = self.transport.reactor();
        let mut answer = self.stamps.stamp(reactor.time_of_day()).to_string().into_bytes();
        answer.extend_from_slice(data);
        if let Err(error) = self.transport.write(answer, peer)
            && let Some(left_out) = self.failures.allows(reactor.now())
        {
            tracing::info!(%peer, left_out, "cannot answer: {error}");
        }
    }
}
