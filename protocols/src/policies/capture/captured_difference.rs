use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Where a protocol answers a [replayed](crate::policies::CapturedConnection::compare) connection otherwise than when it was
/// captured. Displayed, it has both sides, escaped.
#[derive(Clone, PartialEq, Eq)]
pub struct CapturedDifference {
    /// The first byte of the answers that differs, counted from 0, or that only one side has.
    pub position: usize,
    /// How many bytes had been received when it came or, if it was not sent in the replay, at the end.
    pub received: usize,
    /// When that was, since the connection was made.
    pub time: Duration,
    /// What the captured protocol sent, from a little before the position on.
    pub then: Vec<u8>,
    /// What was sent in the replay, likewise.
    pub now: Vec<u8>,
}

impl CapturedDifference {
    /// The first difference, if any. `steps` has, after each event of the replay, how much was sent, how much was received, and
    /// the time.
    pub(crate) fn between(then: &[u8], now: &[u8], steps: &[(usize, usize, Duration)]) -> Option<Self> {
        let same = then.iter().zip(now).take_while(|(then, now)| then == now).count();
        if same == then.len().max(now.len()) {
            return None;
        }
        let step = steps.iter().find(|(sent, ..)| *sent > same).or_else(|| steps.last());
        let (_, received, time) = step.copied().unwrap_or_default();
        let around = |side: &[u8]| side[same.saturating_sub(BEFORE)..side.len().min(same + BEHIND)].to_vec();
        Some(Self { position: same, received, time, then: around(then), now: around(now) })
    }
}

impl fmt::Display for CapturedDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position, received, time, then, now } = self;
        write!(
            f,
            "from byte {position} of the answers on, after {received} received bytes, {time:?} after the connection was made:\n \
             then: {}\n  now: {}",
            then.escape_ascii(),
            now.escape_ascii()
        )
    }
}

impl fmt::Debug for CapturedDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for CapturedDifference {}

/// How much of what is the same is shown.
const BEFORE: usize = 20;

/// How much is shown from the difference on.
const BEHIND: usize = 60;
