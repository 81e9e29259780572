//! The time as shown in stamps.

use std::fmt;
use std::time::SystemTime;

use chrono::{DateTime, Local, TimeZone};

/// `time` in local time, in the format of C's `ctime`, without the newline: `Sun Nov  1 16:58:06 2026`.
pub(crate) fn ctime(time: SystemTime) -> impl fmt::Display {
    format(&DateTime::<Local>::from(time))
}

fn format<Z>(time: &DateTime<Z>) -> impl fmt::Display + use<Z>
where
    Z: TimeZone,
    Z::Offset: fmt::Display,
{
    time.format("%a %b %e %H:%M:%S %Y")
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::time::Duration;

    use chrono::FixedOffset;

    #[test]
    fn the_day_of_the_month_is_padded_with_a_space() {
        let east = FixedOffset::east_opt(3600).unwrap();
        let at = |day| east.with_ymd_and_hms(2026, 11, day, 16, 58, 6).unwrap();
        assert_eq!(format(&at(1)).to_string(), "Sun Nov  1 16:58:06 2026");
        assert_eq!(format(&at(30)).to_string(), "Mon Nov 30 16:58:06 2026");
    }

    #[test]
    fn every_stamp_of_these_centuries_is_24_bytes_long() {
        for days in (0..365 * 200).step_by(17) {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400 + days);
            assert_eq!(ctime(time).to_string().len(), 24);
        }
    }
}
