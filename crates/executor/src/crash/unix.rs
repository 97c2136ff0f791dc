//! Signals that end the process.

use std::ffi::{c_int, c_uint, c_void};
use std::io::{Cursor, Write};
use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

use linkjit_target::ExecAddr;

use super::{Crash, TELL};

const SIGNALS: [c_int; 6] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT, libc::SIGTRAP];

/// "Itanium C++ ABI: Exception Handling", 1.1.2: `_URC_NO_REASON`, go on; `_URC_END_OF_STACK`, stop.
const NO_REASON: c_int = 0;
const END_OF_STACK: c_int = 5;

/// A program that has used up its stack has more frames than anybody reads.
const MOST_FRAMES: u32 = 256;

/// Others than people are told of so many.
const TOLD_FRAMES: usize = 32;

/// Seconds after which a handler that does not come to an end is ended.
const PATIENCE: c_uint = 10;

/// Codes of signals from here on are not of faults at addresses.
const SI_KERNEL: c_int = 0x80;

unsafe extern "C" {
    fn _Unwind_Backtrace(step: extern "C" fn(*mut c_void, *mut c_void) -> c_int, frames: *mut c_void) -> c_int;
    fn _Unwind_GetIPInfo(context: *mut c_void, is_exact: *mut c_int) -> usize;
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
    action.sa_sigaction = handle as extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) as *const () as usize;
    // The handler is for the first signal only.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESETHAND | libc::SA_NODEFER;
    for signal in SIGNALS {
        // SAFETY: the action is sound, and the handler may be called at any time. A signal that can't be handled is
        // not.
        let _unhandled = unsafe { libc::sigaction(signal, action, null_mut()) };
    }
}

/// The frames of the thread that crashes.
struct Walk {
    count: u32,
    /// Those from the instruction on that the signal has interrupted.
    interrupted: Option<usize>,
    frames: [ExecAddr; TOLD_FRAMES],
}

extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // The walk looks at memory that may be broken, and may wait for ever for locks of other threads.
    // SAFETY: nothing is left that another handler or alarm of this process would be for.
    unsafe { libc::signal(libc::SIGALRM, libc::SIG_DFL) };
    // SAFETY: as above.
    unsafe { libc::alarm(PATIENCE) };
    // SAFETY: the kernel passes information on the signal.
    let address = unsafe { address(signal, info) };
    let known = |frames: &[ExecAddr]| {
        if let Some(tell) = TELL.get() {
            tell(&Crash { signal: super::signal_name(signal).unwrap_or("a signal"), address, frames });
        }
    };
    // SAFETY: the kernel passes the context of the thread.
    let instruction = unsafe { instruction(context) };
    known(instruction.as_slice());
    let mut walk = Walk { count: 0, interrupted: None, frames: [ExecAddr::NULL; TOLD_FRAMES] };
    // SAFETY: the frames of this thread are described, or the walk ends where they are not.
    let _ended = unsafe { _Unwind_Backtrace(step, (&raw mut walk).cast()) };
    if let Some(interrupted) = walk.interrupted {
        known(&walk.frames[..interrupted]);
    }
    // SAFETY: the signal has its default action again, which is what is wanted.
    let _ends = unsafe { libc::raise(signal) };
}

/// The address that an instruction could not access.
///
/// # Safety
/// The information must be that which a handler of the signal gets.
unsafe fn address(signal: c_int, info: *const libc::siginfo_t) -> Option<ExecAddr> {
    // SAFETY: the caller's promise.
    let info = unsafe { info.as_ref() }?;
    // Others are sent by processes, or the kernel does not know the address.
    let is_fault = matches!(signal, libc::SIGSEGV | libc::SIGBUS) && (1..SI_KERNEL).contains(&info.si_code);
    // SAFETY: faults have one.
    is_fault.then(|| ExecAddr(unsafe { info.si_addr() } as u64))
}

/// The instruction that the signal has interrupted.
///
/// # Safety
/// It must be the context that a handler gets.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
unsafe fn instruction(context: *mut c_void) -> Option<ExecAddr> {
    // SAFETY: the caller's promise.
    let context = unsafe { context.cast::<libc::ucontext_t>().as_ref() }?;
    Some(ExecAddr(context.uc_mcontext.gregs[libc::REG_RIP as usize].cast_unsigned()))
}

/// Here only the walk knows.
///
/// # Safety
/// None.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
unsafe fn instruction(_context: *mut c_void) -> Option<ExecAddr> {
    None
}

extern "C" fn step(context: *mut c_void, walk: *mut c_void) -> c_int {
    // SAFETY: it is what the walk was begun with, and nobody else's meanwhile.
    let walk = unsafe { &mut *walk.cast::<Walk>() };
    let mut is_exact = 0;
    // SAFETY: the context is that of the frame, for the time of this call.
    let address = unsafe { _Unwind_GetIPInfo(context, &raw mut is_exact) };
    // No memory is allocated: the heap may be what is broken.
    let mut line = Cursor::new([0; 32]);
    if writeln!(line, "#{} {address:#018x}", walk.count).is_ok() {
        let length = line.position() as usize;
        // SAFETY: the bytes are initialized. Nobody is left to tell if this fails.
        let _written = unsafe { libc::write(libc::STDERR_FILENO, line.get_ref().as_ptr().cast(), length) };
    }
    // The frames before are the handler's; that of the interrupted function is no call's.
    let next = walk.interrupted.or((is_exact != 0).then_some(0));
    if let Some((next, frame)) = next.and_then(|next| Some((next, walk.frames.get_mut(next)?))) {
        *frame = ExecAddr(address as u64);
        walk.interrupted = Some(next + 1);
    }
    walk.count += 1;
    if walk.count < MOST_FRAMES { NO_REASON } else { END_OF_STACK }
}
