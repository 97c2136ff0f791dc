//! `linkjit executor`, which serves a session of another process, and the other end: executors for `linkjit run`.

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use linkjit::executor::{ExecutorError, InProcess, ObjectFormat, crash, exit_code};
use linkjit_remote::{Child, Outcome, Remote, Token, Transport, start_under_wine};

use crate::args::{ExecutorKind, ExecutorOptions, Item, Place, RunOptions, Stream};
use crate::inputs;
use crate::report::Failure;

/// The reader of standard error gets it within that time.
const PATIENCE: Duration = Duration::from_secs(1);

/// Serves one session; returns the exit code.
pub(crate) fn serve(options: &ExecutorOptions) -> Result<i32, Failure> {
    let served = serve_stream(options);
    #[cfg(unix)]
    remove_socket();
    served.map_err(|error| Failure::Serving(error.to_string()))?;
    Ok(0)
}

fn serve_stream(options: &ExecutorOptions) -> io::Result<Outcome> {
    let token = token(options)?;
    // Before anything is loaded that looks for standard input and output, and before sockets can't be made any more.
    let stream = Open::new(&options.stream)?;
    if let Some(scratch) = &options.sandbox {
        // Before there are other threads.
        linkjit_remote::confine(scratch)?;
    }
    let executor = Arc::new(InProcess::new().map_err(io::Error::other)?);
    crash::print_backtraces();
    exit_code::end_at_interrupts();
    // The command that has started a child says more.
    let is_child = options.stream.fd.is_some() || options.stream.connect.is_some();
    // Threads may be in linked code, and need a session that is gone.
    let lost = move |why: &str| {
        // First: if nobody reads what is said, to say it may end the process.
        #[cfg(unix)]
        remove_socket();
        if !is_child {
            let why = format!("the session is gone: {why}");
            let (said, is_said) = mpsc::channel::<()>();
            // Perhaps nobody reads, and this process is to end.
            let _speaks = thread::Builder::new().spawn(move || {
                say(&why);
                drop(said);
            });
            let _late = is_said.recv_timeout(PATIENCE);
        }
        exit_code::exit_now(crate::FAILURE)
    };
    let refused = |why: &io::Error| say(&format!("refused a connection: {why}"));
    match stream {
        Open::Connected(transport) => linkjit_remote::serve_with(transport, &token, executor, lost),
        Open::Presents(mut transport) => {
            linkjit_remote::present(&mut transport, &token)?;
            linkjit_remote::serve_with(transport, &token, executor, lost)
        }
        Open::Tcp(listener) => {
            let accept = move || Transport::tcp(listener.accept()?.0);
            linkjit_remote::serve_first(accept, &token, executor, refused, lost)
        }
        #[cfg(unix)]
        Open::Unix(listener) => {
            exit_code::decide_at_exit(remove_socket);
            let accept = move || Transport::unix(listener.accept()?.0);
            linkjit_remote::serve_first(accept, &token, executor, refused, lost)
        }
    }
}

/// Says something to whoever reads standard error, if somebody does.
fn say(what: &str) {
    let _unheard = writeln!(io::stderr(), "linkjit executor: {what}");
}

/// A stream that the session is at the other end of, or comes to.
enum Open {
    Connected(Transport),
    /// The session wants to know first that this is its executor.
    Presents(Transport),
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

impl Open {
    fn new(stream: &Stream) -> io::Result<Self> {
        match stream {
            Stream { stdio: true, .. } => Transport::stdio().map(Self::Connected),
            Stream { connect: Some(address), .. } => {
                let connected = TcpStream::connect(address).and_then(Transport::tcp);
                connected.map(Self::Presents).map_err(at(format_args!("tcp:{address}")))
            }
            Stream { tcp: Some(address), .. } => {
                let listener = TcpListener::bind(address).map_err(at(format_args!("tcp:{address}")))?;
                say(&format!("listening at tcp:{}", listener.local_addr()?));
                Ok(Self::Tcp(listener))
            }
            #[cfg(unix)]
            Stream { unix: Some(path), .. } => {
                let listener = UnixListener::bind(path).map_err(at(format_args!("unix:{}", path.display())))?;
                // The program may end this process, and nobody else takes the socket away.
                _ = SOCKET.set(path.into());
                say(&format!("listening at unix:{}", path.display()));
                Ok(Self::Unix(listener))
            }
            #[cfg(unix)]
            Stream { fd: Some(fd), .. } => Transport::inherited(*fd).map(Self::Connected),
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no such streams")),
        }
    }
}

/// The socket that this process listens at.
#[cfg(unix)]
static SOCKET: std::sync::OnceLock<std::path::PathBuf> = std::sync::OnceLock::new();

/// Removes the socket; leaves the exit code as it is.
#[cfg(unix)]
fn remove_socket() -> Option<std::ffi::c_int> {
    // Another may have removed it, as is usual for sockets that are found.
    let _removed = std::fs::remove_file(SOCKET.get()?);
    None
}

/// Says where an error was.
fn at(place: impl std::fmt::Display) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{place}: {error}"))
}

fn token(options: &ExecutorOptions) -> io::Result<Token> {
    let is_private = options.stream.fd.is_some() || options.stream.stdio;
    match (&options.token_file, Token::from_environment()) {
        (Some(path), _) => Token::from_file(path).map_err(at(path.display())),
        // Nobody else can connect to it. The environment's token is for others.
        (None, _) if is_private => Ok(Token::none()),
        (None, Some(token)) => Ok(token),
        (None, None) => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("whoever connects needs a token: put one into ${} or a file (--token-file)", Token::VARIABLE),
        )),
    }
}

/// Starts the executor that is asked for, or that the inputs need, or connects to it; `None` if the program runs in this
/// process. `scratch` is the directory that a sandbox may write in, if it is to be one.
pub(crate) fn start(options: &RunOptions, scratch: Option<&Path>) -> Result<Option<Arc<Remote>>, Failure> {
    if let Some(scratch) = scratch {
        return Ok(Some(Arc::new(sandboxed(scratch)?)));
    }
    match &options.executor {
        Some(kind) => start_as(kind),
        None if need_wine(options.items.iter().filter_map(Item::file)) => {
            // Wine takes long to start for what it can't run.
            inputs::check(options.items.iter().filter_map(Item::file))?;
            start_as(&ExecutorKind::Wine)
        }
        None => Ok(None),
    }
}

/// Returns whether inputs are for Windows, and this is another system.
pub(crate) fn need_wine<'a>(inputs: impl Iterator<Item = &'a Path>) -> bool {
    ObjectFormat::HOST != ObjectFormat::Coff && inputs::format(inputs) == Some(ObjectFormat::Coff)
}

/// Starts an executor of this kind, or connects to it; `None` if it is this process.
pub(crate) fn start_as(kind: &ExecutorKind) -> Result<Option<Arc<Remote>>, Failure> {
    let remote = match kind {
        ExecutorKind::InProcess => return Ok(None),
        ExecutorKind::Child => {
            let this = this_program()?;
            child(&this)?
        }
        ExecutorKind::Program(path) if cfg!(unix) && path.extension().is_some_and(|extension| extension == "exe") => {
            start_under_wine(Some(path), |_| {})?
        }
        ExecutorKind::Program(path) => child(path)?,
        ExecutorKind::Command(command) => Child::start_over_stdio(shell(command)).map_err(linkjit::Error::from)?,
        ExecutorKind::Wine => start_under_wine(None, |_| {})?,
        ExecutorKind::At(place) => {
            let token = Token::from_environment().unwrap_or_default();
            let none = |error: io::Error| Failure::NoExecutor { place: place.to_string(), why: error.to_string() };
            let transport = connect(place).map_err(none)?;
            Remote::connect(transport, &token).map_err(linkjit::Error::from)?
        }
    };
    Ok(Some(Arc::new(remote)))
}

fn this_program() -> linkjit::Result<PathBuf> {
    Ok(std::env::current_exe().map_err(|error| gone(&error))?)
}

/// A child that is confined.
fn sandboxed(scratch: &Path) -> linkjit::Result<Remote> {
    let mut command = Command::new(this_program()?);
    command.args(["executor", "--sandbox"]).arg(scratch).env("TMPDIR", scratch);
    Ok(Child::start(command)?)
}

fn child(program: &Path) -> linkjit::Result<Remote> {
    let mut command = Command::new(program);
    command.arg("executor");
    Ok(Child::start(command)?)
}

/// A command for the shell, which makes way for it if it is a simple one.
#[cfg(unix)]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]);
    shell
}

#[cfg(windows)]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("cmd");
    // It takes the outermost quotation marks away, and no others. A command of the user that it begins with might print something.
    std::os::windows::process::CommandExt::raw_arg(&mut shell, format!("/D /S /C \"{command}\""));
    shell
}

fn connect(place: &Place) -> io::Result<Transport> {
    match place {
        Place::Tcp(address) => Transport::tcp(TcpStream::connect(address)?),
        #[cfg(unix)]
        Place::Unix(path) => Transport::unix(UnixStream::connect(path)?),
        #[cfg(not(unix))]
        Place::Unix(_) => Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no Unix sockets")),
    }
}

fn gone(error: &io::Error) -> ExecutorError {
    ExecutorError::Disconnected { why: error.to_string() }
}

/// Has the process of an executor exit as that of a program does; returns its exit code.
pub(crate) fn finish(remote: &Remote, code: i32) -> linkjit::Result<i32> {
    Ok(remote.exit(code)?.unwrap_or(code))
}

/// Ends a program that can't go on, as its `exit` would: what it has printed is not lost. Removes `scratch`, the directory that
/// its sandbox has, if it is in one.
pub(crate) fn fail(remote: Option<&Remote>, scratch: Option<&Path>) -> ! {
    if let Some(remote) = remote {
        let _ended = remote.exit(crate::FAILURE);
    }
    // The thread that runs the program may have been faster.
    let _removed = scratch.map(std::fs::remove_dir_all);
    std::process::exit(crate::FAILURE)
}

/// The end of a program's process that the session did not ask for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ended {
    /// As it wanted to, or its user, with this exit code.
    AsWanted(i32),
    /// By a crash. As a shell does, the exit code says which.
    Crashed(i32),
}

/// Returns how a program has ended its process, if this error says that the process is gone.
pub(crate) fn ended(remote: &Remote, error: &linkjit::Error) -> Option<Ended> {
    use linkjit::Error::Executor;
    use linkjit::executor::ExecutorError::{Crashed, Disconnected};

    if !matches!(error, Executor(Disconnected { .. } | Crashed { .. })) || remote.has_given_up() {
        return None;
    }
    let status = remote.exit_status()?;
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        let is_wanted = linkjit_host::signals::ENDING.contains(&signal);
        return Some(if is_wanted { Ended::AsWanted(128 + signal) } else { Ended::Crashed(128 + signal) });
    }
    let code = status.code()?;
    // A program for Windows under Wine, which nothing but a signal of this system has ended.
    #[cfg(unix)]
    let code = match linkjit_host::signals::passed_on() {
        Some(signal) if is_of_windows(remote) && code == ended_by(signal) => 128 + signal,
        _ => code,
    };
    Some(if matches!(error, Executor(Crashed { .. })) { Ended::Crashed(code) } else { Ended::AsWanted(code) })
}

#[cfg(unix)]
fn is_of_windows(remote: &Remote) -> bool {
    linkjit::executor::Executor::target(remote).format == ObjectFormat::Coff
}

/// The exit code with which a signal ends a program under Wine that does not handle it.
#[cfg(unix)]
fn ended_by(signal: i32) -> i32 {
    /// `SIGINT` is an interrupt there. The lower eight bits of a status are the exit code here.
    const INTERRUPT: i32 = 2;

    if signal == INTERRUPT { exit_code::INTERRUPTED & 0xff } else { 0 }
}

/// Has the program's process get the signals that are meant for the program.
#[cfg(target_os = "linux")]
pub(crate) fn pass_signals_on(remote: &Remote) -> Option<linkjit_host::signals::Passing> {
    // If they can't be passed on, they end this process, and the program's with it.
    remote.child()?.while_running(linkjit_host::signals::pass_on)?.ok()
}

/// Both processes are told of what a user types.
#[cfg(not(target_os = "linux"))]
pub(crate) fn pass_signals_on(_remote: &Remote) -> Option<()> {
    None
}
