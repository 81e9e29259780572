//! How many connections the process may have.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use rustix::fs::{Dir, Mode, OFlags, open};
use rustix::process::{Resource, getrlimit};

use crate::util::lock::lock;

/// The limit and the number of connections of one reactor, or of several that run as one.
pub(crate) struct ConnectionBudget {
    limit: AtomicUsize,
    connections: AtomicUsize,
    sources: Mutex<Sources>,
}

/// The number of connections of each peer, by [`Address::source`](crate::address::Address::source). None is zero.
#[derive(Default)]
pub(crate) struct Sources(HashMap<IpAddr, usize>);

impl Sources {
    pub(crate) fn of(&self, source: IpAddr) -> usize {
        self.0.get(&source).copied().unwrap_or_default()
    }

    pub(crate) fn add(&mut self, source: IpAddr) {
        *self.0.entry(source).or_default() += 1;
    }

    pub(crate) fn remove(&mut self, source: IpAddr) {
        if let Some(count) = self.0.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&source);
            }
        }
    }
}

impl ConnectionBudget {
    /// The descriptors that the process may have open and has not, less a reserve for what else the program opens.
    pub(crate) fn of_process() -> Self {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let taken = open_files().unwrap_or_default();
        let reserve = (limit / RESERVED_PART).max(RESERVED_AT_LEAST);
        Self::new(limit.saturating_sub(taken).saturating_sub(reserve))
    }

    /// For connections that need no descriptors.
    pub(crate) fn unlimited() -> Self {
        Self::new(usize::MAX)
    }

    fn new(limit: usize) -> Self {
        Self { limit: AtomicUsize::new(limit), connections: AtomicUsize::new(0), sources: Mutex::default() }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    pub(crate) fn set_limit(&self, connections: usize) {
        self.limit.store(connections, Ordering::Relaxed);
    }

    /// Whether the budget is used up.
    pub(crate) fn is_spent(&self) -> bool {
        self.connections.load(Ordering::Relaxed) >= self.limit()
    }

    /// Whether a peer has used up its share: half, so that no one address keeps the others out.
    pub(crate) fn is_spent_by(&self, source: IpAddr) -> bool {
        self.sources().of(source) >= share_of(self.limit())
    }

    /// Counts a connection, also for its peer if that has an address.
    pub(crate) fn take(&self, source: Option<IpAddr>) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        if let Some(source) = source {
            self.sources().add(source);
        }
    }

    pub(crate) fn give_back(&self, source: Option<IpAddr>) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
        if let Some(source) = source {
            self.sources().remove(source);
        }
    }

    /// Nothing that can panic runs while this is locked.
    fn sources(&self) -> MutexGuard<'_, Sources> {
        lock(&self.sources)
    }
}

/// The default share of one peer in a limit of connections: half of it.
pub(crate) fn share_of(limit: usize) -> usize {
    limit.div_ceil(2)
}

/// The number of open descriptors, including the one used for counting. Not by the standard library, which panics if a
/// directory cannot be closed.
fn open_files() -> io::Result<usize> {
    let folder = open("/proc/self/fd", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let names = Dir::new(folder)?.filter_map(Result::ok);
    Ok(names.filter(|name| !name.file_name().to_bytes().starts_with(b".")).count())
}

/// Of 1,000 descriptors 16 are reserved, of 20,000 about 300.
const RESERVED_PART: usize = 64;

/// Ports, the poller, the signal descriptors and perhaps a file or two are opened later.
const RESERVED_AT_LEAST: usize = 16;
