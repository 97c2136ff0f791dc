//! Executors that say anything can't harm their session: frames of every kind, replies of every form.

mod support;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use linkjit_executor::{
    ExecAddr, ExecRange, Executor, ExecutorError, FinalizeActions, ImageId, Jump, LibraryId, Placement, Protection,
    Result, SegmentRequest, SymbolKey, SymbolRequest, WindowId,
};
use linkjit_remote::{Remote, Token, Transport};
use support::{Fake, PROVIDE, call, connected, in_time, serving, sockets};

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32 % limit
    }

    /// A frame that is seldom wrong in all respects.
    fn frame(&mut self, number: u32) -> Vec<u8> {
        let size = [0, 1, 2, 4, 8, 40, 200][self.below(7) as usize];
        let mut payload: Vec<_> =
            (0..size).map(|_| if self.below(3) > 0 { self.below(4) } else { self.below(256) } as u8).collect();
        // Most results are good ones.
        if let Some(first) = payload.first_mut().filter(|_| self.0 & 3 != 0) {
            *first = 0;
        }
        let kind = [2, 2, 2, 2, 2, 1, 3, 4, 5, 6, 7][self.below(11) as usize];
        let conversation = [2, 2, 2, 2, 2, 2, 1, 3, 4][self.below(9) as usize];
        let number = if self.below(8) == 0 { self.below(5) } else { number };
        let announced = if self.below(50) == 0 { self.below(u32::MAX) } else { size };
        let header = [announced, kind, conversation, number].map(u32::to_le_bytes).concat();
        [header, payload].concat()
    }
}

/// The answer of a true executor to a session's greeting.
fn welcome() -> (Vec<u8>, usize) {
    let (mut ours, theirs) = sockets();
    let greeting = [&b"linkjit\0"[..], &3u32.to_le_bytes(), &0u32.to_le_bytes()].concat();
    let serving = serving(theirs, &Token::none(), Arc::new(Fake::default()));
    ours.write_all(&greeting).unwrap();
    ours.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    ours.read_to_end(&mut answer).unwrap();
    serving.join().unwrap().unwrap();
    // Facts are all that a session needs; beats may follow.
    let size = u32::from_le_bytes(answer[16..20].try_into().unwrap()) as usize;
    answer.truncate(20 + size);
    (answer, greeting.len())
}

/// Asks for a thing of each kind of result, as long as there are answers.
fn ask(remote: &Remote) -> Result<()> {
    let range = ExecRange::new(ExecAddr(0x1000), 64);
    remote.open_reentry(Arc::new(|number| ExecAddr(number.into())))?;
    remote.set_exports(ImageId(1), Arc::new(|_| Some(ExecAddr(1))))?;
    _ = remote.reserve_window(1 << 20, Placement::Anywhere);
    let segment = SegmentRequest { protection: Protection::ReadExec, size: 64, align: 16, contents: 64 };
    if let Ok(mut allocation) = remote.allocate(WindowId(1), &[segment]) {
        allocation.bytes(0).fill(1);
        _ = allocation.finalize(&FinalizeActions::default());
    }
    let request = SymbolRequest { key: SymbolKey::Name(b"name"), thread_local: false };
    _ = remote.find_symbols(LibraryId::PROCESS, &[request; 2]);
    _ = remote.may_export(&[b"name"]);
    _ = remote.bring_near(range, &[ExecAddr(8)], &[]);
    _ = remote.redirect(&[Jump { slot: ExecAddr(8), to: ExecAddr(8) }]);
    _ = remote.prepare_allocator();
    _ = remote.read(range);
    Ok(())
}

#[test]
fn sessions_survive_executors_that_say_anything() {
    in_time(|| {
        let (welcome, greeting) = welcome();
        for seed in 0..400 {
            let (ours, mut theirs) = sockets();
            let welcome = welcome.clone();
            let hostile = thread::spawn(move || {
                let mut random = Random(seed);
                theirs.read_exact(&mut vec![0; greeting]).unwrap();
                // Some do not even greet well.
                let (at, bit) = (random.below(welcome.len() as u32) as usize, random.below(8));
                let mut said = welcome;
                said[at] ^= u8::from(seed % 5 == 0) << bit;
                let _gone = theirs.write_all(&said);
                // Replies are to something, but what follows a frame that is none comes soon.
                theirs.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
                for call in 1..30 {
                    if matches!(theirs.read(&mut [0; 4096]), Ok(0)) || theirs.write_all(&random.frame(call)).is_err() {
                        break;
                    }
                }
                let _gone = theirs.shutdown(Shutdown::Both);
            });
            if let Ok(remote) = Remote::connect(Transport::tcp(ours).unwrap(), &Token::none()) {
                let _gone = ask(&remote);
                let _gone = remote.open_image("last");
            }
            hostile.join().unwrap();
        }
    });
}

/// A call that the session abandons does not let its executor ask for more than one thing at a time.
#[test]
fn abandoned_calls_have_one_thread_in_the_session() {
    in_time(|| {
        let (welcome, greeting) = welcome();
        let (ours, mut theirs) = sockets();
        let (abandoned, is_abandoned) = mpsc::channel::<()>();
        let hostile = thread::spawn(move || {
            theirs.read_exact(&mut vec![0; greeting]).unwrap();
            theirs.write_all(&welcome).unwrap();
            _ = theirs.read(&mut [0; 4096]).unwrap();
            // `Ok(ReentryId(7))`.
            theirs.write_all(&frame(2, 2, 1, &[0, 7])).unwrap();
            is_abandoned.recv().unwrap();
            // `Resolve { reentry: ReentryId(7), number: 1 }`.
            let calls: Vec<_> = (1..1000).flat_map(|number| frame(1, 2, number, &[0, 7, 1])).collect();
            let _hung_up = theirs.write_all(&calls);
            theirs
        });
        let remote = Remote::connect(Transport::tcp(ours).unwrap(), &Token::none()).unwrap();
        let (asked, is_asked) = mpsc::channel();
        let (goes_on, may_go_on) = mpsc::channel::<()>();
        let may_go_on = Mutex::new(may_go_on);
        let resolve = move |number: u32| {
            asked.send(number).unwrap();
            let _ended = may_go_on.lock().unwrap().recv();
            ExecAddr(0)
        };
        remote.open_reentry(Arc::new(resolve)).unwrap();
        remote.set_time_limit(Some(Duration::from_millis(50)));
        assert!(matches!(remote.open_image("any"), Err(ExecutorError::TimedOut { .. })));
        abandoned.send(()).unwrap();
        let error = loop {
            match remote.open_image("any") {
                Err(ExecutorError::TimedOut { .. }) => {}
                other => break other.unwrap_err(),
            }
        };
        assert!(error.to_string().contains("two frames at once"), "{error}");
        assert!(remote.has_given_up());
        drop(goes_on);
        drop((remote, hostile.join().unwrap()));
        assert!(is_asked.iter().count() <= 1);
    });
}

/// The bytes of a frame.
fn frame(kind: u32, conversation: u32, number: u32, payload: &[u8]) -> Vec<u8> {
    [&[payload.len() as u32, kind, conversation, number].map(u32::to_le_bytes).concat()[..], payload].concat()
}

/// A session whose executor greets, and answers the first request by `first`, all the rest of what it ever says.
fn session_of(first: Vec<u8>, ask: impl FnOnce(&Remote) -> ExecutorError) -> String {
    let (welcome, greeting) = welcome();
    let (ours, mut theirs) = sockets();
    let hostile = thread::spawn(move || {
        theirs.read_exact(&mut vec![0; greeting]).unwrap();
        theirs.write_all(&welcome).unwrap();
        _ = theirs.read(&mut [0; 4096]).unwrap();
        let _hung_up = theirs.write_all(&first);
        theirs
    });
    let remote = Remote::connect(Transport::tcp(ours).unwrap(), &Token::none()).unwrap();
    let error = ask(&remote);
    drop((remote, hostile.join().unwrap()));
    error.to_string()
}

/// An executor can't have the session hold more than some requests, however many conversations it begins.
#[test]
fn requests_that_are_not_answered_have_a_limit() {
    in_time(|| {
        let (goes_on, may_go_on) = mpsc::channel::<()>();
        let may_go_on = Mutex::new(may_go_on);
        // `Ok(())`, then `ProvideNeeded` again and again, with as much behind it as a frame can have.
        let mut said = frame(2, 2, 1, &[0]);
        let mut request = vec![0; 16 << 20];
        request[0] = 2;
        (0..5).for_each(|number| said.extend(frame(1, 2 * number + 1, 1, &request)));
        let error = session_of(said, |remote| {
            remote.provide_needed(Arc::new(move |_| {
                let _ended = may_go_on.lock().unwrap().recv();
                Vec::new()
            }));
            let error = remote.open_image("any").unwrap_err();
            drop(goes_on);
            error
        });
        assert!(error.contains("requests of more than 64 MiB at once"), "{error}");
    });
}

#[test]
fn requests_that_were_answered_do_not_count() {
    in_time(|| {
        let (remote, serving) = connected(Arc::new(Fake::default()));
        let size = Arc::new(Mutex::new(0));
        let told = size.clone();
        remote.provide_needed(Arc::new(move |library| {
            *told.lock().unwrap() += library.len();
            Vec::new()
        }));
        for _ in 0..6 {
            assert_eq!(call(&remote, PROVIDE, &[15 << 20]).unwrap(), 0);
        }
        assert_eq!(*size.lock().unwrap(), 6 * (15 << 20));
        drop(remote);
        assert!(serving.join().unwrap().is_ok());
    });
}

#[test]
fn frames_that_executors_do_not_send_are_refused() {
    in_time(|| {
        // `Ok(ImageId(1))`, and once more.
        let said = [frame(2, 2, 1, &[0, 1]), frame(2, 2, 1, &[0, 1])].concat();
        let error = session_of(said, |remote| {
            let first = remote.open_image("any");
            first.and_then(|_| remote.open_image("other")).unwrap_err()
        });
        assert!(error.contains("broke the protocol"), "{error}");
        for (kind, size, why) in [(4, 0, "an executor that says goodbye"), (5, 1 << 20, "a crash of 1048576 bytes")] {
            let error = session_of(frame(kind, 0, 0, &vec![0; size]), |remote| remote.open_image("any").unwrap_err());
            assert!(error.contains(why), "{error}");
        }
    });
}

/// A small number takes a byte of a message and eight in memory, and a result that is missing takes more.
#[test]
fn replies_that_are_larger_than_what_was_asked_for_are_not_decoded() {
    in_time(|| {
        let mut many = vec![0; 16 << 20];
        // `Ok`, and as many results as there are bytes, each of them `None`.
        many[..5].copy_from_slice(&[0, 0x80, 0x80, 0x80, 0x04]);
        let error = session_of(frame(2, 2, 1, &many), |remote| {
            let request = SymbolRequest { key: SymbolKey::Name(b"name"), thread_local: false };
            remote.find_symbols(LibraryId::PROCESS, &[request]).unwrap_err()
        });
        assert!(error.contains("larger than what was asked for"), "{error}");
    });
}
