//! Calls that come on a small stack: that of a thread that was made with little, of a signal handler, of a coroutine. A
//! function may need a few kilobytes; linking it takes more, and so do initializers that run for it. So the thread goes to
//! a larger stack meanwhile. It stays the same thread, which is what counts for the loader's lock, for initializers, for
//! thread-local variables, and for those who wait for it.
//!
//! Other calls stay where they are: garbage collectors look for a thread's frames on the stack that they know.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::{null, null_mut};

use crate::{ExecAddr, os, stacks};

/// A stack that has so many bytes left is large enough.
const ENOUGH: usize = 512 << 10;

/// The size of a stack of ours, which is that of most first threads. Only pages that are touched take memory.
const SIZE: usize = 8 << 20;

thread_local! {
    /// The stack that the thread began with, once it was asked for.
    static OWN: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// A function that is called on another stack.
struct Call<'a> {
    function: &'a dyn Fn() -> ExecAddr,
    /// The stack of the signal handler that calls, and the signals that were blocked in it.
    handler: Option<(libc::stack_t, libc::sigset_t)>,
    result: std::thread::Result<ExecAddr>,
}

/// Calls a function on a stack that is large enough. Panics pass.
pub(super) fn with_room(function: &dyn Fn() -> ExecAddr) -> ExecAddr {
    let handler = stack_of_handler();
    if handler.is_none() && is_enough() {
        return function();
    }
    // Without memory for another stack, this one may do.
    let Some(stack) = Stack::new() else { return function() };
    // A signal that comes between a change of stacks and the change of what the system knows of them would be handled
    // where there are frames.
    let handler = handler.map(|stack| (stack, block_signals()));
    let mut call = Call { function, handler, result: Ok(ExecAddr::NULL) };
    // SAFETY: the stack is large and nobody else's, and the call is there until this returns.
    unsafe { on_stack(&raw mut call, run, stack.top()) };
    if let Some((_, signals)) = &call.handler {
        set_blocked(signals);
    }
    drop(stack);
    call.result.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Runs on the other stack. Nothing may unwind from here.
extern "C" fn run(call: *mut Call<'_>) {
    // SAFETY: `with_room` has it, and waits.
    let call = unsafe { &mut *call };
    let function = call.function;
    let Some((stack, signals)) = &call.handler else {
        call.result = catch_unwind(AssertUnwindSafe(function));
        return;
    };
    // The system sees that this is not the stack for signal handlers, and would use that for the next one, from its
    // beginning, where the frames of this handler are. Handlers run on this stack meanwhile.
    let none = libc::stack_t { ss_sp: null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
    set_stack_of_handlers(&none);
    set_blocked(signals);
    call.result = catch_unwind(AssertUnwindSafe(function));
    block_signals();
    set_stack_of_handlers(&libc::stack_t { ss_flags: stack.ss_flags & !libc::SS_ONSTACK, ..*stack });
}

/// Says whether the thread is on its own stack, and has enough of it.
fn is_enough() -> bool {
    let place = 0_u8;
    let here = (&raw const place).addr();
    let own = own();
    // Nobody knows how large a stack is that the system does not tell of.
    own.is_empty() || own.contains(&here) && here - own.start >= ENOUGH
}

/// The stack that the thread began with; empty if the system doesn't tell.
fn own() -> Range<usize> {
    let (start, end) = OWN.get();
    if start != end {
        return start..end;
    }
    let mut attributes = MaybeUninit::uninit();
    // SAFETY: it takes nothing.
    let thread = unsafe { libc::pthread_self() };
    // SAFETY: it initializes the attributes if there is no error.
    if unsafe { libc::pthread_getattr_np(thread, attributes.as_mut_ptr()) } != 0 {
        return 0..0;
    }
    let (mut start, mut size) = (null_mut(), 0);
    // SAFETY: the attributes are there, and it writes two words.
    let failed = unsafe { libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut start, &raw mut size) } != 0;
    // SAFETY: the attributes are there, and ours.
    unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
    if failed {
        return 0..0;
    }
    OWN.set((start.addr(), start.addr() + size));
    start.addr()..start.addr() + size
}

/// The stack for signal handlers, if one runs there that calls.
fn stack_of_handler() -> Option<libc::stack_t> {
    let mut stack = MaybeUninit::uninit();
    // SAFETY: it writes the stack if there is no error.
    let failed = unsafe { libc::sigaltstack(null(), stack.as_mut_ptr()) } != 0;
    // SAFETY: it was written.
    let stack = (!failed).then(|| unsafe { stack.assume_init() });
    stack.filter(|stack| stack.ss_flags & libc::SS_ONSTACK != 0)
}

fn set_stack_of_handlers(stack: &libc::stack_t) {
    // SAFETY: no stack, or the one that there was, and no handler runs on it that knows of this one.
    let _changed = unsafe { libc::sigaltstack(stack, null_mut()) };
}

/// Blocks all signals; returns those that were blocked.
fn block_signals() -> libc::sigset_t {
    let mut all = MaybeUninit::uninit();
    // SAFETY: it initializes the set.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    let mut before = MaybeUninit::zeroed();
    // SAFETY: both sets are there.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) };
    // SAFETY: it was initialized, and all zeros is a set, too.
    unsafe { before.assume_init() }
}

fn set_blocked(signals: &libc::sigset_t) {
    // SAFETY: the set is one.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, signals, null_mut()) };
}

/// Memory for a stack, with a page below it that nobody can touch.
struct Stack {
    start: *mut u8,
}

impl Stack {
    fn new() -> Option<Self> {
        let code = if stacks::are_executable() { libc::PROT_EXEC } else { 0 };
        let protection = libc::PROT_READ | libc::PROT_WRITE | code;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
        // SAFETY: new memory, at an address that the system chooses.
        let start = unsafe { libc::mmap(null_mut(), SIZE, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return None;
        }
        // SAFETY: a part of the new memory. If it can't be protected, nothing ends at its end.
        let _protected = unsafe { libc::mprotect(start, os::page_size() as usize, libc::PROT_NONE) };
        Some(Self { start: start.cast() })
    }

    /// Where the stack begins: aligned, as memory of the system is.
    fn top(&self) -> *mut u8 {
        self.start.wrapping_add(SIZE)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the memory is ours, and no frame is on it any more.
        unsafe { libc::munmap(self.start.cast(), SIZE) };
    }
}

/// Calls `run` with `call`, on the stack that begins at `top`.
///
/// # Safety
/// The stack must be large enough and nobody else's, and `run` may be called so.
#[unsafe(naked)]
unsafe extern "C" fn on_stack(call: *mut Call<'_>, run: extern "C" fn(*mut Call<'_>), top: *mut u8) {
    std::arch::naked_asm!(
        ".cfi_startproc",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        // The caller's frame is where rbp says, on the other stack.
        ".cfi_def_cfa_register rbp",
        "mov rsp, rdx",
        "call rsi",
        "mov rsp, rbp",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_endproc",
    );
}
