//! Backtraces of linked programs that are killed by a signal or an exception, and reports about it to whoever wants them.

#[cfg(unix)]
mod unix;
#[cfg(windows_x86_64)]
mod windows;

use std::sync::OnceLock;

use linkjit_target::ExecAddr;

/// A crash of a program.
#[derive(Clone, Copy, Debug)]
pub struct Crash<'a> {
    /// The name of the signal; on Windows, of the exception that nobody has handled (`EXCEPTION_ACCESS_VIOLATION`).
    pub signal: &'static str,
    /// The address that could not be accessed, if it was for that.
    pub address: Option<ExecAddr>,
    /// The instruction, then the addresses that calls return to, as far as they are known.
    pub frames: &'a [ExecAddr],
}

/// A function that is told of a crash. It runs in a signal handler, so it takes no memory and no lock that it waits for.
pub type Tell = fn(&Crash<'_>);

static TELL: OnceLock<Tell> = OnceLock::new();

/// Has `tell` told when the program crashes, before [`print_backtraces`] says so: first with what is certain, and again
/// when all frames are known. Nobody else may be told already.
pub fn tell(tell: Tell) {
    // The first one stays.
    let _taken = TELL.set(tell);
}

/// From now on a program that crashes (`SIGSEGV`, `SIGABRT` and the like) says on standard error where: the addresses
/// of its frames, one a line, as `#0 0x00007f0123456789`. Then it ends as it would have. For processes that run one
/// program; a program's own handlers take precedence. The thread that calls this says so even when its stack is used
/// up. Windows says so itself; there only those are told who want to be.
pub fn print_backtraces() {
    #[cfg(unix)]
    unix::install();
    #[cfg(windows_x86_64)]
    windows::install();
}

/// The name of a signal of this system.
#[cfg(unix)]
#[must_use]
pub fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGSYS => "SIGSYS",
        libc::SIGXCPU => "SIGXCPU",
        _ => return None,
    })
}
