//! Who does which job and who waits for it, in all interleavings of some threads (a model checker's locks in place of the
//! real ones). A thread that waits for ever is an error here, too.
#![cfg(not(windows))]

#[path = "../src/session/progress.rs"]
#[allow(dead_code, reason = "the test uses what it checks")]
mod progress;

mod sync {
    pub(super) use std::sync::{Arc, PoisonError};

    pub(super) use loom::sync::{Condvar, Mutex, MutexGuard};
}

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use progress::Progress;

type Table = Arc<Progress<u32, &'static str>>;

fn table(jobs: &[u32]) -> Table {
    let table = Arc::new(Progress::new());
    jobs.iter().for_each(|&job| table.add(job));
    table
}

/// Runs a model, with as many preemptions per interleaving as suffice to find most mistakes.
fn model(check: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(check);
}

/// A lookup that needs `jobs`: does those that nobody has begun with, and waits for the others.
fn look_up(table: &Table, by: Option<u32>, jobs: &[u32], done: &AtomicUsize) -> Result<(), &'static str> {
    let wait = table.wait_for(by, jobs).map_err(|_| "circle")?;
    for &job in jobs {
        if table.start(job) {
            done.fetch_add(1, Ordering::Relaxed);
            table.end(job, &Ok(()));
        }
    }
    wait.block()
}

#[test]
fn a_job_is_done_once_and_all_who_need_it_go_on() {
    model(|| {
        let (table, done) = (table(&[1, 2]), Arc::new(AtomicUsize::new(0)));
        let other = thread::spawn({
            let (table, done) = (table.clone(), done.clone());
            move || look_up(&table, None, &[2, 1], &done).unwrap()
        });
        look_up(&table, None, &[1, 2], &done).unwrap();
        other.join().unwrap();
        assert_eq!(done.load(Ordering::Relaxed), 2);
        // Whoever comes later has nothing to wait for.
        table.wait_for(None, &[1, 2]).ok().unwrap().block().unwrap();
    });
}

#[test]
fn two_jobs_that_wait_for_each_other_end() {
    model(|| {
        let table = table(&[1, 2]);
        let job = |table: &Table, job: u32, needs: u32| {
            assert!(table.start(job));
            let waited = match table.wait_for(Some(job), &[needs]) {
                Ok(wait) => wait.block(),
                Err(circle) => {
                    assert_eq!(circle, [job, needs]);
                    Err("circle")
                }
            };
            table.end(job, &waited);
            waited
        };
        let other = thread::spawn({
            let table = table.clone();
            move || job(&table, 2, 1)
        });
        let one = job(&table, 1, 2);
        let other = other.join().unwrap();
        // One is told; the other may have been done before it asked, or fails because of the first.
        assert!(one.is_err() || other.is_err());
    });
}

#[test]
fn a_longer_circle_is_found_by_whoever_closes_it() {
    model(|| {
        let table = table(&[1, 2, 3]);
        let threads: Vec<_> = [(1, 2), (2, 3)]
            .into_iter()
            .map(|(job, needs)| {
                let table = table.clone();
                thread::spawn(move || {
                    assert!(table.start(job));
                    let waited = table.wait_for(Some(job), &[needs]).map_or(Err("circle"), progress::Wait::block);
                    table.end(job, &waited);
                    waited
                })
            })
            .collect();
        assert!(table.start(3));
        let waited = table.wait_for(Some(3), &[1]).map_or(Err("circle"), progress::Wait::block);
        table.end(3, &waited);
        let failed = threads.into_iter().map(|thread| thread.join().unwrap()).filter(Result::is_err).count();
        assert!(failed > 0 || waited.is_err());
    });
}

#[test]
fn who_waits_is_told_of_a_failure_and_of_a_removal() {
    model(|| {
        let table = table(&[1, 2]);
        assert!(table.start(1));
        let wait = table.wait_for(None, &[1, 2]).ok().unwrap();
        // Removed by somebody else, while one is at it.
        let other = thread::spawn({
            let table = table.clone();
            move || table.end(1, &Err("removed"))
        });
        assert_eq!(wait.block(), Err("removed"));
        table.end(1, &Ok(()));
        other.join().unwrap();
        assert!(!table.start(1));
    });
}

#[test]
fn a_wake_is_called_once_unless_the_wait_was_dropped() {
    model(|| {
        let (table, woken) = (table(&[1]), Arc::new(AtomicUsize::new(0)));
        let wait = table.wait_for(None, &[1]).ok().unwrap();
        let other = thread::spawn({
            let table = table.clone();
            move || table.end(1, &Ok(()))
        });
        wait.on_end({
            let woken = woken.clone();
            Box::new(move || _ = woken.fetch_add(1, Ordering::Relaxed))
        });
        other.join().unwrap();
        assert_eq!(woken.load(Ordering::Relaxed), 1);
        assert_eq!(wait.outcome(), Some(Ok(())));
    });
    model(|| {
        let (table, woken) = (table(&[1]), Arc::new(AtomicUsize::new(0)));
        let wait = table.wait_for(None, &[1]).ok().unwrap();
        wait.on_end({
            let woken = woken.clone();
            Box::new(move || _ = woken.fetch_add(1, Ordering::Relaxed))
        });
        let other = thread::spawn({
            let table = table.clone();
            move || table.end(1, &Ok(()))
        });
        // Cancelled: others are not disturbed.
        drop(wait);
        look_up(&table, None, &[1], &AtomicUsize::new(0)).unwrap();
        other.join().unwrap();
        assert!(woken.load(Ordering::Relaxed) <= 1);
    });
}

#[test]
fn one_at_a_time_has_the_turn() {
    model(|| {
        let (table, inside) = (table(&[]), Arc::new(AtomicUsize::new(0)));
        let turn = |table: &Table, inside: &AtomicUsize| {
            while !table.enter(7) {
                table.wait_for(None, &[7]).ok().unwrap().block().unwrap();
            }
            assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
            inside.fetch_sub(1, Ordering::Relaxed);
            table.end(7, &Ok(()));
        };
        let other = thread::spawn({
            let (table, inside) = (table.clone(), inside.clone());
            move || turn(&table, &inside)
        });
        turn(&table, &inside);
        other.join().unwrap();
    });
}
