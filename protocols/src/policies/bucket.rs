use std::cell::Cell;
use std::fmt;
use std::iter::successors;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A token bucket: an allowance of bytes that fills up at a steady rate, for one connection or for many. Twisted's
/// `htb.Bucket`. See [`Throttle`](crate::policies::Throttle).
///
/// It is a handle, and cheap to clone: clones are the same bucket, for connections of one reactor. Buckets form a
/// hierarchy: a byte that passes one passes everything above it, too.
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
    /// How long it takes to fill up from empty.
    depth: Duration,
    portion: usize,
    /// When it will be full. More than `depth` from now, and more was taken than was there. `None` if it is unused.
    full_at: Cell<Option<Instant>>,
}

impl Bucket {
    /// A full bucket that `bytes_per_second` flow into until there are `burst` bytes in it: so much may pass at once
    /// when nothing has for a while.
    ///
    /// # Panics
    ///
    /// If one of the two is zero: then nothing could ever pass.
    #[track_caller]
    pub fn new(bytes_per_second: u32, burst: u32) -> Self {
        Self::within(None, bytes_per_second, burst)
    }

    /// A bucket whose bytes are taken from this one, too, and from all those above it.
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
        assert!(bytes_per_second > 0 && burst > 0, "nothing passes a bucket of rate {bytes_per_second}, burst {burst}");
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

    /// How many bytes may pass now.
    pub(crate) fn room(&self, now: Instant) -> usize {
        self.levels().map(|level| level.room(now)).min().unwrap_or_default()
    }

    /// Takes bytes, be they there or not, and answers how long it is until they are. Who takes first is served first.
    pub(crate) fn take(&self, now: Instant, bytes: usize) -> Duration {
        self.levels().map(|level| level.take(now, bytes)).max().unwrap_or_default()
    }

    /// How many bytes one who waits should take at a time: few, so that many who share the bucket take turns, and none
    /// keeps from the others what it cannot use yet.
    pub(crate) fn portion(&self) -> usize {
        self.0.portion
    }

    /// This one and those above it.
    fn levels(&self) -> impl Iterator<Item = &Level> {
        successors(Some(&*self.0), |level| level.parent.as_ref().map(|parent| &*parent.0))
    }
}

/// A trade between bytes in a packet and the time that others wait.
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
