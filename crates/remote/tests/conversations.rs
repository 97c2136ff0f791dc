//! Calls over a connection nest in both directions, and come from many threads.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use linkjit_executor::{ExecAddr, Executor, ExecutorError, ImageId};
use linkjit_remote::{Outcome, Remote};
use support::{ADD, FIND, Fake, PANIC, RESOLVE, call, connected, in_time};

/// Has the session call `RESOLVE` with one less while it resolves a number, down to zero.
fn resolve_by_calling(remote: &Arc<Remote>) {
    let weak = Arc::downgrade(remote);
    let resolve = move |number: u32| {
        let remote = weak.upgrade().unwrap();
        let below = if number == 0 { Ok(0) } else { call(&remote, RESOLVE, &[u64::from(number) - 1]) };
        ExecAddr(below.unwrap() + 1)
    };
    remote.open_reentry(Arc::new(resolve)).unwrap();
}

#[test]
fn calls_nest_in_both_directions() {
    in_time(|| {
        let (remote, serving) = connected(Arc::new(Fake::default()));
        let remote = Arc::new(remote);
        resolve_by_calling(&remote);
        assert_eq!(call(&remote, RESOLVE, &[50]).unwrap(), 102);
        // The same conversation goes on.
        assert_eq!(call(&remote, ADD, &[1, 2, 3]).unwrap(), 6);
        drop(remote);
        assert_eq!(serving.join().unwrap().unwrap(), Outcome::Over);
    });
}

#[test]
fn answers_may_ask_for_something_else() {
    in_time(|| {
        let (remote, _serving) = connected(Arc::new(Fake::default()));
        let remote = Arc::new(remote);
        resolve_by_calling(&remote);
        let weak = Arc::downgrade(&remote);
        let find = move |key: linkjit_executor::SymbolKey<'_>| {
            let linkjit_executor::SymbolKey::Ordinal(number) = key else { return None };
            let remote = weak.upgrade().unwrap();
            Some(ExecAddr(call(&remote, RESOLVE, &[u64::from(number)]).unwrap()))
        };
        remote.set_exports(ImageId(1), Arc::new(find)).unwrap();
        assert_eq!(call(&remote, FIND, &[10]).unwrap(), 22);
    });
}

#[test]
fn many_threads_share_a_connection() {
    in_time(|| {
        let (remote, serving) = connected(Arc::new(Fake::default()));
        let remote = Arc::new(remote);
        resolve_by_calling(&remote);
        let sum = AtomicU64::new(0);
        thread::scope(|scope| {
            for thread in 0..64 {
                let (remote, sum) = (&remote, &sum);
                scope.spawn(move || {
                    for round in 0..50 {
                        assert_eq!(call(remote, ADD, &[thread, round]).unwrap(), thread + round);
                        let depth = (thread + round) % 8;
                        assert_eq!(call(remote, RESOLVE, &[depth]).unwrap(), 2 * depth + 2);
                        sum.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(sum.into_inner(), 64 * 50);
        drop(remote);
        assert_eq!(serving.join().unwrap().unwrap(), Outcome::Over);
    });
}

#[test]
fn a_panic_of_linked_code_is_an_error_of_the_call() {
    in_time(|| {
        let (remote, _serving) = connected(Arc::new(Fake::default()));
        let error = call(&remote, PANIC, &[]).unwrap_err();
        assert!(matches!(&error, ExecutorError::Invalid { what } if what.contains("panicked")), "{error}");
        assert_eq!(call(&remote, ADD, &[1, 2]).unwrap(), 3);
    });
}
