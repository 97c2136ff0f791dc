//! Static variables of functions, initialized by the first thread that reaches them ("thread-safe local static
//! initialization", Microsoft Learn).
//!
//! Each variable has a word: 0 before, -1 while it is being initialized, then the epoch in which it was. Code compares
//! that with the last epoch that its thread knows of, and calls only if it is later.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use crate::{ExecAddr, lock, tls, unwind};

const NOT_YET: i32 = 0;
const BEING_INITIALIZED: i32 = -1;

/// The last epoch. All images share it: their words are under one lock.
static EPOCH: Mutex<i32> = Mutex::new(i32::MIN);
static CHANGED: Condvar = Condvar::new();

/// `_Init_thread_header`: leaves -1 in the word if the caller is to initialize the variable, and waits if another does.
///
/// # Safety
/// `word` must be the variable's.
pub(super) unsafe extern "C" fn header(word: *mut i32) {
    // SAFETY: the caller vouches for it; threads only access it so, or compare it with their epoch.
    let state = unsafe { AtomicI32::from_ptr(word) };
    let mut epoch = lock(&EPOCH);
    loop {
        match state.load(Ordering::Acquire) {
            NOT_YET => {
                state.store(BEING_INITIALIZED, Ordering::Relaxed);
                return;
            }
            BEING_INITIALIZED => epoch = CHANGED.wait(epoch).unwrap_or_else(PoisonError::into_inner),
            _ => {
                let epoch = *epoch;
                return know(word, epoch);
            }
        }
    }
}

/// `_Init_thread_footer`: the variable is initialized.
///
/// # Safety
/// `word` must be the variable's.
pub(super) unsafe extern "C" fn footer(word: *mut i32) {
    // SAFETY: the caller vouches for it.
    let state = unsafe { AtomicI32::from_ptr(word) };
    let epoch = {
        let mut epoch = lock(&EPOCH);
        *epoch += 1;
        state.store(*epoch, Ordering::Release);
        *epoch
    };
    CHANGED.notify_all();
    know(word, epoch);
}

/// `_Init_thread_abort`: the initialization was left by an exception, and another thread may try.
///
/// # Safety
/// `word` must be the variable's.
pub(super) unsafe extern "C" fn abort(word: *mut i32) {
    // SAFETY: the caller vouches for it.
    let word = unsafe { AtomicI32::from_ptr(word) };
    {
        let _epoch = lock(&EPOCH);
        word.store(NOT_YET, Ordering::Relaxed);
    }
    CHANGED.notify_all();
}

/// The calling thread knows what is initialized up to `epoch`, in the image whose variable it asked for.
fn know(word: *mut i32, epoch: i32) {
    if let Some(base) = unwind::window_at(word as u64) {
        tls::set_epoch(ExecAddr(base), epoch);
    }
}
