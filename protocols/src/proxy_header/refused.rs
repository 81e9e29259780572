use std::cell::Cell;
use std::fmt;

use reactor::Transport;
use reactor::task::LogLimit;

/// The number of connections that a [`ProxyHeader`](crate::proxy_header::ProxyHeader) has refused so far, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxyRefusals {
    /// The source is not trusted.
    pub untrusted: u64,
    /// The connection did not begin with a valid header.
    pub malformed: u64,
    /// The header was not complete by the deadline.
    pub late: u64,
    /// The connection ended before the header was complete, or without a byte, like those of monitors that check
    /// whether a port is open.
    pub cut_short: u64,
}

impl ProxyRefusals {
    /// The sum of all.
    pub fn total(&self) -> u64 {
        self.untrusted + self.malformed + self.late + self.cut_short
    }
}

/// Why a connection is refused.
pub(super) enum Refusal {
    Untrusted,
    /// What is wrong, as the end of a sentence about the header.
    Malformed(&'static str),
    Late,
    CutShort,
    /// Like [`CutShort`](Self::CutShort), before the first byte.
    Silent,
}

/// Counts refusals, and logs one of each kind per interval.
#[derive(Default)]
pub(super) struct Refusals {
    counts: Cell<ProxyRefusals>,
    untrusted: LogLimit,
    malformed: LogLimit,
    late: LogLimit,
    cut_short: LogLimit,
}

impl Refusals {
    pub(super) fn counts(&self) -> ProxyRefusals {
        self.counts.get()
    }

    pub(super) fn note(&self, refusal: &Refusal, transport: &Transport) {
        let mut counts = self.counts();
        let (count, limit) = match refusal {
            Refusal::Untrusted => (&mut counts.untrusted, &self.untrusted),
            Refusal::Malformed(_) => (&mut counts.malformed, &self.malformed),
            Refusal::Late => (&mut counts.late, &self.late),
            Refusal::CutShort | Refusal::Silent => (&mut counts.cut_short, &self.cut_short),
        };
        *count += 1;
        self.counts.set(counts);
        // Monitors connect every few seconds: that is not worth a log line.
        if !matches!(refusal, Refusal::Silent)
            && let Some(left_out) = limit.allows(transport.reactor().now())
        {
            tracing::warn!(left_out, peer = %transport.peer(), refused = counts.total(), "refused a client: {refusal}");
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untrusted => f.write_str("it is not among the trusted sources (see ProxyHeader::trust)"),
            Self::Malformed(why) => write!(f, "the PROXY header {why}"),
            Self::Late => f.write_str("the PROXY header did not arrive in time; is the proxy configured to send one?"),
            Self::CutShort | Self::Silent => f.write_str("it ended before its PROXY header was complete"),
        }
    }
}
