//! The time as shown in stamps.

use std::fmt;
use std::time::SystemTime;

use chrono::{DateTime, Local, SecondsFormat, TimeZone, Utc};

use crate::arguments::Arguments;

/// How stamps are written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stamps {
    /// In UTC, not in local time.
    pub(crate) utc: bool,
    /// As RFC 3339 has it, not C's `ctime`.
    pub(crate) iso: bool,
}

impl Stamps {
    pub(crate) fn asked_for(arguments: &Arguments) -> Self {
        Self { utc: arguments.utc, iso: arguments.iso }
    }

    /// What stands before an answer: `[Sun Nov  1 16:58:06 2026] `.
    pub(crate) fn stamp(self, time: SystemTime) -> impl fmt::Display {
        fmt::from_fn(move |f| match self.utc {
            true => self.write(f, &DateTime::<Utc>::from(time)),
            false => self.write(f, &DateTime::<Local>::from(time)),
        })
    }

    fn write<Z>(self, f: &mut fmt::Formatter<'_>, time: &DateTime<Z>) -> fmt::Result
    where
        Z: TimeZone,
        Z::Offset: fmt::Display,
    {
        if self.iso {
            write!(f, "[{}] ", time.to_rfc3339_opts(SecondsFormat::Millis, self.utc))
        } else {
            write!(f, "[{}] ", time.format("%a %b %e %H:%M:%S %Y"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::time::Duration;

    use chrono::FixedOffset;

    fn written<Z>(stamps: Stamps, time: &DateTime<Z>) -> String
    where
        Z: TimeZone,
        Z::Offset: fmt::Display,
    {
        fmt::from_fn(|f| stamps.write(f, time)).to_string()
    }

    #[test]
    fn the_day_of_the_month_is_padded_with_a_space() {
        let east = FixedOffset::east_opt(3600).unwrap();
        let at = |day| east.with_ymd_and_hms(2026, 11, day, 16, 58, 6).unwrap();
        assert_eq!(written(Stamps::default(), &at(1)), "[Sun Nov  1 16:58:06 2026] ");
        assert_eq!(written(Stamps::default(), &at(30)), "[Mon Nov 30 16:58:06 2026] ");
    }

    #[test]
    fn an_rfc_3339_stamp_has_milliseconds_and_its_offset() {
        let east = FixedOffset::east_opt(5 * 3600 + 1800).unwrap();
        let time = east.with_ymd_and_hms(2026, 11, 1, 16, 58, 6).unwrap() + Duration::from_millis(7);
        let stamps = Stamps { utc: false, iso: true };
        assert_eq!(written(stamps, &time), "[2026-11-01T16:58:06.007+05:30] ");
        let stamps = Stamps { utc: true, iso: true };
        assert_eq!(stamps.stamp(time.into()).to_string(), "[2026-11-01T11:28:06.007Z] ");
    }

    #[test]
    fn in_utc_it_does_not_matter_where_the_server_is() {
        let stamps = Stamps { utc: true, iso: false };
        assert_eq!(stamps.stamp(SystemTime::UNIX_EPOCH).to_string(), "[Thu Jan  1 00:00:00 1970] ");
    }

    #[test]
    fn stamps_of_these_centuries_are_of_one_length() {
        for (utc, iso, length) in [(false, false, 24), (true, false, 24), (true, true, 24), (false, true, 29)] {
            for days in (0..365 * 200).step_by(17) {
                let time = SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400 + days);
                assert_eq!(Stamps { utc, iso }.stamp(time).to_string().len(), length + 3);
            }
        }
    }
}
