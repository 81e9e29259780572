use std::cell::Cell;
use std::fmt;

use reactor::Transport;

use crate::policies::log_limit::LogLimit;

/// How many connections a [`ProxyHeader`](crate::proxy_header::ProxyHeader) has refused so far, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxyRefusals {
    /// They came from others than the trusted sources.
    pub untrusted: u64,
    /// They began with something else than a valid header.
    pub malformed: u64,
    /// No whole header had come when the time was up.
    pub late: u64,
    /// They ended before a header did, or with nothing sent at all, as some monitors look whether a port is open.
    pub cut_short: u64,
}

impl ProxyRefusals {
    /// All of them together.
    pub fn total(&self) -> u64 {
        self.untrusted + self.malformed + self.late + self.cut_short
    }
}

/// Why a connection is refused.
pub(super) enum Refusal {
    Untrusted,
    /// What the header is or has.
    Malformed(&'static str),
    Late,
    CutShort,
    /// As [`CutShort`](Self::CutShort), before the first byte.
    Silent,
}

/// Counts them, and logs one of each kind in a while.
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
        // Nobody has to be told every few seconds that a monitor is at work.
        if !matches!(refusal, Refusal::Silent) && limit.allows(transport.reactor().now()) {
            tracing::warn!(peer = %transport.peer(), refused = counts.total(), "refused a client: {refusal}");
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untrusted => f.write_str("it is not among the trusted sources, which ProxyHeader::trust names"),
            Self::Malformed(why) => write!(f, "the PROXY header {why}"),
            Self::Late => f.write_str("no whole PROXY header has come in time; has the proxy been told to send one?"),
            Self::CutShort | Self::Silent => f.write_str("it has ended before its PROXY header did"),
        }
    }
}
