//! Numbers for people, in few columns.

/// A number in up to five columns: `999`, `1.25k`, `12.5M`.
pub(crate) fn amount(number: u64) -> String {
    if number < 1000 {
        return number.to_string();
    }
    let mut scaled = number as f64 / 1000.0;
    let mut units = "kMGTPE".chars();
    let mut unit = units.next().unwrap_or_default();
    // What would be shown as 1000 has the next unit.
    while scaled >= 999.5 {
        scaled /= 1000.0;
        unit = units.next().unwrap_or_default();
    }
    let decimals = if scaled < 9.995 { 2 } else { usize::from(scaled < 99.95) };
    format!("{scaled:.decimals$}{unit}")
}

/// A duration in up to six columns: `850ms`, `12s`, `3m20s`, `5h03m`, `2d04h`.
pub(crate) fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms}ms"),
        1..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_three_digits_and_a_unit() {
        let shown =
            [0, 999, 1_000, 1_249, 9_994, 9_996, 12_345, 99_960, 999_499, 999_500, 1_000_000, u64::MAX].map(amount);
        let expected =
            ["0", "999", "1.00k", "1.25k", "9.99k", "10.0k", "12.3k", "100k", "999k", "1.00M", "1.00M", "18.4E"];
        assert_eq!(shown, expected);
    }

    #[test]
    fn durations_have_two_units_at_most() {
        let shown = [0, 850, 12_999, 200_000, 18_180_000, 187_200_000].map(duration);
        assert_eq!(shown, ["0ms", "850ms", "12s", "3m20s", "5h03m", "2d04h"]);
    }
}
