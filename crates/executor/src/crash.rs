//! Backtraces of linked programs that are killed by a signal.

/// From now on a program that crashes (`SIGSEGV`, `SIGABRT` and the like) says on standard error where: the addresses
/// of its frames, one a line, as `#0 0x00007f0123456789`. Then it ends as it would have. For processes that run one
/// program; a program's own handlers take precedence. The thread that calls this says so even when its stack is used
/// up. On Windows nothing changes: the system reports crashes itself.
pub fn print_backtraces() {
    #[cfg(unix)]
    unix::install();
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

#[cfg(unix)]
mod unix {
    use std::ffi::{c_int, c_void};
    use std::io::{Cursor, Write};
    use std::mem::MaybeUninit;
    use std::ptr::null_mut;
    use std::sync::atomic::{AtomicPtr, Ordering};

    const SIGNALS: [c_int; 6] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT, libc::SIGTRAP];

    /// "Itanium C++ ABI: Exception Handling", 1.1.2: `_URC_NO_REASON`, go on; `_URC_END_OF_STACK`, stop.
    const NO_REASON: c_int = 0;
    const END_OF_STACK: c_int = 5;

    /// A program that has used up its stack has more frames than anybody reads.
    const MOST_FRAMES: u32 = 256;

    unsafe extern "C" {
        fn _Unwind_Backtrace(step: extern "C" fn(*mut c_void, *mut c_void) -> c_int, frames: *mut c_void) -> c_int;
        fn _Unwind_GetIP(context: *mut c_void) -> usize;
    }

    /// Walking frames takes more than the stacks for signals that Rust makes.
    const STACK_SIZE: usize = 1 << 16;

    /// The stack for signals.
    static STACK: AtomicPtr<u8> = AtomicPtr::new(null_mut());

    pub(super) fn install() {
        let stack: &'static mut [u8] = Box::leak(vec![0; STACK_SIZE].into_boxed_slice());
        // The kernel knows it, and where leak checkers look it must be, too.
        STACK.store(stack.as_mut_ptr(), Ordering::Relaxed);
        let stack = libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: stack.len() };
        // SAFETY: this memory is nobody else's, for ever. Without it the thread keeps the stack it has.
        let _kept = unsafe { libc::sigaltstack(&raw const stack, null_mut()) };
        let mut action = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: all zeros is an action: the default one.
        let action = unsafe { action.assume_init_mut() };
        action.sa_sigaction = handle as extern "C" fn(c_int) as *const () as usize;
        // The handler is for the first signal only.
        action.sa_flags = libc::SA_ONSTACK | libc::SA_RESETHAND | libc::SA_NODEFER;
        for signal in SIGNALS {
            // SAFETY: the action is sound, and the handler may be called at any time. A signal that can't be handled is
            // not.
            let _unhandled = unsafe { libc::sigaction(signal, action, null_mut()) };
        }
    }

    extern "C" fn handle(signal: c_int) {
        let mut frames = 0u32;
        // SAFETY: the frames of this thread are described, or the walk ends where they are not.
        let _ended = unsafe { _Unwind_Backtrace(step, (&raw mut frames).cast()) };
        // SAFETY: the signal has its default action again, which is what is wanted.
        let _ends = unsafe { libc::raise(signal) };
    }

    extern "C" fn step(context: *mut c_void, frames: *mut c_void) -> c_int {
        // SAFETY: it is the counter that the walk was begun with, and nobody else's meanwhile.
        let frames = unsafe { &mut *frames.cast::<u32>() };
        // SAFETY: the context is that of the frame, for the time of this call.
        let address = unsafe { _Unwind_GetIP(context) };
        // No memory is allocated: the heap may be what is broken.
        let mut line = Cursor::new([0; 32]);
        if writeln!(line, "#{frames} {address:#018x}").is_ok() {
            let length = line.position() as usize;
            // SAFETY: the bytes are initialized. Nobody is left to tell if this fails.
            let _written = unsafe { libc::write(libc::STDERR_FILENO, line.get_ref().as_ptr().cast(), length) };
        }
        *frames += 1;
        if *frames < MOST_FRAMES { NO_REASON } else { END_OF_STACK }
    }
}
