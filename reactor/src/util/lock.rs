//! Locking without poison.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks what no panic can have left half changed: nothing that can panic, and no code of a user's, runs while it is locked.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
