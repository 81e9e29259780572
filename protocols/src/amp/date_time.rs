//! Points in time, with an offset from UTC, as Twisted writes them.

use bytes::Bytes;
use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, Timelike};

use crate::amp::value::{FromAmp, ToAmp};

impl ToAmp for DateTime<FixedOffset> {
    /// In microseconds, with the offset in minutes; anything finer is cut off. Twisted reads the years 1 to 9999.
    fn to_value(&self) -> Bytes {
        let minutes = self.offset().local_minus_utc().div_euclid(60);
        // Like Twisted: UTC is minus zero.
        let sign = if minutes > 0 { '+' } else { '-' };
        // A leap second has more than a million microseconds.
        let micros = (self.nanosecond() / 1000).min(999_999);
        let text = format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{micros:06}{sign}{:02}:{:02}",
            self.year(),
            self.month(),
            self.day(),
            self.hour(),
            self.minute(),
            self.second(),
            minutes.abs() / 60,
            minutes.abs() % 60,
        );
        text.into()
    }
}

impl FromAmp for DateTime<FixedOffset> {
    const KIND: &'static str = "a date and time";

    fn from_value(value: &Bytes) -> Option<Self> {
        let punctuation = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (29, b':')];
        if value.len() != 32 || punctuation.iter().any(|&(place, byte)| value[place] != byte) {
            return None;
        }
        let number = |begin: usize, end: usize| {
            value[begin..end]
                .iter()
                .try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0')))
        };
        let sign = match value[26] {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let year = number(0, 4).filter(|year| *year > 0)?;
        let minutes = number(27, 29)? * 60 + number(30, 32).filter(|minutes| *minutes < 60)?;
        let offset = FixedOffset::east_opt(sign * i32::try_from(minutes).ok()? * 60)?;
        NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, number(5, 7)?, number(8, 10)?)?
            .and_hms_micro_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 26)?)?
            .and_local_timezone(offset)
            .single()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<DateTime<FixedOffset>> {
        DateTime::from_value(&Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn times_are_written_as_twisted_does() {
        for (rfc_3339, text) in [
            ("2026-11-25T08:51:00.000123+01:00", "2026-11-25T08:51:00.000123+01:00"),
            ("2026-11-25T08:51:00Z", "2026-11-25T08:51:00.000000-00:00"),
            ("0001-01-01T00:00:00.9-05:30", "0001-01-01T00:00:00.900000-05:30"),
        ] {
            let time = DateTime::parse_from_rfc3339(rfc_3339).unwrap();
            assert_eq!(time.to_value(), text);
            assert_eq!(parse(text), Some(time));
        }
    }

    #[test]
    fn what_the_form_does_not_hold_is_cut_off() {
        let time = DateTime::parse_from_rfc3339("2016-12-31T23:59:60.5+00:00").unwrap();
        assert_eq!(time.to_value(), "2016-12-31T23:59:59.999999-00:00");
        let offset = FixedOffset::west_opt(90).unwrap();
        let time = DateTime::parse_from_rfc3339("2026-01-01T00:00:00Z").unwrap().with_timezone(&offset);
        assert_eq!(time.to_value(), "2025-12-31T23:58:30.000000-00:02");
    }

    #[test]
    fn anything_else_is_no_time() {
        let good = "2026-11-25T08:51:00.000123+01:00";
        assert!(parse(good).is_some());
        for bad in [
            "",
            "2026-11-25T08:51:00+01:00",
            "2026-11-25 08:51:00.000123+01:00",
            "2026-11-25T08:51:00.000123 01:00",
            "2026-13-25T08:51:00.000123+01:00",
            "2026-02-29T08:51:00.000123+01:00",
            "0000-11-25T08:51:00.000123+01:00",
            "+026-11-25T08:51:00.000123+01:00",
            "2026-11-25T24:51:00.000123+01:00",
            "2026-11-25T08:51:60.000123+01:00",
            "2026-11-25T08:51:00.000123+01:60",
            "2026-11-25T08:51:00.000123+24:00",
            "2026-11-25T08:51:00.00012３+1:00",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
