//! `linkjit executor`, and programs that `linkjit run` runs in its process.
#![cfg(unix)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;

use linkjit::Jit;
use linkjit::executor::{Executor, ExecutorError};
use linkjit_remote::{Child, Remote, Token, Transport};
use support::{Fixtures, Outcome};

/// An executor that listens for its session.
struct Listener {
    process: std::process::Child,
    place: String,
    /// Reads what else it says.
    errors: JoinHandle<String>,
}

impl Listener {
    fn start(fixtures: &Fixtures, stream: &[&str]) -> Self {
        let mut command = fixtures.command(&[&["executor"], stream].concat());
        let mut process = command.env(Token::VARIABLE, "secret").stderr(Stdio::piped()).spawn().expect("it starts");
        let mut errors = BufReader::new(process.stderr.take().expect("it has a pipe"));
        let mut line = String::new();
        errors.read_line(&mut line).expect("it says where it listens");
        let errors = std::thread::spawn(move || std::io::read_to_string(errors).expect("it says text"));
        let place = line.trim().rsplit("listening at ").next().unwrap_or_default().to_owned();
        Self { process, place, errors }
    }

    /// A stranger or a session, if it listens at an address.
    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.place.strip_prefix("tcp:").expect("it is an address")).expect("it listens")
    }

    /// Serves a session as it should after all that strangers have said.
    fn serves_and_ends(mut self, fixtures: &Fixtures) {
        let mut command = fixtures.command(&["run", "--executor", &self.place, "hello.o"]);
        let outcome = Outcome::run(command.env(Token::VARIABLE, "secret"));
        assert_eq!(outcome.code, Some(4), "{}", outcome.err);
        assert_eq!(self.process.wait().expect("it is a child").code(), Some(4));
    }
}

/// Greetings of strangers.
const STRANGE: [&[u8]; 5] = [
    b"GET / HTTP/1.1\r\n\r\n",
    // A wrong token, another version, a token of 4 GiB, a cut one.
    b"linkjit\0\x03\0\0\0\x05\0\0\0guess",
    b"linkjit\0\x63\0\0\0\x06\0\0\0secret",
    b"linkjit\0\x03\0\0\0\xff\xff\xff\xff",
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
    for bytes in STRANGE {
        let mut stream = listener.connect();
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

/// Each of them would be waited for as long as a session waits for its executor.
#[test]
fn strangers_who_say_nothing_keep_nobody_out() {
    let fixtures = hello("remote-silent");
    let listener = Listener::start(&fixtures, &["--tcp", "127.0.0.1:0"]);
    let _silent = [(); 3].map(|()| listener.connect());
    listener.serves_and_ends(&fixtures);
}

/// The same for a session whose child connects to it.
#[test]
fn strangers_who_connect_to_a_session_keep_no_child_out() {
    let mut command = Command::new("bash");
    let script = r#"for fd in {10..16}; do eval "exec $fd<>/dev/tcp/${2/:/\/}"; done; exec "$0" executor "$@""#;
    command.args(["-c", script, env!("CARGO_BIN_EXE_linkjit")]);
    let remote = Child::start_over_tcp(command).expect("it serves");
    remote.open_image("any").expect("it serves");
}

#[test]
fn an_executor_with_a_session_says_so_to_others_and_why_it_loses_it() {
    let fixtures = hello("remote-busy");
    let mut listener = Listener::start(&fixtures, &["--tcp", "127.0.0.1:0"]);
    let mut session = listener.connect();
    session.write_all(b"linkjit\0\x03\0\0\0\x06\0\0\0secret").expect("it reads");
    session.read_exact(&mut [0; 16]).expect("it greets");
    let mut command = fixtures.command(&["run", "--executor", &listener.place, "hello.o"]);
    let outcome = Outcome::run(command.env(Token::VARIABLE, "secret"));
    assert!(outcome.headline().ends_with("the executor refuses: it serves another session"), "{}", outcome.err);
    session.shutdown(std::net::Shutdown::Write).expect("it is connected");
    assert_eq!(listener.process.wait().expect("it is a child").code(), Some(1));
    let errors = listener.errors.join().expect("it says text");
    assert_eq!(errors, "linkjit executor: the session is gone: the connection was closed\n");
}

/// An executor ends with its session though nobody hears why, and leaves no socket.
#[test]
fn executors_end_though_nobody_reads_what_they_say() {
    let fixtures = hello("remote-unheard");
    let path = fixtures.path("socket");
    let mut command = fixtures.command(&["executor", "--unix", "socket"]);
    let mut process = command.env(Token::VARIABLE, "secret").stderr(Stdio::piped()).spawn().expect("it starts");
    let mut said = BufReader::new(process.stderr.take().expect("it has a pipe"));
    said.read_line(&mut String::new()).expect("it says where it listens");
    drop(said);
    let mut session = UnixStream::connect(&path).expect("it listens");
    session.write_all(b"linkjit\0\x03\0\0\0\x06\0\0\0secret").expect("it reads");
    session.read_exact(&mut [0; 16]).expect("it greets");
    drop(session);
    assert!(!process.wait().expect("it is a child").success());
    assert!(!path.exists());
}

#[test]
fn errors_of_executors_name_the_place() {
    let fixtures = hello("remote-places");
    let says = |arguments: &[&str]| {
        let mut command = fixtures.command(&[&["executor"], arguments].concat());
        let outcome = Outcome::run(command.env(Token::VARIABLE, "secret"));
        assert_eq!(outcome.code, Some(1));
        outcome.headline().to_owned()
    };
    let error = "linkjit: error: executor: ";
    assert_eq!(says(&["--unix", "hello.o"]), format!("{error}unix:hello.o: Address already in use (os error 98)"));
    assert_eq!(says(&["--tcp", "hello"]), format!("{error}tcp:hello: invalid socket address"));
    assert_eq!(says(&["--connect", "hello"]), format!("{error}tcp:hello: invalid socket address"));
    let missing = says(&["--stdio", "--token-file", "none"]);
    assert_eq!(missing, format!("{error}none: No such file or directory (os error 2)"));
    // It is not the executor's, and stays.
    assert!(fixtures.path("hello.o").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn executors_in_a_sandbox_listen_and_have_a_directory() {
    let fixtures = hello("remote-sandbox");
    let scratch = fixtures.path("scratch");
    let outcome = fixtures.linkjit(&["executor", "--stdio", "--sandbox", "scratch"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.headline().ends_with("scratch: No such file or directory (os error 2)"), "{}", outcome.err);
    std::fs::create_dir(&scratch).expect("it is new");
    let listener = Listener::start(&fixtures, &["--tcp", "127.0.0.1:0", "--sandbox", "scratch"]);
    listener.serves_and_ends(&fixtures);
    let socket = scratch.join("socket");
    let stream = ["--unix", socket.to_str().expect("UTF-8"), "--sandbox", "scratch"];
    Listener::start(&fixtures, &stream).serves_and_ends(&fixtures);
    assert!(!socket.exists());
}

/// The command that takes LLVM's options connects to one, too.
#[test]
fn jitlink_connects_to_executors() {
    let fixtures = hello("remote-jitlink");
    let listener = Listener::start(&fixtures, &["--tcp", "127.0.0.1:0"]);
    let option = format!("-oop-executor-connect={}", listener.place.strip_prefix("tcp:").expect("it is an address"));
    let run =
        |token: &str| Outcome::run(fixtures.command(&["jitlink", &option, "hello.o"]).env(Token::VARIABLE, token));
    let outcome = run("guess");
    assert!(outcome.code == Some(1) && outcome.err.contains("the token is wrong"), "{}", outcome.err);
    let outcome = run("secret");
    assert_eq!((outcome.code, &*outcome.err), (Some(4), ""));
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

/// Returns what `linkjit run` says and does about a program that crashes in a child.
fn crash(test: &str, source: &str) -> Outcome {
    let fixtures = Fixtures::new(test);
    fixtures.c("crash.o", source);
    fixtures.linkjit(&["run", "--executor", "child", "crash.o"])
}

#[test]
fn a_crash_of_linked_code_is_an_error_that_says_where() {
    let gone = "linkjit: error: the process that runs linked code is gone";
    let says = |outcome: &Outcome, what: &str| {
        let headline = outcome.err.lines().find(|line| !line.starts_with('#')).unwrap_or_default();
        assert_eq!(headline, format!("{gone}: {what}"), "{}", outcome.err);
    };
    let outcome = crash(
        "remote-segv",
        "__attribute__((noinline)) int reads(volatile int *p) { return *p + 1; }
         int main(void) { return reads((int *)16) + 1; }",
    );
    says(&outcome, "SIGSEGV at address 0x10 in reads (crash.o)");
    assert_eq!(outcome.code, Some(128 + 11));
    // The instruction is none of linked code, but called from there.
    let outcome = crash("remote-abort", "void abort(void); int main(void) { abort(); }");
    says(&outcome, "SIGABRT in a call from main (crash.o)");
    assert_eq!(outcome.code, Some(128 + 6));
    // An initializer of what is being linked.
    let outcome = crash(
        "remote-initializer",
        "__attribute__((constructor)) void begins(void) { __builtin_trap(); } int main(void) { return 0; }",
    );
    says(&outcome, "SIGILL in begins (crash.o)");
    // Another thread than the one that the session waits for.
    let outcome = crash(
        "remote-thread",
        "#include <pthread.h>
         void *works(void *p) { *(volatile int *)32 = 1; return p; }
         int main(void) { pthread_t t; pthread_create(&t, 0, works, 0); return pthread_join(t, 0); }",
    );
    says(&outcome, "SIGSEGV at address 0x20 in works (crash.o)");
}

#[test]
fn programs_that_end_their_process_end_the_command() {
    let fixtures = Fixtures::new("remote-exit");
    let runs = |name: &str, source: &str| {
        fixtures.c(name, source);
        let outcome = fixtures.linkjit(&["run", "--executor", "child", name]);
        (outcome.code, outcome.out, outcome.err)
    };
    let text = |out: &str| (out.to_owned(), String::new());
    let (code, out, err) = runs(
        "exit.o",
        "#include <stdio.h>\n#include <stdlib.h>
         static void at_exit(void) { puts(\"atexit\"); } int main(void) { atexit(at_exit); puts(\"main\"); exit(3); }",
    );
    assert_eq!((code, (out, err)), (Some(3), text("main\natexit\n")));
    let (code, out, err) = runs("now.o", "#include <unistd.h>\nint main(void) { _exit(0); }");
    assert_eq!((code, (out, err)), (Some(0), text("")));
    let source = "#include <stdlib.h>\n__attribute__((constructor)) static void f(void) { exit(7); } int main(void) { return 1; }";
    let (code, out, err) = runs("early.o", source);
    assert_eq!((code, (out, err)), (Some(7), text("")));
}

#[test]
fn a_program_that_speaks_in_place_of_its_executor_is_an_error() {
    let fixtures = Fixtures::new("remote-garbage");
    fixtures.c(
        "garbage.o",
        "#include <unistd.h>
         int main(void) { static const char garbage[16] = {9, 0, 0, 0, 77}; write(3, garbage, 16); for (;;) pause(); }",
    );
    let outcome = fixtures.linkjit(&["run", "--executor", "child", "garbage.o"]);
    assert_eq!(outcome.code, Some(1));
    let says = "the process that runs linked code is gone: the peer broke the protocol: a frame of the unknown kind 77";
    assert_eq!(outcome.headline(), format!("linkjit: error: {says}"));
}

/// The process that a program has started holds the connection open, and the program is gone nevertheless.
#[test]
fn programs_may_leave_others_behind() {
    let fixtures = Fixtures::new("remote-daemon");
    fixtures.c(
        "daemon.o",
        "#include <stdio.h>\n#include <unistd.h>
         int main(void) {
             int daemon = fork();
             if (daemon) { printf(\"%d\\n\", daemon); return 5; }
             close(0); close(1); close(2); sleep(100); _exit(0);
         }",
    );
    let outcome = fixtures.linkjit(&["run", "--executor", "child", "daemon.o"]);
    assert_eq!((outcome.code, &*outcome.err), (Some(5), ""));
    // It is still there.
    fixtures.tool(&["kill", "-s", "KILL", outcome.out.trim()]);
}

/// Nobody waits for code that a session has abandoned, neither the session nor its executor.
#[test]
fn an_executor_ends_with_its_session_though_abandoned_code_runs() {
    let fixtures = Fixtures::new("remote-abandoned");
    fixtures.c(
        "waits.o",
        "#include <unistd.h>
         __attribute__((constructor)) static void wait(void) { for (;;) pause(); }
         int main(void) { return 0; }",
    );
    let mut listener = Listener::start(&fixtures, &["--tcp", "127.0.0.1:0"]);
    let transport = Transport::tcp(listener.connect()).expect("a transport");
    let remote = Arc::new(Remote::connect(transport, &Token::new(*b"secret")).expect("it serves"));
    remote.set_time_limit(Some(std::time::Duration::from_millis(500)));
    let jit = Jit::builder().executor(remote).build().expect("a session");
    jit.add_object(fixtures.path("waits.o")).expect("an object");
    let error = jit.lookup("main").expect_err("its initializer does not return");
    assert!(matches!(error, linkjit::Error::Executor(ExecutorError::TimedOut { .. })), "{error}");
    drop(jit);
    listener.process.wait().expect("it is a child");
}

/// Runs a program in a child, and sends the command a signal when the program says something.
fn signal(test: &str, source: &str, signal: &str) -> Option<i32> {
    let fixtures = Fixtures::new(test);
    fixtures.c("waits.o", source);
    let mut command = fixtures.command(&["run", "--executor", "child", "waits.o"]);
    let mut process = command.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut output = BufReader::new(process.stdout.take().expect("it has a pipe"));
    let mut line = String::new();
    output.read_line(&mut line).expect("it says when it waits");
    let child: u32 = line.trim().parse().expect("it says its number");
    fixtures.tool(&["kill", "-s", signal, &process.id().to_string()]);
    let code = process.wait().expect("it is a child").code();
    let is_left = std::path::Path::new(&format!("/proc/{child}")).exists();
    assert!(!is_left, "the child is still there");
    code
}

#[test]
fn signals_are_passed_on_to_the_program() {
    let waits = "#include <stdio.h>\n#include <unistd.h>
                 int main(void) { printf(\"%d\\n\", getpid()); fflush(stdout); for (;;) pause(); }";
    // Not SIGINT, which shells have the commands ignore that they run in the background.
    assert_eq!(signal("remote-term", waits, "TERM"), Some(128 + 15));
    let handles = "#include <signal.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>
                   static void handle(int signal) { _exit(40 + signal); }
                   int main(void) { signal(SIGTERM, handle); printf(\"%d\\n\", getpid()); fflush(stdout); for (;;) pause(); }";
    assert_eq!(signal("remote-handler", handles, "TERM"), Some(55));
}

#[test]
fn an_executor_that_is_stopped_is_an_error_and_ends_with_its_session() {
    let remote = child();
    remote.set_patience(std::time::Duration::from_secs(2));
    let id = remote.process_id();
    Fixtures::new("remote-stop").tool(&["kill", "-s", "STOP", &id.to_string()]);
    let error = remote.open_image("any").expect_err("it is stopped");
    assert!(error.to_string().ends_with("its process has said nothing for 2 seconds"), "{error}");
    drop(remote);
    assert!(!std::path::Path::new(&format!("/proc/{id}")).exists());
}

#[test]
fn an_executor_ends_with_a_session_that_is_killed_while_its_program_runs() {
    let fixtures = Fixtures::new("remote-killed");
    fixtures.c(
        "sleeps.o",
        "#include <stdio.h>\n#include <unistd.h>\n
         int main(void) { printf(\"%d\\n\", (int)getpid()); fflush(stdout); for (;;) pause(); }",
    );
    let mut command = fixtures.command(&["run", "--executor", "child", "sleeps.o"]);
    let mut session = command.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut line = String::new();
    BufReader::new(session.stdout.take().expect("a pipe")).read_line(&mut line).expect("the program prints");
    let executor: u32 = line.trim().parse().expect("a number");
    session.kill().expect("it is our child");
    session.wait().expect("it is our child");
    let is_there = || std::path::Path::new(&format!("/proc/{executor}")).exists();
    for _ in 0..200 {
        if !is_there() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("process {executor} is still there");
}

/// Programs speak over standard input and output with their session, and have others.
#[test]
fn executors_serve_over_standard_input_and_output() {
    let fixtures = Fixtures::new("remote-stdio");
    fixtures.c(
        "talks.o",
        "#include <stdio.h>\n#include <stdlib.h>
         static void at_exit(void) { puts(\"atexit\"); }
         int main(int argc, char **argv) {
             atexit(at_exit);
             printf(\"%s %d\\n\", argv[1], getchar());
             return system(\"echo from elsewhere; cat\") + 6;
         }",
    );
    let linkjit = env!("CARGO_BIN_EXE_linkjit");
    // Sockets, and a pipe.
    for command in [format!("'{linkjit}' executor --stdio"), format!("'{linkjit}' executor --stdio | cat")] {
        let mut command =
            fixtures.command(&["run", "--executor", &format!("exec:{command}"), "talks.o", "--", "hello"]);
        let outcome = Outcome::run(command.env(Token::VARIABLE, "of others"));
        assert_eq!(outcome.out, "");
        let mut said: Vec<_> = outcome.err.lines().collect();
        said.sort_unstable();
        assert_eq!(said, ["atexit", "from elsewhere", "hello -1"]);
        assert!(matches!(outcome.code, Some(6 | 0)), "{:?}", outcome.code);
    }
    // Shells have more than commands.
    fixtures.c("looks.o", "#include <stdlib.h>\nint main(void) { return atoi(getenv(\"A\")) + atoi(getenv(\"B\")); }");
    let executor = format!("exec:B=4; export B && A=5 '{linkjit}' executor --stdio");
    assert_eq!(fixtures.linkjit(&["run", "--executor", &executor, "looks.o"]).code, Some(9));
    let fails = |command: &str| {
        let outcome = fixtures.linkjit(&["run", "--executor", &format!("exec:{command}"), "talks.o"]);
        assert_eq!(outcome.code, Some(1));
        outcome.headline().to_owned()
    };
    let gone = "linkjit: error: the process that runs linked code is gone: ";
    // Even if it has ended since.
    for command in ["echo hello from a profile", "sh -c 'echo hello from a profile; cat'"] {
        assert_eq!(fails(command), format!("{gone}the peer does not speak linkjit's protocol"));
    }
    assert_eq!(fails("sh -c 'exit 3'"), format!("{gone}its process has exited with code 3"));
    assert!(fails("no-such-command").contains("no-such-command"), "the shell says so");
}

/// Libraries get names from the program whatever their size.
#[test]
fn large_libraries_find_the_program() {
    let fixtures = Fixtures::new("remote-large");
    fixtures.shared("libplugin.so", "int callback(int); int run(int x) { return callback(x); }");
    fixtures.c(
        "opens.o",
        "#include <dlfcn.h>
         int callback(int x) { return x + 1; }
         int main(void) {
             void *plugin = dlopen(\"./libplugin.so\", RTLD_NOW);
             int (*run)(int) = plugin ? (int (*)(int))dlsym(plugin, \"run\") : 0;
             return run ? run(6) : 1;
         }",
    );
    let library = std::fs::File::options().write(true).open(fixtures.path("libplugin.so")).expect("it was made");
    // More than a frame has. The end of a file is nobody's.
    library.set_len(64 << 20).expect("it takes no space");
    let outcome = fixtures.linkjit(&["run", "--executor", "child", "opens.o"]);
    assert_eq!((outcome.code, &*outcome.err), (Some(7), ""));
}
