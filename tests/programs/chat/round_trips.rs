//! How long a line takes from one client to another and back.

use std::io;
use std::time::Duration;

use crate::crowd::Crowd;

/// The times of round trips in microseconds, from the shortest on.
pub(crate) struct RoundTrips(Vec<f64>);

impl RoundTrips {
    /// Round trips, one after another, between the two of each pair of neighbours. It ends early when a server has little time
    /// for others.
    pub(crate) fn measure(crowd: &mut Crowd, pairs: impl Iterator<Item = usize>) -> io::Result<Self> {
        let mut times = Vec::new();
        let end = rig::now() + LONGEST;
        for pair in pairs {
            let (one, other) = (2 * pair, 2 * pair + 1);
            let begun = rig::now();
            if begun > end {
                break;
            }
            for (from, to) in [(one, other), (other, one)] {
                let line = format!("PRIVMSG {} :from {from}.\r\n", crowd.nick(to));
                crowd.expect(to, &format!(":from {from}."));
                crowd.send(from, &line)?;
                crowd.wait()?;
            }
            times.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        times.sort_by(f64::total_cmp);
        Ok(Self(times))
    }

    /// The time that this share of them did not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Option<f64> {
        self.0.get(self.0.len() * percent / 100).copied()
    }
}

const LONGEST: Duration = Duration::from_secs(8);
