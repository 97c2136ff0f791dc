//! `linkjit executor`, and programs that `linkjit run` runs in its process.
#![cfg(unix)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use linkjit::executor::{Executor, ExecutorError};
use linkjit_remote::{Child, Remote, Token};
use support::{Fixtures, Outcome};

/// An executor that listens for its session.
struct Listener {
    process: std::process::Child,
    place: String,
}

impl Listener {
    fn start(fixtures: &Fixtures, stream: &[&str]) -> Self {
        let mut command = fixtures.command(&[&["executor"], stream].concat());
        let mut process = command.env(Token::VARIABLE, "secret").stderr(Stdio::piped()).spawn().expect("it starts");
        let mut errors = BufReader::new(process.stderr.take().expect("it has a pipe"));
        let mut line = String::new();
        errors.read_line(&mut line).expect("it says where it listens");
        std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
        let place = line.trim().rsplit("listening at ").next().unwrap_or_default().to_owned();
        Self { process, place }
    }

    /// Serves a session as it should after all that strangers have said.
    fn serves_and_ends(mut self, fixtures: &Fixtures) {
        let mut command = fixtures.command(&["run", "--executor", &self.place, "hello.o"]);
        let outcome = Outcome::run(command.env(Token::VARIABLE, "secret"));
        assert_eq!(outcome.code, Some(4), "{}", outcome.err);
        assert_eq!(self.process.wait().expect("it is a child").code(), Some(4));
    }
}

/// What strangers say.
const STRANGE: [&[u8]; 5] = [
    b"GET / HTTP/1.1\r\n\r\n",
    // A wrong token, another version, a token of 4 GiB, a cut one.
    b"linkjit\0\x01\0\0\0\x05\0\0\0guess",
    b"linkjit\0\x63\0\0\0\x06\0\0\0secret",
    b"linkjit\0\x01\0\0\0\xff\xff\xff\xff",
    b"linkj",
];

fn hello(test: &str) -> Fixtures {
    let fixtures = Fixtures::new(test);
    fixtures.c("hello.o", "int main(void) { return 4; }");
    fixtures
}

#[test]
fn executors_refuse_strangers_and_serve_the_next_session() {
    let fixtures = hello("remote-tcp");
    let listener = Listener::start(&fixtures, &["--tcp", "127.0.0.1:0"]);
    let address = listener.place.strip_prefix("tcp:").expect("it is an address").to_owned();
    for bytes in STRANGE {
        let mut stream = TcpStream::connect(&address).expect("it listens");
        stream.write_all(bytes).expect("it reads");
        stream.shutdown(std::net::Shutdown::Write).expect("it is connected");
        let _reset = stream.read_to_end(&mut Vec::new());
    }
    listener.serves_and_ends(&fixtures);

    let path = fixtures.path("socket");
    let listener = Listener::start(&fixtures, &["--unix", path.to_str().expect("UTF-8")]);
    for bytes in STRANGE {
        let mut stream = UnixStream::connect(&path).expect("it listens");
        stream.write_all(bytes).expect("it reads");
        stream.shutdown(std::net::Shutdown::Write).expect("it is connected");
        let _reset = stream.read_to_end(&mut Vec::new());
    }
    listener.serves_and_ends(&fixtures);
    assert!(!path.exists());
}

/// A child that serves this process.
fn child() -> Remote {
    let mut command = Command::new(env!("CARGO_BIN_EXE_linkjit"));
    command.arg("executor");
    Child::start(command).expect("it serves")
}

#[test]
fn an_executor_that_is_killed_is_an_error_that_says_so() {
    let remote = child();
    remote.child().expect("it is one").kill().expect("it can be killed");
    let error = remote.open_image("any").expect_err("it is gone");
    assert!(matches!(error, ExecutorError::Disconnected { .. }), "{error}");
    assert_eq!(error.to_string(), "the process that runs linked code is gone: its process was ended by SIGKILL");
    // Others know nothing of it.
    child().open_image("any").expect("it serves");
}
