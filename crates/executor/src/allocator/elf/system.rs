//! Replacements for functions of the system in linked code when a program has its own allocator. Those that give memory
//! mark it as the program's; those that open libraries and find functions know both allocators.

use std::ffi::{CStr, c_char, c_int, c_long, c_void};

use super::functions::{self, OLD, PROGRAM};
use super::owned;
use crate::allocator::index;
use crate::runtime::dylibs;

/// Tells where a function is.
type StandIn = fn() -> u64;

/// Names of the system's functions, and what linked code gets for each.
pub(super) static STAND_INS: [(&str, StandIn); 18] = [
    ("mmap", || mmap as *const () as u64),
    ("mmap64", || mmap as *const () as u64),
    ("munmap", || munmap as *const () as u64),
    ("mremap", || mremap as *const () as u64),
    ("sbrk", || sbrk as *const () as u64),
    ("__sbrk", || sbrk as *const () as u64),
    ("brk", || brk as *const () as u64),
    ("syscall", || syscall as *const () as u64),
    ("dlsym", || dlsym as *const () as u64),
    ("dlvsym", || dlvsym as *const () as u64),
    ("dlopen", || dylibs::dlopen as *const () as u64),
    ("__libc_malloc", || functions::recorded(functions::MALLOC)),
    ("__libc_calloc", || functions::recorded(functions::CALLOC)),
    ("__libc_realloc", || functions::recorded(functions::REALLOC)),
    ("__libc_memalign", || functions::recorded(functions::MEMALIGN)),
    ("__libc_valloc", || functions::recorded(functions::VALLOC)),
    ("__libc_pvalloc", || functions::recorded(functions::PVALLOC)),
    ("__libc_free", || functions::recorded(functions::FREE)),
];

const PAGE: u64 = 4096;

fn pages(start: u64, size: u64) -> crate::ExecRange {
    owned::range(start, size.checked_next_multiple_of(PAGE).unwrap_or(u64::MAX))
}

unsafe extern "C" fn mmap(
    address: *mut c_void,
    size: usize,
    protection: c_int,
    flags: c_int,
    file: c_int,
    offset: i64,
) -> *mut c_void {
    // SAFETY: the caller's arguments.
    let result = unsafe { libc::mmap(address, size, protection, flags, file, offset) };
    mapped(result as i64, size);
    result
}

/// Marks what was mapped, if it was.
fn mapped(result: i64, size: usize) {
    if result != -1 {
        owned::mark(pages(result.cast_unsigned(), size as u64));
    }
}

unsafe extern "C" fn munmap(address: *mut c_void, size: usize) -> c_int {
    // Before: somebody else may get the addresses at once.
    let was = owned::contains(address as u64);
    owned::clear(pages(address as u64, size as u64));
    // SAFETY: the caller's arguments.
    let result = unsafe { libc::munmap(address, size) };
    if result != 0 && was {
        owned::mark(pages(address as u64, size as u64));
    }
    result
}

unsafe extern "C" fn mremap(
    address: *mut c_void,
    old_size: usize,
    size: usize,
    flags: c_int,
    target: *mut c_void,
) -> *mut c_void {
    let was = owned::contains(address as u64);
    owned::clear(pages(address as u64, old_size as u64));
    // SAFETY: the caller's arguments; the last one is ignored unless the flags say otherwise.
    let result = unsafe { libc::mremap(address, old_size, size, flags, target) };
    if result == libc::MAP_FAILED && was {
        owned::mark(pages(address as u64, old_size as u64));
    }
    mapped(result as i64, size);
    result
}

unsafe extern "C" fn sbrk(increment: isize) -> *mut c_void {
    if increment < 0 {
        // SAFETY: asks for the end.
        let end = unsafe { libc::sbrk(0) } as u64;
        let size = increment.unsigned_abs() as u64;
        owned::clear(owned::range(end.saturating_sub(size), size));
    }
    // SAFETY: the caller's argument.
    let result = unsafe { libc::sbrk(increment) };
    if increment > 0 && result as isize != -1 {
        owned::mark(owned::range(result as u64, increment as u64));
    }
    result
}

unsafe extern "C" fn brk(end: *mut c_void) -> c_int {
    // SAFETY: asks for the end.
    let before = unsafe { libc::sbrk(0) } as u64;
    owned::clear(owned::range(end as u64, before.saturating_sub(end as u64)));
    // SAFETY: the caller's argument.
    let result = unsafe { libc::brk(end) };
    if result == 0 {
        owned::mark(owned::range(before, (end as u64).saturating_sub(before)));
    }
    result
}

/// `syscall`: calls that give memory are looked at; all others pass without a trace, for some return twice.
#[unsafe(naked)]
unsafe extern "C" fn syscall() {
    std::arch::naked_asm!(
        "cmp rdi, {mmap}",
        "je 2f",
        "cmp rdi, {munmap}",
        "je 2f",
        "cmp rdi, {brk}",
        "je 2f",
        "cmp rdi, {mremap}",
        "je 2f",
        "jmp qword ptr [rip + {other}@GOTPCREL]",
        "2:",
        "jmp {memory}",
        mmap = const libc::SYS_mmap,
        munmap = const libc::SYS_munmap,
        brk = const libc::SYS_brk,
        mremap = const libc::SYS_mremap,
        other = sym libc::syscall,
        memory = sym memory_call,
    )
}

/// The system calls about memory. The last argument is on the stack, as it is for `syscall`.
unsafe extern "C" fn memory_call(number: c_long, a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> c_long {
    // SAFETY: asks for the end: below any, it changes nothing.
    let end = || unsafe { libc::syscall(libc::SYS_brk, 0) }.cast_unsigned();
    let before = if number == libc::SYS_brk { end() } else { 0 };
    match number {
        libc::SYS_munmap | libc::SYS_mremap => owned::clear(pages(a as u64, b as u64)),
        libc::SYS_brk if a != 0 => owned::clear(owned::range(a as u64, before.saturating_sub(a as u64))),
        _ => {}
    }
    // SAFETY: the caller's arguments.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    match number {
        libc::SYS_mmap => mapped(result, b),
        libc::SYS_mremap if result == -1 => owned::mark(pages(a as u64, b as u64)),
        libc::SYS_mremap => mapped(result, c),
        libc::SYS_brk if a != 0 => owned::mark(owned::range(before, end().saturating_sub(before))),
        _ => {}
    }
    result
}

dylibs::with_caller! {
    /// `dlsym` for linked code.
    dlsym -> dlsym_of: "rdx";
    /// `dlvsym` for linked code.
    dlvsym -> dlvsym_of: "rcx";
}

unsafe extern "C" fn dlsym_of(handle: *mut c_void, name: *const c_char, caller: u64) -> *mut c_void {
    let system = || {
        // SAFETY: the caller's arguments.
        let address = unsafe { libc::dlsym(handle, name) };
        // SAFETY: as above.
        unsafe { found(handle, name, address) }
    };
    // SAFETY: as above.
    unsafe { dylibs::find(handle, name, caller, &system) }
}

unsafe extern "C" fn dlvsym_of(
    handle: *mut c_void,
    name: *const c_char,
    version: *const c_char,
    caller: u64,
) -> *mut c_void {
    let system = |handle| {
        // SAFETY: the caller's arguments, but perhaps for the handle, which is a valid one.
        let address = unsafe { libc::dlvsym(handle, name, version) };
        // SAFETY: as above.
        unsafe { found(handle, name, address) }
    };
    // SAFETY: the caller's arguments.
    unsafe { dylibs::find_version(handle, name, version, caller, &system) }
}

/// Returns what the program is to get for what the loader has found.
///
/// # Safety
/// `name` must be a C string if something was found.
unsafe fn found(handle: *mut c_void, name: *const c_char, address: *mut c_void) -> *mut c_void {
    if address.is_null() {
        return address;
    }
    // SAFETY: the caller's promise.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes();
    let at = address as u64;
    let new = if let Some(index) = index(name) {
        let program = functions::load(&PROGRAM, index);
        if program != 0 && dylibs::is_of_program(handle) {
            program
        } else if at == functions::load(&OLD, index) {
            functions::recorded(index)
        } else {
            at
        }
    } else {
        STAND_INS.iter().find(|(other, _)| other.as_bytes() == name).map_or(at, |(_, stand_in)| stand_in())
    };
    new as *mut c_void
}
