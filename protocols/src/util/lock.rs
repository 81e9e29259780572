use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks what no panic can have left half changed: while it is locked, no code of a user's or a driver's runs.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
