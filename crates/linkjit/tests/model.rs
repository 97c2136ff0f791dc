//! The epochs of retired code, in all interleavings of some threads (a model checker's atomics in place of the real ones).
#![cfg(not(windows))]

#[path = "../src/session/epoch.rs"]
#[allow(dead_code, clippy::modulo_one, reason = "the test uses what it checks, with one shard")]
mod epoch;

mod sync {
    pub(super) use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

    /// One suffices: the counts of others are independent.
    pub(super) const SHARDS: usize = 1;
}

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

use epoch::Epochs;

/// A function that can be swapped, two versions of its code, and guards.
struct Program {
    epochs: Epochs,
    current: AtomicUsize,
    freed: [AtomicBool; 3],
}

impl Program {
    fn new() -> Arc<Self> {
        let freed = || AtomicBool::new(false);
        Arc::new(Self { epochs: Epochs::default(), current: AtomicUsize::new(0), freed: [freed(), freed(), freed()] })
    }

    /// Calls the function as a thread of the program does.
    fn call(&self) {
        let entered = self.epochs.enter(0);
        let version = self.current.load(Ordering::Acquire);
        thread::yield_now();
        assert!(!self.freed[version].load(Ordering::SeqCst), "in code that was freed");
        self.epochs.leave(entered);
    }

    /// Swaps the function; returns what was retired.
    fn swap(&self, version: usize) -> (usize, u64) {
        let old = self.current.swap(version, Ordering::AcqRel);
        (old, self.epochs.retire())
    }

    fn reclaim(&self, (version, epoch): (usize, u64)) -> bool {
        let passed = self.epochs.has_passed(epoch);
        if passed {
            self.freed[version].store(true, Ordering::SeqCst);
        }
        passed
    }
}

fn model(preemptions: usize, run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(run);
}

#[test]
fn nobody_is_in_code_that_is_freed() {
    model(4, || {
        let program = Program::new();
        let caller = thread::spawn({
            let program = program.clone();
            move || {
                program.call();
                program.call();
            }
        });
        let first = program.swap(1);
        let freed = program.reclaim(first);
        let second = program.swap(2);
        if freed || program.reclaim(first) {
            program.reclaim(second);
        }
        caller.join().unwrap();
        assert!(program.reclaim(first) && program.reclaim(second), "nobody is inside");
    });
}

#[test]
fn two_callers_hold_back_what_they_may_be_in() {
    model(2, || {
        let program = Program::new();
        let callers = [(); 2].map(|()| {
            let program = program.clone();
            thread::spawn(move || program.call())
        });
        let first = program.swap(1);
        program.reclaim(first);
        for caller in callers {
            caller.join().unwrap();
        }
        assert!(program.reclaim(first), "nobody is inside");
    });
}
