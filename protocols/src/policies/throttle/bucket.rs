use std::cell::Cell;
use std::fmt;
use std::iter::successors;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A token bucket: an allowance of bytes that refills at a steady rate, for one connection or for many. Twisted's
/// `htb.Bucket`. See [`Throttle`](crate::policies::Throttle).
///
/// It is a handle and cheap to clone: clones are the same bucket, for connections of one reactor. Buckets form a
/// hierarchy: a byte that passes a bucket also passes all those above it.
///
/// ```
/// use protocols::policies::Bucket;
///
/// let everybody = Bucket::new(1_000_000, 64_000);
/// let one_peer = everybody.child(10_000, 4_000);
/// ```
#[derive(Clone)]
pub struct Bucket(Rc<Level>);

struct Level {
    parent: Option<Bucket>,
    bytes_per_second: f64,
    /// The time it takes to refill from empty.
    depth: Duration,
    portion: usize,
    /// When it will be full. If that is more than `depth` away, the bucket is overdrawn. `None` if unused.
    full_at: Cell<Option<Instant>>,
}

impl Bucket {
    /// A full bucket that refills at `bytes_per_second` up to `burst` bytes, the most that may pass at once after a
    /// pause.
    ///
    /// # Panics
    ///
    /// If either is zero: nothing could ever pass.
    #[track_caller]
    pub fn new(bytes_per_second: u32, burst: u32) -> Self {
        Self::within(None, bytes_per_second, burst)
    }

    /// A bucket whose bytes are also taken from this one and from all those above it.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    #[track_caller]
    pub fn child(&self, bytes_per_second: u32, burst: u32) -> Self {
        Self::within(Some(self.clone()), bytes_per_second, burst)
    }

    #[track_caller]
    fn within(parent: Option<Self>, bytes_per_second: u32, burst: u32) -> Self {
        assert!(
            bytes_per_second > 0 && burst > 0,
            "nothing can pass a bucket of rate {bytes_per_second}, burst {burst}"
        );
        let portion = (bytes_per_second / PORTIONS_PER_SECOND).clamp(1, burst) as usize;
        let bytes_per_second = f64::from(bytes_per_second);
        Self(Rc::new(Level {
            portion: parent.as_ref().map_or(portion, |parent| portion.min(parent.portion())),
            parent,
            bytes_per_second,
            depth: Duration::from_secs_f64(f64::from(burst) / bytes_per_second),
            full_at: Cell::new(None),
        }))
    }

    /// The number of bytes that may pass now.
    pub(crate) fn room(&self, now: Instant) -> usize {
        self.levels().map(|level| level.room(now)).min().unwrap_or_default()
    }

    /// Takes bytes, available or not, and returns the time until they are available. First come, first served.
    pub(crate) fn take(&self, now: Instant, bytes: usize) -> Duration {
        self.levels().map(|level| level.take(now, bytes)).max().unwrap_or_default()
    }

    /// How many bytes a waiting connection should take at a time: few, so that connections that share the bucket take turns,
    /// and none reserves what it cannot use yet.
    pub(crate) fn portion(&self) -> usize {
        self.0.portion
    }

    /// This bucket and those above it.
    fn levels(&self) -> impl Iterator<Item = &Level> {
        successors(Some(&*self.0), |level| level.parent.as_ref().map(|parent| &*parent.0))
    }
}

/// A compromise between the size of packets and the time that others wait.
const PORTIONS_PER_SECOND: u32 = 20;

impl Level {
    fn full_at(&self, now: Instant) -> Instant {
        self.full_at.get().map_or(now, |full_at| full_at.max(now))
    }

    fn room(&self, now: Instant) -> usize {
        let filled = self.depth.saturating_sub(self.full_at(now) - now);
        (filled.as_secs_f64() * self.bytes_per_second).round() as usize
    }

    fn take(&self, now: Instant, bytes: usize) -> Duration {
        let full_at = self.full_at(now) + Duration::from_secs_f64(bytes as f64 / self.bytes_per_second);
        self.full_at.set(Some(full_at));
        (full_at - now).saturating_sub(self.depth)
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket")
            .field("bytes_per_second", &self.0.bytes_per_second)
            .field("burst", &(self.0.depth.as_secs_f64() * self.0.bytes_per_second))
            .field("parent", &self.0.parent)
            .finish()
    }
}
