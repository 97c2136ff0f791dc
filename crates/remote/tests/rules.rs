//! Peers that break the rules are hung up on.

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use linkjit_executor::{
    ExecAddr, ExecRange, Executor, ExecutorError, Jump, LibraryId, Placement, SymbolKey, SymbolRequest,
};
use linkjit_remote::{Outcome, Remote, Token, Transport, serve_first};
use support::{Fake, connected, in_time, serving, sockets};

const MAGIC: &[u8] = b"linkjit\0";
const VERSION: u32 = 3;

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn greeting(version: u32, token: &[u8]) -> Vec<u8> {
    [MAGIC, &words(&[version, token.len() as u32]), token].concat()
}

/// Returns what an executor says to a peer that says this and, if `ends`, no more, and how it ends.
fn says(token: &Token, bytes: &[u8], ends: bool) -> (String, Result<Outcome, String>) {
    let (mut ours, theirs) = sockets();
    let serving = serving(theirs, token, Arc::new(Fake::default()));
    // It may have hung up before all is written.
    let _gone = ours.write_all(bytes);
    if ends {
        let _gone = ours.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    let _reset = ours.read_to_end(&mut answer);
    let outcome = serving.join().unwrap().map_err(|error| error.to_string());
    (String::from_utf8_lossy(&answer).into_owned(), outcome)
}

#[test]
fn peers_that_do_not_greet_as_they_should_are_refused() {
    in_time(|| {
        let token = Token::new(*b"secret");
        let refused = |bytes: &[u8]| says(&token, bytes, true).1.unwrap_err();
        assert_eq!(refused(&greeting(VERSION, b"secreT")), "the token is wrong");
        assert_eq!(refused(&greeting(VERSION, b"")), "the token is wrong");
        assert_eq!(refused(&greeting(VERSION, b"secret and more")), "the token is wrong");
        assert!(refused(&greeting(VERSION + 1, b"secret")).contains("version"), "other versions");
        assert!(refused(b"GET / HTTP/1.1\r\n\r\n").contains("does not speak"), "other protocols");
        let oversized = [MAGIC, &words(&[VERSION, u32::MAX])].concat();
        assert!(refused(&oversized).contains("the limit"), "oversized");
        refused(&greeting(VERSION, b"secret")[..15]);
        refused(b"");
        let (answer, _) = says(&token, &greeting(VERSION, b"guess"), false);
        assert!(answer.contains("the token is wrong"), "{answer}");
    });
}

/// The reason for which an executor ends a session that says this after its greeting.
fn lost(frames: &[u8], ends: bool) -> String {
    let bytes = [&greeting(VERSION, b""), frames].concat();
    match says(&Token::none(), &bytes, ends).1 {
        Ok(Outcome::Lost(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn sessions_that_break_the_rules_are_hung_up_on() {
    in_time(|| {
        // A frame has its size, its kind, the number of its conversation and that of the call.
        let refused = |frames: &[u8]| lost(frames, false);
        assert!(refused(&words(&[u32::MAX, 1, 0, 1])).contains("the limit is"));
        assert!(refused(&words(&[0, 77, 0, 1])).contains("unknown kind 77"));
        assert!(refused(&words(&[0, 2, 0, 1])).contains("a conversation that there is not"));
        assert!(refused(&words(&[0, 1, 1, 1])).contains("a conversation that there is not"), "an executor's number");
        let malformed = [words(&[3, 1, 0, 1]), vec![0xff; 3]].concat();
        assert!(refused(&malformed).contains("a malformed message"));
        let empty = words(&[0, 1, 0, 1]);
        assert!(refused(&empty).contains("a malformed message"));
        let cut = words(&[5, 1, 0, 1]);
        assert!(lost(&cut, true).contains("was closed"));
        let too_many: Vec<_> = (0..5000).flat_map(|number| words(&[0, 1, number * 2, 1])).collect();
        refused(&too_many);
    });
}

/// A remote whose executor says this.
fn remote_of(answer: &[u8]) -> (Result<Remote, ExecutorError>, TcpStream) {
    let (ours, mut theirs) = sockets();
    theirs.write_all(answer).unwrap();
    (Remote::connect(Transport::tcp(ours).unwrap(), &Token::none()), theirs)
}

#[test]
fn executors_that_do_not_greet_as_they_should_are_errors() {
    in_time(|| {
        let error = |answer: &[u8]| match remote_of(answer).0 {
            Err(ExecutorError::Disconnected { why }) => why,
            other => panic!("{other:?}"),
        };
        assert!(error(b"HTTP/1.1 400 Bad Request\r\n").contains("does not speak"));
        assert!(error(&[MAGIC, &words(&[VERSION + 1, 0, 0])].concat()).contains("version"));
        assert!(error(&[MAGIC, &words(&[VERSION, 0, 0])].concat()).contains("malformed"), "no facts");
        assert!(error(&[MAGIC, &words(&[VERSION, 0, u32::MAX])].concat()).contains("the limit"));
        assert!(error(&[MAGIC, &words(&[VERSION, 9, 0])].concat()).contains("unknown word 9"));
        let refused = [MAGIC, &words(&[VERSION, 1, 4]), b"busy"].concat();
        assert_eq!(error(&refused), "the executor refuses: busy");
    });
}

#[test]
fn results_with_other_numbers_of_things_are_errors_and_end_the_session() {
    type Ask = fn(&Remote) -> Option<ExecutorError>;
    let asks: &[Ask] = &[
        |remote| {
            let request = SymbolRequest { key: SymbolKey::Name(b"x"), thread_local: false };
            remote.find_symbols(LibraryId::PROCESS, &[request]).err()
        },
        |remote| remote.runtime_symbols(&[b"x", b"y"]).err(),
        |remote| remote.redirect(&[Jump { slot: ExecAddr(8), to: ExecAddr(8) }]).err(),
        |remote| remote.bring_near(ExecRange::new(ExecAddr(0), 8), &[ExecAddr(8)], &[]).err(),
        |remote| remote.read(ExecRange::new(ExecAddr(0), 8)).err(),
        |remote| remote.reserve_window(4096, Placement::Anywhere).err(),
        // It has no error, but the next call has.
        |remote| {
            assert_eq!(remote.may_export(&[b"x"]), [true]);
            remote.read(ExecRange::new(ExecAddr(0), 8)).err()
        },
    ];
    in_time(|| {
        for (number, ask) in asks.iter().enumerate() {
            let (remote, serving) = connected(Arc::new(Fake::default()));
            let error = ask(&remote).unwrap_or_else(|| panic!("{number} is no error"));
            assert!(matches!(error, ExecutorError::Disconnected { .. }), "{number}: {error}");
            assert!(error.to_string().contains("broke the protocol"), "{number}: {error}");
            assert!(remote.open_image("x").is_err(), "{number}");
            assert!(matches!(serving.join().unwrap(), Ok(Outcome::Lost(_))), "{number}");
        }
    });
}

/// Those who are gone before they are greeted are no end of it, and neither are those who know no token.
#[test]
fn the_first_session_of_many_is_served() {
    in_time(|| {
        let token = Token::new(*b"secret");
        let (mut stranger, strange) = sockets();
        stranger.write_all(&greeting(VERSION, b"guess")).unwrap();
        let (ours, theirs) = sockets();
        let mut came = vec![
            Transport::tcp(theirs),
            Err(std::io::ErrorKind::ConnectionAborted.into()),
            Transport::tcp(strange),
            Err(std::io::ErrorKind::ConnectionReset.into()),
        ];
        let accept = move || {
            came.pop().unwrap_or_else(|| {
                loop {
                    std::thread::park();
                }
            })
        };
        let secret = token.clone();
        let serving =
            std::thread::spawn(move || serve_first(accept, &secret, Arc::new(Fake::default()), |_| (), |_| ()));
        let remote = Remote::connect(Transport::tcp(ours).unwrap(), &token).unwrap();
        remote.open_image("any").unwrap();
        drop(remote);
        assert_eq!(serving.join().unwrap().unwrap(), Outcome::Over);
    });
}

/// Only sockets that a process was started with are for [`Transport::inherited`], and each once.
#[cfg(unix)]
#[test]
fn sockets_are_inherited_once() {
    use std::os::fd::IntoRawFd;

    let refused = |fd| Transport::inherited(fd).unwrap_err().to_string();
    assert_eq!(refused(999), "this process was started with no socket with the number 999");
    refused(1);
    let file = std::fs::File::open("/dev/null").unwrap().into_raw_fd();
    refused(file);
    let socket = socket2::Socket::from(std::os::unix::net::UnixStream::pair().unwrap().0);
    let passed_on = socket.try_clone().unwrap();
    passed_on.set_cloexec(false).unwrap();
    refused(socket.into_raw_fd());
    let passed_on = passed_on.into_raw_fd();
    let transport = Transport::inherited(passed_on).unwrap();
    refused(passed_on);
    drop(transport);
}
