//! The session of a kernel: the processes that compile and run inputs, and how they are interrupted and ended.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use linkjit_remote::{Child, Remote, start_under_wine};
use linkjit_repl::{Interrupt, Options, Repl, needs_wine, starter};

use crate::streams::Streams;

/// The command that serves as executor.
const PROGRAM: &str = if cfg!(windows) { "linkjit.exe" } else { "linkjit" };
/// Says where it is.
const VARIABLE: &str = "LINKJIT";

/// The way in which inputs are compiled and run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    pub(crate) target: Option<String>,
    pub(crate) libraries: Vec<String>,
    /// Arguments of clang.
    pub(crate) clang: Vec<OsString>,
}

/// What can be done with a session while it is busy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reins {
    remote: Arc<Mutex<Weak<Remote>>>,
    interrupt: Arc<Mutex<Option<Interrupt>>>,
    is_busy: Arc<AtomicBool>,
    was_interrupted: Arc<AtomicBool>,
}

impl Reins {
    /// Ends what the session does. It is left alone if it does nothing.
    pub(crate) fn interrupt(&self) {
        if self.is_busy.load(Ordering::SeqCst) {
            self.was_interrupted.store(true, Ordering::SeqCst);
            if let Some(interrupt) = &*lock(&self.interrupt) {
                interrupt.everything();
            }
        }
    }

    /// Ends the program's process.
    pub(crate) fn kill(&self) {
        let remote = lock(&self.remote).upgrade();
        if let Some(child) = remote.as_ref().and_then(|remote| remote.child()) {
            // It may have ended.
            let _gone = child.kill();
        }
    }

    /// The program's process; 0 if there is none.
    pub(crate) fn process(&self) -> u32 {
        let remote = lock(&self.remote).upgrade();
        remote.and_then(|remote| Some(remote.child()?.id())).unwrap_or(0)
    }

    /// Has interrupts end what `work` does. Returns its result, and whether there was one.
    pub(crate) fn while_busy<T>(&self, work: impl FnOnce() -> T) -> (T, bool) {
        self.was_interrupted.store(false, Ordering::SeqCst);
        self.is_busy.store(true, Ordering::SeqCst);
        let result = work();
        self.is_busy.store(false, Ordering::SeqCst);
        (result, self.was_interrupted.load(Ordering::SeqCst))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a session whose program has these streams.
pub(crate) fn start(setup: &Setup, streams: &Arc<Streams>, reins: &Reins) -> linkjit_repl::Result<Repl> {
    let options = Options {
        target: setup.target.clone(),
        color: true,
        mark: Some(streams.mark()),
        arguments: setup.clang.clone(),
        front_end: None,
        cache: linkjit_repl::cache_directory(),
    };
    let under_wine = needs_wine(setup.target.as_deref());
    let (streams, place) = (streams.clone(), reins.remote.clone());
    let connect = move || {
        let remote = Arc::new(executor(under_wine, &streams)?);
        *lock(&place) = Arc::downgrade(&remote);
        Ok(remote)
    };
    let mut repl = Repl::start(options, starter(setup.target.clone(), None, connect))?;
    *lock(&reins.interrupt) = Some(repl.interrupt());
    for library in &setup.libraries {
        if let Some(failure) = repl.add_library(&format!("-l{library}"))?.failure {
            return Err(linkjit_repl::Error::NoExecutor(failure.into()));
        }
    }
    Ok(repl)
}

fn executor(under_wine: bool, streams: &Streams) -> Result<Remote, Box<dyn std::error::Error + Send + Sync>> {
    if under_wine {
        let mut attached = Ok(());
        let remote = start_under_wine(None, |command| attached = streams.attach(command));
        attached?;
        return Ok(remote?);
    }
    let mut command = Command::new(program());
    command.arg("executor");
    streams.attach(&mut command)?;
    Ok(Child::start(command)?)
}

/// The command: beside this program, or in `$PATH`.
fn program() -> PathBuf {
    let beside = || std::env::current_exe().ok().map(|this| this.with_file_name(PROGRAM)).filter(|path| path.is_file());
    std::env::var_os(VARIABLE).map(PathBuf::from).or_else(beside).unwrap_or_else(|| PROGRAM.into())
}
