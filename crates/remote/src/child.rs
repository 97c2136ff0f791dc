//! [`Child`]: an executor that the session starts.

use std::io;
use std::process::{Command, ExitStatus};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use linkjit_executor::Result;

use crate::connection::lock;
use crate::{Remote, Token, Transport, disconnected};

/// A process that does not end when it is told to is killed after this.
const PATIENCE: Duration = Duration::from_secs(2);

/// An executor's process that the session has started.
#[derive(Debug)]
pub struct Child {
    process: Mutex<std::process::Child>,
    id: u32,
}

impl Child {
    /// Starts `command` with two arguments more, `--fd N`: the number of its end of a pair of sockets, over which it must
    /// [serve](crate::serve). `linkjit executor` is such a command. Standard input, output and error are the command's.
    ///
    /// # Errors
    /// If it can't be started, or does not serve.
    #[cfg(unix)]
    pub fn start(mut command: Command) -> Result<Remote> {
        use std::os::fd::OwnedFd;
        use std::os::unix::net::UnixStream;

        use command_fds::{CommandFdExt, FdMapping};

        /// The first that a process does not have already.
        const CHILD_FD: i32 = 3;

        let program = command.get_program().to_string_lossy().into_owned();
        let failed = |error: io::Error| disconnected(format!("{program} can't be started: {error}"));
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        command.arg("--fd").arg(CHILD_FD.to_string());
        let mapping = FdMapping { parent_fd: OwnedFd::from(theirs), child_fd: CHILD_FD };
        command.fd_mappings(vec![mapping]).map_err(|error| failed(io::Error::other(error)))?;
        let process = command.spawn().map_err(failed)?;
        // The other end of the pair is with it.
        drop(command);
        let id = process.id();
        let transport = Transport::unix(ours).map_err(failed)?;
        Remote::connect_to(transport, &Token::none(), Some(Self { process: Mutex::new(process), id }))
    }

    /// The number of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Kills it. What waits for it gets an error.
    ///
    /// # Errors
    /// If the system does not let us.
    pub fn kill(&self) -> io::Result<()> {
        lock(&self.process).kill()
    }

    /// How it has ended, if it has, or does in a moment.
    pub(crate) fn how_it_ended(&self) -> Option<String> {
        Some(describe(self.wait_for(Duration::from_millis(500))?))
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
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until it has ended; returns its exit code.
    pub(crate) fn wait(&self) -> Result<i32> {
        let status = lock(&self.process).wait().map_err(|error| disconnected(error.to_string()))?;
        status.code().ok_or_else(|| disconnected(describe(status)))
    }

    /// Waits until it has ended, but not long: then it is killed.
    pub(crate) fn end(&self) {
        if self.wait_for(PATIENCE).is_none() {
            let mut process = lock(&self.process);
            // It may have ended meanwhile.
            let _ended = process.kill();
            let _status = process.wait();
        }
    }
}

fn describe(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("its process was ended by signal {signal}");
    }
    match status.code() {
        Some(code) => format!("its process has exited with code {code}"),
        None => "its process has ended".into(),
    }
}
