//! Calls that take too long, that are cancelled, and peers that do not answer.

mod support;

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use linkjit_executor::{ExecAddr, Executor, ExecutorError, ImageId, SymbolKey};
use linkjit_remote::{Outcome, Remote, Token, Transport};
use support::{ADD, FIND, FIND_LATER, Fake, RESOLVE, SLEEP, call, connected, in_time, serving, sockets};

const LIMIT: Duration = Duration::from_millis(100);

#[test]
fn a_call_that_takes_too_long_fails_and_the_session_goes_on() {
    in_time(|| {
        let (remote, serving) = connected(Arc::new(Fake::default()));
        remote.set_time_limit(Some(LIMIT));
        let start = Instant::now();
        let error = call(&remote, SLEEP, &[600]).unwrap_err();
        assert!(matches!(error, ExecutorError::TimedOut { limit } if limit == LIMIT), "{error}");
        assert!(start.elapsed() < Duration::from_millis(500));
        remote.set_time_limit(None);
        // Before and after it has returned.
        for _ in 0..40 {
            assert_eq!(call(&remote, ADD, &[1, 2]).unwrap(), 3);
            thread::sleep(Duration::from_millis(20));
        }
        drop(remote);
        assert_eq!(serving.join().unwrap().unwrap(), Outcome::Over);
    });
}

#[test]
fn calls_are_cancelled_from_another_thread() {
    in_time(|| {
        let (remote, _serving) = connected(Arc::new(Fake::default()));
        let remote = &remote;
        thread::scope(|scope| {
            let calls: Vec<_> = (0..8).map(|_| scope.spawn(move || call(remote, SLEEP, &[1500]))).collect();
            thread::sleep(Duration::from_millis(200));
            let start = Instant::now();
            remote.cancel_calls();
            for call in calls {
                let error = call.join().unwrap().unwrap_err();
                assert!(matches!(error, ExecutorError::Cancelled), "{error}");
            }
            assert!(start.elapsed() < Duration::from_secs(1));
        });
        // Those to come are not.
        assert_eq!(call(remote, SLEEP, &[1]).unwrap(), 1);
    });
}

/// Linked code asks for something, the answer makes a call that takes too long, and the answer comes nevertheless when the
/// executor can take it.
#[test]
fn answers_outlive_the_calls_that_they_make() {
    in_time(|| {
        let (remote, serving) = connected(Arc::new(Fake::default()));
        let remote = Arc::new(remote);
        let weak = Arc::downgrade(&remote);
        let (told, is_told) = mpsc::channel();
        let resolve = move |number: u32| {
            let remote = weak.upgrade().unwrap();
            let inner = call(&remote, SLEEP, &[u64::from(number)]).map_err(|error| error.to_string());
            // In another conversation.
            told.send((inner, call(&remote, ADD, &[1, 2]).unwrap())).unwrap();
            ExecAddr(41)
        };
        remote.open_reentry(Arc::new(resolve)).unwrap();
        assert_eq!(call(&remote, RESOLVE, &[1]).unwrap(), 42);
        assert_eq!(is_told.recv().unwrap(), (Ok(1), 3));
        remote.set_time_limit(Some(LIMIT));
        let error = call(&remote, RESOLVE, &[400]).unwrap_err();
        assert!(matches!(error, ExecutorError::TimedOut { .. }), "{error}");
        let (inner, sum) = is_told.recv().unwrap();
        assert!(inner.is_err());
        assert_eq!(sum, 3);
        remote.set_time_limit(None);
        thread::sleep(Duration::from_millis(600));
        assert_eq!(call(&remote, RESOLVE, &[2]).unwrap(), 42);
        drop(remote);
        assert_eq!(serving.join().unwrap().unwrap(), Outcome::Over);
    });
}

/// Requests of linked code in an abandoned call are answered.
#[test]
fn abandoned_code_is_answered() {
    in_time(|| {
        let (remote, _serving) = connected(Arc::new(Fake::default()));
        let (told, is_told) = mpsc::channel();
        let find = move |key: SymbolKey<'_>| {
            let SymbolKey::Ordinal(number) = key else { return None };
            told.send(number).unwrap();
            Some(ExecAddr(u64::from(number)))
        };
        remote.set_exports(ImageId(1), Arc::new(find)).unwrap();
        remote.set_time_limit(Some(LIMIT));
        let error = call(&remote, FIND_LATER, &[300]).unwrap_err();
        assert!(matches!(error, ExecutorError::TimedOut { .. }), "{error}");
        assert_eq!(call(&remote, FIND, &[5]).unwrap(), 5);
        assert_eq!(is_told.iter().take(2).collect::<Vec<_>>(), [5, 300]);
        assert_eq!(call(&remote, ADD, &[2, 2]).unwrap(), 4);
    });
}

/// Random calls with random limits from many threads, which nest.
#[test]
fn sessions_survive_any_order_of_limits_and_cancellations() {
    in_time(|| {
        let (remote, serving) = connected(Arc::new(Fake::default()));
        let remote = Arc::new(remote);
        let weak = Arc::downgrade(&remote);
        let resolve = move |number: u32| {
            let Some(remote) = weak.upgrade() else { return ExecAddr(0) };
            match number {
                0 => ExecAddr(0),
                _ if number.is_multiple_of(3) => ExecAddr(call(&remote, SLEEP, &[u64::from(number) % 5]).unwrap_or(0)),
                _ => ExecAddr(call(&remote, RESOLVE, &[u64::from(number) - 1]).unwrap_or(0)),
            }
        };
        remote.open_reentry(Arc::new(resolve)).unwrap();
        let ends = AtomicBool::new(false);
        thread::scope(|scope| {
            let callers: Vec<_> = (0..8u64)
                .map(|thread| {
                    let remote = &remote;
                    scope.spawn(move || {
                        let mut random = thread + 1;
                        for _ in 0..200 {
                            random =
                                random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                            match call(remote, RESOLVE, &[(random >> 33) % 12]) {
                                Ok(_) | Err(ExecutorError::TimedOut { .. } | ExecutorError::Cancelled) => {}
                                Err(other) => panic!("{other}"),
                            }
                        }
                    })
                })
                .collect();
            scope.spawn(|| {
                for round in 0.. {
                    if ends.load(Ordering::Relaxed) {
                        break;
                    }
                    remote.set_time_limit((round % 7 > 2).then(|| Duration::from_millis(round % 7)));
                    thread::sleep(Duration::from_millis(2));
                    if round % 7 == 4 {
                        remote.cancel_calls();
                    }
                }
            });
            callers.into_iter().for_each(|caller| caller.join().unwrap());
            ends.store(true, Ordering::Relaxed);
        });
        remote.set_time_limit(None);
        assert_eq!(call(&remote, ADD, &[1, 1]).unwrap(), 2);
        drop(remote);
        // The last abandoned calls may not have returned yet.
        assert!(serving.join().unwrap().is_ok());
    });
}

/// A session whose executor is behind somebody who stops to pass things on.
fn stalled(passes_calls: bool) -> Remote {
    let (ours, theirs) = sockets();
    let (mut between, executor) = sockets();
    let _serving = serving(executor, &Token::none(), Arc::new(Fake::default()));
    thread::spawn(move || {
        // The greetings.
        let mut theirs = theirs;
        let mut bytes = [0; 4096];
        let size = theirs.read(&mut bytes).unwrap();
        between.write_all(&bytes[..size]).unwrap();
        let size = between.read(&mut bytes).unwrap();
        theirs.write_all(&bytes[..size]).unwrap();
        if passes_calls {
            // They are read, but nothing comes back.
            while theirs.read(&mut bytes).is_ok_and(|size| size > 0) {}
        } else {
            thread::sleep(Duration::from_secs(60));
        }
    });
    let remote = Remote::connect(Transport::tcp(ours).unwrap(), &Token::none()).unwrap();
    remote.set_patience(Duration::from_secs(2));
    remote
}

#[test]
fn an_executor_that_does_not_answer_is_gone() {
    in_time(|| {
        let remote = stalled(true);
        let error = call(&remote, ADD, &[1]).unwrap_err();
        assert!(matches!(&error, ExecutorError::Disconnected { why } if why.contains("has said nothing")), "{error}");
        assert!(call(&remote, ADD, &[1]).is_err());
    });
}

#[test]
fn a_write_that_blocks_does_not_hang() {
    in_time(|| {
        let remote = stalled(false);
        // More than any system keeps for a socket.
        let names = vec![vec![b'x'; 1 << 20]; 3];
        let names: Vec<_> = names.iter().map(|name| &name[..]).collect();
        let mut error = None;
        for _ in 0..20 {
            error = error.or(remote.runtime_symbols(&names).err());
        }
        let error = error.unwrap();
        assert!(matches!(&error, ExecutorError::Disconnected { .. }), "{error}");
    });
}

/// A line is slow that takes longer for a frame than anybody waits for one that is stuck.
#[test]
fn a_slow_line_is_not_taken_for_a_stalled_one() {
    in_time(|| {
        let (ours, theirs) = sockets();
        let (mut between, executor) = sockets();
        let _serving = serving(executor, &Token::none(), Arc::new(Fake::default()));
        let (mut answers, mut back) = (between.try_clone().unwrap(), theirs.try_clone().unwrap());
        thread::spawn(move || std::io::copy(&mut answers, &mut back));
        thread::spawn(move || {
            let (mut theirs, mut bytes, start, mut passed) = (theirs, vec![0; 1 << 16], Instant::now(), 0);
            while let Ok(size @ 1..) = theirs.read(&mut bytes) {
                passed += size as u64;
                // Not for each piece: some systems sleep for longer than they are asked to.
                let due = start + Duration::from_millis((passed * 45) >> 16);
                thread::sleep(due.saturating_duration_since(Instant::now()));
                between.write_all(&bytes[..size]).unwrap();
            }
        });
        let remote = Remote::connect(Transport::tcp(ours).unwrap(), &Token::none()).unwrap();
        remote.set_patience(Duration::from_secs(2));
        let error = remote.runtime_symbols(&[&[b'x'; 12 << 20]]).unwrap_err();
        // The executor has read all of it: this is an answer, and a wrong one.
        assert!(error.to_string().contains("another number"), "{error}");
    });
}

#[test]
fn executors_that_work_for_long_are_not_taken_for_gone() {
    in_time(|| {
        let (remote, _serving) = connected(Arc::new(Fake::default()));
        remote.set_patience(Duration::from_secs(2));
        assert_eq!(call(&remote, SLEEP, &[5000]).unwrap(), 5000);
    });
}
