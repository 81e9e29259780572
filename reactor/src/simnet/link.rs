use std::time::Duration;

/// The properties of the link between two hosts of a [`Simulation`](crate::testing::Simulation). All randomness is
/// drawn from the simulation's seed.
///
/// ```
/// use std::time::Duration;
/// use reactor::testing::Link;
///
/// let satellite = Link::new().latency(Duration::from_millis(300)).jitter(Duration::from_millis(50)).splits(0.5);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Link {
    pub(super) latency: Duration,
    pub(super) jitter: Duration,
    pub(super) bandwidth: Option<u64>,
    pub(super) splits: f64,
    pub(super) resets: f64,
    pub(super) loss: f64,
    pub(super) duplication: f64,
    pub(super) reordering: f64,
}

impl Link {
    /// A good link: a millisecond of latency, and no faults.
    pub fn new() -> Self {
        Self {
            latency: Duration::from_millis(1),
            jitter: Duration::ZERO,
            bandwidth: None,
            splits: 0.0,
            resets: 0.0,
            loss: 0.0,
            duplication: 0.0,
            reordering: 0.0,
        }
    }

    /// A bad link: some of everything that can go wrong and that a program should survive, but no resets.
    pub fn rough() -> Self {
        Self::new()
            .latency(Duration::from_millis(5))
            .jitter(Duration::from_millis(40))
            .splits(0.5)
            .loss(0.05)
            .duplication(0.05)
            .reordering(0.1)
    }

    /// The minimum time that a packet takes (1 ms).
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// The maximum extra time that a packet takes (0).
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter;
        self
    }

    /// How many bytes pass per second, in each direction (unlimited). Packets that exceed this wait; a datagram that
    /// would have to wait for more than a second is lost.
    pub fn bandwidth(mut self, bytes_per_second: Option<u64>) -> Self {
        self.bandwidth = bytes_per_second;
        self
    }

    /// The probability that one write to a stream arrives in up to four pieces (0). Pieces that arrive together are
    /// always read together.
    pub fn splits(mut self, probability: f64) -> Self {
        self.splits = probability;
        self
    }

    /// The probability, for each write to a stream, that its connection is reset instead (0).
    pub fn resets(mut self, probability: f64) -> Self {
        self.resets = probability;
        self
    }

    /// The probability that a packet is lost (0). A stream sends it again, which takes longer.
    pub fn loss(mut self, probability: f64) -> Self {
        self.loss = probability;
        self
    }

    /// The probability that a datagram arrives twice (0).
    pub fn duplication(mut self, probability: f64) -> Self {
        self.duplication = probability;
        self
    }

    /// The probability that a datagram is overtaken by those sent after it (0).
    pub fn reordering(mut self, probability: f64) -> Self {
        self.reordering = probability;
        self
    }
}

impl Default for Link {
    fn default() -> Self {
        Self::new()
    }
}
