//! Locking that does not mind a panic elsewhere.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is behind the harness's locks is whole at every moment, whoever panicked.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
