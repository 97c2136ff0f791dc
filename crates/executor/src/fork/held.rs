//! Locks that are held from before a fork until after it.

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

/// Locks that are held.
#[derive(Debug, Default)]
pub struct Held(Vec<Box<dyn Any>>);

/// A guard, with what its mutex is in. The guard is dropped first.
struct Owned<O: 'static, T: 'static> {
    _guard: MutexGuard<'static, T>,
    _owner: Arc<O>,
}

impl Held {
    /// Takes a lock that is a part of `owner`; false if another thread has it.
    pub fn hold<O: 'static, T: 'static>(&mut self, owner: &Arc<O>, mutex: for<'a> fn(&'a O) -> &'a Mutex<T>) -> bool {
        let owner = owner.clone();
        let Some(guard) = try_lock(mutex(&owner)) else { return false };
        // SAFETY: the mutex is a part of what the `Arc` owns, which neither moves nor goes as long as `Owned` has it;
        // or it exists for as long as the process, for `mutex` has it from nowhere else. The guard goes before the
        // owner.
        let guard: MutexGuard<'static, T> = unsafe { std::mem::transmute(guard) };
        self.0.push(Box::new(Owned { _guard: guard, _owner: owner }));
        true
    }

    /// Takes a lock that is there for as long as the process.
    pub fn hold_static<T: 'static>(&mut self, mutex: &'static Mutex<T>) -> bool {
        let guard = try_lock(mutex);
        let is_held = guard.is_some();
        self.0.extend(guard.map(|guard| Box::new(guard) as Box<dyn Any>));
        is_held
    }
}

fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
