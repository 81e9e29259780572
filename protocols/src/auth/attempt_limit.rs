use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::time::{Duration, Instant};

use reactor::{Address, Reactor};

use crate::auth::error::LoginError;

/// How often a login may fail, by the client's address (an IPv4 address, an IPv6 network of 64 bits) and by the account's
/// name. Each has an allowance of failures, which comes back with time; when it is used up, attempts fail with
/// [`TooManyAttempts`](LoginError::TooManyAttempts), and nothing is checked.
///
/// By default an address may fail 10 times at once, and then once in 10 s; a name 50 times at once, and then once in 2 s. So
/// one address cannot keep the owner of an account out; many can. Clients of UNIX sockets and other connections without an IP
/// address are limited by name alone. Up to 8,192 addresses and names are remembered; beyond that the half with the fewest
/// failures is forgotten.
///
/// ```
/// use std::time::Duration;
/// use protocols::auth::{AttemptLimit, Identity, Portal};
///
/// let portal = Portal::new(|who: &Identity| who.clone());
/// portal.set_attempt_limit(AttemptLimit::new().per_address(3, Duration::from_secs(60)));
/// ```
pub struct AttemptLimit {
    address: Option<Allowance>,
    name: Option<Allowance>,
    /// By the digest of what is counted: when its allowance is whole again.
    whole_at: HashMap<u64, Instant>,
    /// Random, so that nobody can choose a digest.
    seed: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Allowance {
    failures: u32,
    interval: Duration,
}

impl AttemptLimit {
    /// The limits above.
    pub fn new() -> Self {
        Self::none().per_address(10, Duration::from_secs(10)).per_name(50, Duration::from_secs(2))
    }

    /// No limits.
    pub fn none() -> Self {
        Self { address: None, name: None, whole_at: HashMap::new(), seed: None }
    }

    /// Allows an address this many failures at once, and then one in `interval`.
    ///
    /// # Panics
    ///
    /// If `failures` or `interval` is zero.
    #[must_use]
    #[track_caller]
    pub fn per_address(self, failures: u32, interval: Duration) -> Self {
        Self { address: Some(Allowance::new(failures, interval)), ..self }
    }

    /// Allows an account's name this many failures at once, and then one in `interval`.
    ///
    /// # Panics
    ///
    /// If `failures` or `interval` is zero.
    #[must_use]
    #[track_caller]
    pub fn per_name(self, failures: u32, interval: Duration) -> Self {
        Self { name: Some(Allowance::new(failures, interval)), ..self }
    }

    /// Counts an attempt as a failure until it is [forgiven](Self::forgive): many at once must not pass before the first
    /// has failed.
    pub(super) fn begin(
        &mut self,
        reactor: &Reactor,
        peer: &Address,
        name: Option<&str>,
    ) -> Result<Attempt, LoginError> {
        let seed = *self.seed.get_or_insert_with(|| reactor.random());
        let now = reactor.now();
        let by_address = self.address.filter(|_| peer.socket_addr().is_some());
        let counts = [
            by_address.map(|allowance| (digest((seed, "address", peer.network())), allowance)),
            self.name.zip(name).map(|(allowance, name)| (digest((seed, "name", name)), allowance)),
        ];
        for (key, Allowance { failures, interval }) in counts.into_iter().flatten() {
            let missing = self.whole_at(key, now) + interval - now;
            if let Some(retry_after) = missing.checked_sub(interval * failures).filter(|wait| !wait.is_zero()) {
                return Err(LoginError::TooManyAttempts { retry_after });
            }
        }
        for (key, Allowance { interval, .. }) in counts.into_iter().flatten() {
            let whole_at = self.whole_at(key, now) + interval;
            self.make_room(now);
            self.whole_at.insert(key, whole_at);
        }
        Ok(Attempt(counts))
    }

    /// The attempt was no failure, or not that of the client.
    pub(super) fn forgive(&mut self, attempt: &Attempt) {
        for (key, allowance) in attempt.0.into_iter().flatten() {
            if let Some(whole_at) = self.whole_at.get_mut(&key) {
                *whole_at -= allowance.interval;
            }
        }
    }

    fn whole_at(&self, key: u64, now: Instant) -> Instant {
        self.whole_at.get(&key).map_or(now, |at| now.max(*at))
    }

    /// Forgets those that are whole, or else the half that will be soonest.
    fn make_room(&mut self, now: Instant) {
        if self.whole_at.len() < REMEMBERED {
            return;
        }
        self.whole_at.retain(|_, at| *at > now);
        if self.whole_at.len() >= REMEMBERED {
            let mut ends: Vec<_> = self.whole_at.iter().map(|(key, at)| (*at, *key)).collect();
            let (_, middle, _) = ends.select_nth_unstable(REMEMBERED / 2);
            let middle = *middle;
            self.whole_at.retain(|key, at| (*at, *key) >= middle);
        }
    }
}

impl Default for AttemptLimit {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for AttemptLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptLimit")
            .field("address", &self.address)
            .field("name", &self.name)
            .field("remembered", &self.whole_at.len())
            .finish_non_exhaustive()
    }
}

impl Allowance {
    #[track_caller]
    fn new(failures: u32, interval: Duration) -> Self {
        assert!(
            failures > 0 && !interval.is_zero(),
            "{failures} failures, then one in {interval:?}, allow no login: both must be more than zero"
        );
        Self { failures, interval }
    }
}

/// What an attempt is counted by.
pub(super) struct Attempt([Option<(u64, Allowance)>; 2]);

fn digest(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// Some 300 KiB.
const REMEMBERED: usize = 8192;
