//! Writing into the static thread-local storage of every thread.
//!
//! Only a thread itself knows where its storage is. So each thread gets a signal, and the handler writes.
//!
//! New threads are initialized from the template, which is written before. A thread that was in the making then, its
//! storage initialized but not yet started, is seen only if it starts before the last look at the list of threads;
//! glibc offers no way to close this gap.

use std::collections::HashSet;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::os::unix::fs::MetadataExt;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::thread_pointer;
use crate::os::system_error;
use crate::{ExecutorError, Result};

/// The other threads have this long.
const PATIENCE: Duration = Duration::from_secs(2);

/// The list of threads is looked at this many times. More than once for the sake of those that were in the making; not
/// until there are no new ones, which may never be.
const LOOKS: usize = 3;

/// A directory for each thread of the process.
const TASKS: &str = "/proc/self/task";

/// The handler finds here what to do; it is null when there is nothing.
static REQUEST: AtomicPtr<Request<'static>> = AtomicPtr::new(null_mut());

/// So many handlers may be using `REQUEST`.
static HANDLERS: AtomicUsize = AtomicUsize::new(0);

struct Request<'a> {
    thread_offset: i64,
    bytes: &'a [u8],
    threads: Vec<Target>,
}

struct Target {
    thread: libc::pid_t,
    taken: AtomicBool,
    done: AtomicBool,
}

/// Writes `bytes` at an offset from the thread pointer that lies within our static TLS in all threads. One at a time:
/// the caller holds the reserve's lock.
pub(super) fn write_in_all_threads(thread_offset: i64, bytes: &[u8]) -> Result<()> {
    write_in_this_thread(thread_offset, bytes);
    if is_only_thread() {
        return Ok(());
    }
    let mut known = HashSet::from([own_thread()]);
    let mut signal = None;
    for _ in 0..LOOKS {
        let new: Vec<_> = threads()?.into_iter().filter(|thread| known.insert(*thread)).collect();
        if new.is_empty() {
            break;
        }
        let signal = match &signal {
            Some(signal) => signal,
            None => signal.insert(Signal::install()?),
        };
        signal.ask(thread_offset, bytes, &new)?;
    }
    if let Some(signal) = signal {
        signal.uninstall();
    }
    Ok(())
}

fn write_in_this_thread(thread_offset: i64, bytes: &[u8]) {
    let place = thread_pointer().wrapping_add_signed(thread_offset) as *mut u8;
    // SAFETY: within this thread's copy of the reserve, in a part that no code uses yet.
    unsafe { place.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
}

/// The calling thread's id. May be called in a signal handler.
fn own_thread() -> libc::pid_t {
    // SAFETY: no preconditions. glibc before 2.30 has no function for it.
    let thread = unsafe { libc::syscall(libc::SYS_gettid) };
    thread as libc::pid_t
}

/// Says whether there is no other thread. All but two of the directory's links are threads; on a system that counts
/// otherwise the answer is no.
pub(super) fn is_only_thread() -> bool {
    std::fs::metadata(TASKS).is_ok_and(|tasks| tasks.nlink() == 3)
}

/// The threads of the process.
fn threads() -> Result<Vec<libc::pid_t>> {
    let tasks = std::fs::read_dir(TASKS).map_err(|error| ExecutorError::NoFixedTls {
        why: format!("the threads of the process can't be listed: {TASKS}: {error}"),
    })?;
    Ok(tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok()).collect())
}

/// A realtime signal that nobody else uses, with our handler installed.
struct Signal {
    number: c_int,
    /// An earlier request has left the handler installed, for a thread that may take its signal yet.
    is_awaited: bool,
}

impl Signal {
    fn install() -> Result<Self> {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: all fields may be zero.
        let action = unsafe { action.assume_init_mut() };
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
        // Another handler must not interrupt ours: if it left by longjmp, we would wait for ours forever.
        // SAFETY: a set of signals to be filled.
        unsafe { libc::sigfillset(&raw mut action.sa_mask) };
        let free = (libc::SIGRTMIN()..=libc::SIGRTMAX() - 3).rev().find_map(|number| {
            let mut old = MaybeUninit::<libc::sigaction>::zeroed();
            // SAFETY: asks only; `old` is a place for the answer.
            let result = unsafe { libc::sigaction(number, std::ptr::null(), old.as_mut_ptr()) };
            // SAFETY: zeroed, and perhaps filled in.
            let old = unsafe { old.assume_init() }.sa_sigaction;
            let is_awaited = old == action.sa_sigaction;
            (result == 0 && (old == libc::SIG_DFL || is_awaited)).then_some(Self { number, is_awaited })
        });
        let signal = free.ok_or_else(|| ExecutorError::NoFixedTls {
            why: "the program uses all realtime signals, and linkjit needs one".into(),
        })?;
        // SAFETY: the handler does only what a signal handler may.
        if unsafe { libc::sigaction(signal.number, &raw const *action, null_mut()) } == 0 {
            Ok(signal)
        } else {
            Err(system_error("sigaction", "updating thread-local storage"))
        }
    }

    /// Undoes `install` after all threads have answered. A signal that came later would end the process.
    fn uninstall(self) {
        if !self.is_awaited {
            // SAFETY: the default action, as it was before.
            unsafe { libc::signal(self.number, libc::SIG_DFL) };
        }
    }

    /// Has `threads` write, and waits until they have.
    fn ask(&self, thread_offset: i64, bytes: &[u8], threads: &[libc::pid_t]) -> Result<()> {
        let target = |thread: &libc::pid_t| Target {
            thread: *thread,
            taken: AtomicBool::new(false),
            done: AtomicBool::new(false),
        };
        let request = Request { thread_offset, bytes, threads: threads.iter().map(target).collect() };
        REQUEST.store((&raw const request).cast_mut().cast(), Ordering::SeqCst);
        let result = self.send_and_wait(&request.threads);
        REQUEST.store(null_mut(), Ordering::SeqCst);
        // A handler that has got hold of the request counts; from now on none can get hold of it.
        while HANDLERS.load(Ordering::SeqCst) > 0 {
            std::thread::yield_now();
        }
        result
    }

    fn send_and_wait(&self, threads: &[Target]) -> Result<()> {
        let mut pending: Vec<&Target> = threads.iter().filter(|target| send(target.thread, self.number)).collect();
        let start = Instant::now();
        loop {
            let waited = start.elapsed();
            pending.retain(|target| !target.done.load(Ordering::Acquire));
            if waited > Duration::from_millis(1) {
                pending.retain(|target| is_alive(target.thread));
            }
            let Some(Target { thread, .. }) = pending.first() else { return Ok(()) };
            if waited > PATIENCE {
                let name = std::fs::read_to_string(format!("{TASKS}/{thread}/comm")).unwrap_or_default();
                let (name, signal) = (name.trim_end(), self.number);
                let why =
                    format!("thread {thread} ({name}) does not handle signal {signal}, which would update its storage");
                return Err(ExecutorError::NoFixedTls { why });
            }
            std::thread::sleep(Duration::from_micros(if waited < Duration::from_millis(1) { 10 } else { 500 }));
        }
    }
}

/// Sends a signal to a thread; says whether there is such a thread.
fn send(thread: libc::pid_t, signal: c_int) -> bool {
    // SAFETY: no preconditions.
    let process = unsafe { libc::getpid() };
    // SAFETY: no preconditions; the signal is handled.
    unsafe { libc::syscall(libc::SYS_tgkill, process, thread, signal) == 0 }
}

/// Says whether a thread will still run. One that has ended stays listed if it was the process's first.
fn is_alive(thread: libc::pid_t) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("{TASKS}/{thread}/stat")) else { return false };
    // `id (name) state ...`, and a name may contain anything.
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

extern "C" fn handler(_signal: c_int, _info: *mut libc::siginfo_t, _context: *mut c_void) {
    HANDLERS.fetch_add(1, Ordering::SeqCst);
    // SAFETY: null or a request that stays until no handler counts.
    if let Some(request) = unsafe { REQUEST.load(Ordering::SeqCst).as_ref() } {
        let own = own_thread();
        if let Some(target) = request.threads.iter().find(|target| target.thread == own)
            // A signal that is late from an earlier request makes this a second time, when code may run already.
            && !target.taken.swap(true, Ordering::Relaxed)
        {
            write_in_this_thread(request.thread_offset, request.bytes);
            target.done.store(true, Ordering::Release);
        }
    }
    HANDLERS.fetch_sub(1, Ordering::SeqCst);
}
