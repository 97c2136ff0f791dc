//! Destructors of thread-local objects of linked code.
//!
//! The destructors of all threads are in one table, so that when code is removed, those that it registered go
//! everywhere: the thread that removes the code runs its own, and those of other threads are forgotten.

use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::sync::Mutex;

use super::modules::{self, ModuleId};
use super::thread::{with_existing, with_thread};
use super::{Storage, thread_pointer};
use crate::init::{self, AtExitFunction, Registered};
use crate::{ImageId, lock, os};

/// By thread; called last first.
static DESTRUCTORS: Mutex<BTreeMap<usize, Vec<Destructor>>> = Mutex::new(BTreeMap::new());

/// Takes the lock for a fork.
pub(super) fn hold(held: &mut crate::fork::Held) -> bool {
    held.hold_static(&DESTRUCTORS)
}

#[derive(Debug)]
struct Destructor {
    image: ImageId,
    registered: Registered,
    /// The object is here: the block, if it is in one of those that each thread has where it likes.
    module: Option<ModuleId>,
    /// Its offset from the thread pointer.
    thread_offset: i64,
}

impl Destructor {
    fn is_in(&self, storage: &Storage) -> bool {
        match storage {
            Storage::Fixed(fixed) => fixed.has(self.thread_offset),
            Storage::Dynamic(module) => self.module == Some(*module),
        }
    }
}

/// The destructors that go: those of objects in some blocks, and others.
pub(super) struct Wanted<'a> {
    pub(super) image: ImageId,
    pub(super) blocks: &'a [Storage],
    pub(super) others: &'a dyn Fn(&Registered) -> bool,
}

impl Wanted<'_> {
    fn matches(&self, destructor: &Destructor) -> bool {
        destructor.image == self.image
            && (self.blocks.iter().any(|block| destructor.is_in(block)) || (self.others)(&destructor.registered))
    }
}

/// `__cxa_thread_atexit` for linked code.
pub(crate) extern "C" fn cxa_thread_atexit(
    function: AtExitFunction,
    argument: *mut c_void,
    handle: *mut c_void,
) -> c_int {
    let Some(image) = init::image_with_handle(handle) else {
        return os::cxa_thread_atexit(function, argument, handle);
    };
    let thread = with_thread(|thread| (thread.number(), std::mem::replace(&mut thread.hooked, true)));
    let Some((thread, hooked)) = thread else { return -1 };
    let module = modules::module_at(thread, argument as usize);
    let thread_offset = (argument as u64).wrapping_sub(thread_pointer()).cast_signed();
    let destructor = Destructor { image, registered: Registered { function, argument }, module, thread_offset };
    lock(&DESTRUCTORS).entry(thread).or_default().push(destructor);
    if hooked {
        return 0;
    }
    // Our own address as handle: the library that we are in stays loaded as long as it may be called.
    os::cxa_thread_atexit(run_destructors, null_mut(), run_destructors as *mut c_void)
}

/// Runs the destructors of a thread that exits, also those registered meanwhile, last first.
extern "C-unwind" fn run_destructors(_: *mut c_void) {
    let next = || {
        with_existing(|thread| {
            let next = lock(&DESTRUCTORS).get_mut(&thread.number()).and_then(Vec::pop);
            thread.hooked = next.is_some();
            next
        })
    };
    while let Some(Some(destructor)) = next() {
        destructor.registered.call();
    }
}

/// Takes the last destructor that the calling thread has of those that are wanted.
pub(super) fn take(wanted: &Wanted<'_>) -> Option<Registered> {
    let thread = with_existing(|thread| thread.number())?;
    let mut all = lock(&DESTRUCTORS);
    let own = all.get_mut(&thread)?;
    let last = own.iter().rposition(|destructor| wanted.matches(destructor))?;
    Some(own.remove(last).registered)
}

/// Forgets the wanted destructors of all threads.
pub(super) fn forget(wanted: &Wanted<'_>) {
    for destructors in lock(&DESTRUCTORS).values_mut() {
        destructors.retain(|destructor| !wanted.matches(destructor));
    }
}

/// Forgets a thread, which has run its destructors.
pub(super) fn forget_thread(thread: usize) {
    lock(&DESTRUCTORS).remove(&thread);
}
