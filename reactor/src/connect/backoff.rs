use std::time::Duration;

use crate::reactor::Reactor;

/// How long to wait before something is tried again: the more failures in a row, the longer.
/// [`Connector::retry`](crate::Connector::retry) uses it, and so can any other code that tries again. Twisted's
/// `backoffPolicy`, and the delays of its `ReconnectingClientFactory`.
///
/// Each delay is drawn at random between zero and a bound (full jitter), so that clients that lost a server together do
/// not come back together. The bound begins at the [initial delay](Self::initial_delay) and grows by the
/// [factor](Self::factor) from one retry to the next; no delay exceeds the [maximum](Self::max_delay). The defaults are
/// those of Twisted's `ClientService`, except for its jitter, which is added, even to the maximum.
///
/// It is a value with a position: [`next_delay`](Self::next_delay) advances it, [`reset`](Self::reset) returns it to
/// the beginning, and a clone advances independently.
///
/// ```
/// use reactor::connect::Backoff;
/// use reactor::testing::Simulation;
///
/// let sim = Simulation::new(0);
/// let reactor = sim.host("client");
///
/// let mut backoff = Backoff::new().jitter(false).max_retries(Some(4));
/// let delays: Vec<_> = std::iter::from_fn(|| backoff.next_delay(&reactor)).collect();
/// assert_eq!(delays.iter().map(|delay| delay.as_millis()).collect::<Vec<_>>(), [1000, 1500, 2250, 3375]);
///
/// let mut backoff = Backoff::new();
/// let delays: Vec<_> = std::iter::from_fn(|| backoff.next_delay(&reactor)).take(1000).collect();
/// assert!(delays.iter().all(|delay| delay.as_secs() < 60));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Backoff {
    initial_delay: Duration,
    factor: f64,
    max_delay: Duration,
    max_retries: Option<u32>,
    jitter: bool,
    /// The number of delays given in a row, and the bound of the last one.
    retries: u32,
    bound: Duration,
}

impl Backoff {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            initial_delay: Duration::from_secs(1),
            factor: 1.5,
            max_delay: Duration::from_secs(60),
            max_retries: None,
            jitter: true,
            retries: 0,
            bound: Duration::ZERO,
        }
    }

    /// The bound of the first delay (1 s). If it is zero, all delays are zero, and what fails at once is tried again in
    /// every turn of the reactor.
    pub fn initial_delay(mut self, delay: Duration) -> Self {
        self.initial_delay = delay;
        self
    }

    /// The factor by which the bound grows from one retry to the next (1.5; Twisted's `ReconnectingClientFactory` has
    /// *e*). With 1 it stays the same.
    ///
    /// # Panics
    ///
    /// If it is less than 1 or not a number.
    #[track_caller]
    pub fn factor(mut self, factor: f64) -> Self {
        assert!(factor >= 1.0, "the factor of a back-off is {factor}: it must be at least 1");
        self.factor = factor;
        self
    }

    /// The maximum of every delay (60 s), including the initial one.
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    /// The maximum number of retries in a row without success (unlimited).
    pub fn max_retries(mut self, retries: Option<u32>) -> Self {
        self.max_retries = retries;
        self
    }

    /// Whether delays are random (on). If not, each delay equals its bound, and clients that failed together try again
    /// together.
    pub fn jitter(mut self, on: bool) -> Self {
        self.jitter = on;
        self
    }

    /// The delay before the next retry, drawn from [`Reactor::random`]; `None` after [`max_retries`](Self::max_retries)
    /// retries in a row.
    pub fn next_delay(&mut self, reactor: &Reactor) -> Option<Duration> {
        if self.max_retries.is_some_and(|most| self.retries >= most) {
            return None;
        }
        let grown = if self.retries == 0 { self.initial_delay } else { scaled(self.bound, self.factor) };
        self.bound = grown.min(self.max_delay);
        self.retries = self.retries.saturating_add(1);
        Some(if self.jitter { drawn_up_to(self.bound, reactor.random()) } else { self.bound })
    }

    /// Starts from the beginning, as after a success.
    pub fn reset(&mut self) {
        self.retries = 0;
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

fn drawn_up_to(bound: Duration, random: u64) -> Duration {
    // Doubles cannot represent a bound of centuries to the nanosecond.
    scaled(bound, random as f64 / u64::MAX as f64).min(bound)
}

fn scaled(delay: Duration, by: f64) -> Duration {
    Duration::try_from_secs_f64(delay.as_secs_f64() * by).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Simulation;

    fn delays(mut backoff: Backoff, count: usize) -> Vec<Duration> {
        let reactor = Simulation::new(0).host("here");
        std::iter::from_fn(|| backoff.next_delay(&reactor)).take(count).collect()
    }

    #[test]
    fn a_draw_is_anything_from_nothing_to_its_bound() {
        for bound in [Duration::ZERO, Duration::from_nanos(1), Duration::from_secs(60), Duration::MAX] {
            assert_eq!(drawn_up_to(bound, 0), Duration::ZERO);
            assert_eq!(drawn_up_to(bound, u64::MAX), bound);
        }
        assert_eq!(drawn_up_to(Duration::from_secs(60), u64::MAX / 4), Duration::from_secs(15));
    }

    #[test]
    fn the_maximum_holds_for_the_first_delay_too() {
        let backoff = Backoff::new().jitter(false).initial_delay(Duration::from_secs(90));
        assert_eq!(delays(backoff, 3), [Duration::from_secs(60); 3]);
    }

    #[test]
    fn growth_ends_at_the_longest_time_there_is() {
        let backoff = Backoff::new().jitter(false).max_delay(Duration::MAX).factor(1e6);
        assert_eq!(delays(backoff.clone(), 2)[1], Duration::from_secs(1_000_000));
        assert_eq!(delays(backoff, 100)[99], Duration::MAX);
        let backoff = Backoff::new().jitter(false).factor(f64::INFINITY);
        assert_eq!(delays(backoff, 2), [Duration::from_secs(1), Duration::from_secs(60)]);
    }

    #[test]
    fn with_a_factor_of_one_delays_stay_and_without_an_initial_one_there_are_none() {
        let backoff = Backoff::new().jitter(false).factor(1.0);
        assert_eq!(delays(backoff, 100), [Duration::from_secs(1); 100]);
        let backoff = Backoff::new().initial_delay(Duration::ZERO).max_retries(Some(7));
        assert_eq!(delays(backoff, 100), [Duration::ZERO; 7]);
    }

    #[test]
    fn no_retries_are_no_delays() {
        assert!(delays(Backoff::new().max_retries(Some(0)), 1).is_empty());
    }

    #[test]
    #[should_panic(expected = "the factor of a back-off is 0.99: it must be at least 1")]
    fn a_factor_that_does_not_make_delays_grow_is_refused() {
        let _ = Backoff::new().factor(0.99);
    }

    #[test]
    #[should_panic(expected = "the factor of a back-off is NaN: it must be at least 1")]
    fn a_factor_that_is_no_number_is_refused() {
        let _ = Backoff::new().factor(f64::NAN);
    }
}
