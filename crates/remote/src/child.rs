//! [`Child`]: an executor that the session starts.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, ExitStatus};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

#[cfg(unix)]
use linkjit_executor::crash;
use linkjit_executor::{ExecutorError, Result};

use crate::connection::lock;
use crate::{Remote, Token, Transport, disconnected, greeting};

/// A process that does not end when it is told to is killed after this.
const PATIENCE: Duration = Duration::from_secs(2);

/// A process whose connection has ended ends soon.
const EXIT_PATIENCE: Duration = Duration::from_secs(20);

/// Wine takes some seconds when it starts for the first time, and so do people who are asked for passwords.
pub(crate) const START_PATIENCE: Duration = Duration::from_secs(120);

/// An executor's process that the session has started.
#[derive(Debug)]
pub struct Child {
    process: Mutex<std::process::Child>,
    id: u32,
    /// The process that has started it. Those that this one forks have nothing to do with it.
    parent: u32,
}

impl Child {
    /// Starts `command` with two arguments more, which say how it must [serve](crate::serve) this session: `--fd N` over a
    /// socket that it is started with, or as [`Child::start_over_tcp`] has it. `linkjit executor` is such a command.
    /// Standard input, output and error are the command's.
    ///
    /// # Errors
    /// If it can't be started, or does not serve.
    pub fn start(command: Command) -> Result<Remote> {
        #[cfg(unix)]
        return Self::start_with_socket(command);
        #[cfg(not(unix))]
        Self::start_over_tcp(command)
    }

    #[cfg(unix)]
    fn start_with_socket(mut command: Command) -> Result<Remote> {
        use std::os::fd::OwnedFd;
        use std::os::unix::net::UnixStream;

        use command_fds::{CommandFdExt, FdMapping};

        /// The first that a process does not have already.
        const CHILD_FD: i32 = 3;

        let failed = failure(&command);
        let (ours, theirs) = UnixStream::pair().map_err(&failed)?;
        // The token of this process, if it has one, is for others.
        command.arg("--fd").arg(CHILD_FD.to_string()).env_remove(Token::VARIABLE);
        let mapping = FdMapping { parent_fd: OwnedFd::from(theirs), child_fd: CHILD_FD };
        command.fd_mappings(vec![mapping]).map_err(|error| failed(io::Error::other(error)))?;
        let child = Self::spawn(&mut command).map_err(&failed)?;
        // The other end of the pair is with it.
        drop(command);
        let transport = Transport::unix(ours).map_err(&failed)?;
        Remote::connect_to(transport, &Token::none(), Some(child))
    }

    /// Starts `command` with the arguments `--connect ADDRESS`, where this process listens for it, and a token in the
    /// environment ([`Token::VARIABLE`]), with which it must [present itself](crate::present). This works where sockets can't
    /// be handed over: on Windows, and under Wine.
    ///
    /// # Errors
    /// As [`Child::start`].
    pub fn start_over_tcp(mut command: Command) -> Result<Remote> {
        let failed = failure(&command);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(&failed)?;
        listener.set_nonblocking(true).map_err(&failed)?;
        let address = listener.local_addr().map_err(&failed)?;
        let token = Token::random().map_err(&failed)?;
        command.arg("--connect").arg(address.to_string()).env(Token::VARIABLE, token.as_text());
        let child = Self::spawn(&mut command).map_err(&failed)?;
        let (presented, is_presented) = mpsc::channel();
        let start = Instant::now();
        loop {
            if let Ok(transport) = is_presented.try_recv() {
                return Remote::connect_to(transport, &token, Some(child));
            }
            if let Some(how) = child.how_it_ended_within(Duration::from_millis(1)) {
                return Err(disconnected(how));
            }
            if start.elapsed() > START_PATIENCE {
                return Err(failed(io::Error::new(io::ErrorKind::TimedOut, "it does not connect")));
            }
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).map_err(&failed)?;
                    let mut transport = Transport::tcp(stream).map_err(&failed)?;
                    let (token, presented) = (token.clone(), presented.clone());
                    // A process of this machine that does not know the token is a stranger, and nobody waits for that.
                    let admit = move || {
                        if greeting::admit(&mut transport, &token).is_ok() {
                            let _late = presented.send(transport);
                        }
                    };
                    thread::Builder::new().name("linkjit greeting".into()).spawn(admit).map_err(&failed)?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Starts `command`, which must serve this session over its standard input and output, as `linkjit executor --stdio` does:
    /// `ssh host linkjit executor --stdio` is such a command.
    ///
    /// # Errors
    /// As [`Child::start`].
    pub fn start_over_stdio(mut command: Command) -> Result<Remote> {
        let failed = failure(&command);
        // As above.
        command.env_remove(Token::VARIABLE);
        let (child, transport) = Self::spawn_with_stdio(command).map_err(failed)?;
        Remote::connect_to(transport, &Token::none(), Some(child))
    }

    /// Sockets, because they can be hung up, other than pipes; two, because the end of its output is the end of what it says,
    /// though others may still have its input.
    #[cfg(unix)]
    fn spawn_with_stdio(mut command: Command) -> io::Result<(Self, Transport)> {
        use std::os::fd::OwnedFd;
        use std::os::unix::net::UnixStream;

        let (writer, input) = UnixStream::pair()?;
        let (reader, output) = UnixStream::pair()?;
        command.stdin(OwnedFd::from(input)).stdout(OwnedFd::from(output));
        // The command has the other ends, and goes with them.
        Ok((Self::spawn(&mut command)?, Transport::unix_pair(reader, writer)?))
    }

    #[cfg(not(unix))]
    fn spawn_with_stdio(mut command: Command) -> io::Result<(Self, Transport)> {
        use std::fs::File;
        use std::os::windows::io::OwnedHandle;
        use std::process::Stdio;

        let child = Self::spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let ends = {
            let mut process = lock(&child.process);
            process.stdout.take().zip(process.stdin.take())
        };
        let (reader, writer) = ends.ok_or_else(|| io::Error::other("it has no pipes"))?;
        let (reader, writer) = (File::from(OwnedHandle::from(reader)), File::from(OwnedHandle::from(writer)));
        Ok((child, Transport::pipes(reader, writer)))
    }

    fn spawn(command: &mut Command) -> io::Result<Self> {
        let process = command.spawn()?;
        Ok(Self { id: process.id(), process: Mutex::new(process), parent: std::process::id() })
    }

    /// The number of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Tells `tell` the number of the process, which is no other's meanwhile; `None` if it has ended.
    pub fn while_running<T>(&self, tell: impl FnOnce(u32) -> T) -> Option<T> {
        let mut process = lock(&self.process);
        matches!(process.try_wait(), Ok(None)).then(|| tell(self.id))
    }

    /// Kills it. What waits for it gets an error.
    ///
    /// # Errors
    /// If the system does not let us.
    pub fn kill(&self) -> io::Result<()> {
        lock(&self.process).kill()
    }

    /// Returns how it has ended, if it has, or does in a moment.
    pub(crate) fn exit_status(&self) -> Option<ExitStatus> {
        self.wait_for(Duration::from_millis(500))
    }

    /// Returns how it has ended, if it has.
    pub(crate) fn has_ended(&self) -> Option<String> {
        lock(&self.process).try_wait().ok().flatten().map(describe)
    }

    pub(crate) fn how_it_ended(&self) -> Option<String> {
        self.exit_status().map(describe)
    }

    fn how_it_ended_within(&self, patience: Duration) -> Option<String> {
        Some(describe(self.wait_for(patience)?))
    }

    fn wait_for(&self, patience: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = lock(&self.process).try_wait().ok().flatten() {
                return Some(status);
            }
            if start.elapsed() > patience {
                return None;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until it has ended; returns its exit code.
    pub(crate) fn wait(&self) -> Result<i32> {
        // Others may want to kill it meanwhile.
        let status = self.wait_for(EXIT_PATIENCE).ok_or_else(|| disconnected("its process does not end"))?;
        status.code().ok_or_else(|| disconnected(describe(status)))
    }

    /// Waits until it has ended, but not long: then it is killed.
    pub(crate) fn end(&self) {
        if std::process::id() == self.parent && self.wait_for(PATIENCE).is_none() {
            let mut process = lock(&self.process);
            // It may have ended meanwhile.
            let _ended = process.kill();
            let _status = process.wait();
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // One that has not become an executor, or has just been told to end.
        self.end();
    }
}

/// The error of a command that did not become an executor.
fn failure(command: &Command) -> impl Fn(io::Error) -> ExecutorError + use<> {
    let program = command.get_program().to_string_lossy().into_owned();
    move |error| disconnected(format!("{program} can't be started: {error}"))
}

fn describe(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return match crash::signal_name(signal) {
            Some(name) => format!("its process was ended by {name}"),
            None => format!("its process was ended by signal {signal}"),
        };
    }
    match status.code() {
        Some(code) => format!("its process has exited with code {code}"),
        None => "its process has ended".into(),
    }
}
