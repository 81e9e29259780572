use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// Milliseconds since the epoch of UNIX. The core never asks a clock: each call tells it the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// What a clock shows, such as [`Reactor::time_of_day`](reactor::Reactor::time_of_day).
    #[must_use]
    pub fn of(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(since.as_millis().try_into().unwrap_or(u64::MAX))
    }

    /// Whole seconds, as numerics such as 329 have them.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0 / 1_000
    }

    /// The milliseconds from `earlier` until now, or zero.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// As the tag `time` has it: `2026-11-30T05:00:00.123Z`.
    #[must_use]
    pub fn to_iso(self) -> String {
        self.date().to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// For people: `Mon, 30 Nov 2026 05:00:00 +0000`.
    #[must_use]
    pub fn to_words(self) -> String {
        self.date().to_rfc2822()
    }

    /// The reverse of [`to_iso`](Self::to_iso).
    #[must_use]
    pub fn from_iso(text: &str) -> Option<Self> {
        let date = DateTime::parse_from_rfc3339(text).ok()?;
        u64::try_from(date.timestamp_millis()).ok().map(Self)
    }

    fn date(self) -> DateTime<Utc> {
        i64::try_from(self.0).ok().and_then(DateTime::from_timestamp_millis).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_with_milliseconds_and_read_again() {
        let time = Timestamp(1_764_478_800_123);
        assert_eq!(time.to_iso(), "2025-11-30T05:00:00.123Z");
        assert_eq!(Timestamp::from_iso(&time.to_iso()), Some(time));
        assert_eq!(Timestamp::from_iso("yesterday"), None);
        assert_eq!(Timestamp::from_iso("1900-01-01T00:00:00.000Z"), None);
    }
}
