//! Finds out whether memory that nobody has marked belongs to the C library: the program's allocator may have it from
//! the kernel, by system calls of its own code.
//!
//! This relies on glibc's `malloc/malloc.c` and `malloc/arena.c`: in front of the user's memory are two words, of which
//! the second is the chunk's size and three flags. The main heap is the program break's; those of other arenas begin at
//! multiples of 64 MiB with their arena's address, the preceding heap's, and two sizes; large chunks are mappings of
//! their own.

use std::ffi::c_int;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

const IS_MAPPED: u64 = 2;
const IN_OTHER_ARENA: u64 = 4;
const FLAGS: u64 = 7;

/// Two words in front of what the user gets.
const HEADER: u64 = 16;

const PAGE: u64 = 4096;

/// Size and alignment of the heaps of other arenas.
const HEAP: u64 = 64 << 20;

/// The process's allocator is the C library's: only then chunks look as described.
static IS_KNOWN: AtomicBool = AtomicBool::new(false);

/// The program break began here.
static BREAK: OnceLock<u64> = OnceLock::new();

/// Tells whether the process's allocator is the C library's.
pub(super) fn set_known(is_known: bool) {
    BREAK.get_or_init(initial_break);
    IS_KNOWN.store(is_known, Ordering::Release);
}

/// Says whether what begins at `address`, and is not marked, belongs to the allocator that the process had.
pub(super) fn has(address: u64) -> bool {
    if !IS_KNOWN.load(Ordering::Acquire) {
        return true;
    }
    // SAFETY: asks for the end.
    let end = unsafe { libc::sbrk(0) } as u64;
    if BREAK.get().is_some_and(|start| (*start..end).contains(&address)) {
        return true;
    }
    if !address.is_multiple_of(HEADER) || address < PAGE {
        return false;
    }
    let Some([before, size]) = read(address - HEADER) else { return false };
    let (size, flags) = (size & !FLAGS, size & FLAGS);
    if flags & IS_MAPPED != 0 {
        // What is aligned further than usual lies within its mapping: the first word says how far.
        let start = (address - HEADER).wrapping_sub(before);
        return start.is_multiple_of(PAGE)
            && before.wrapping_add(size).is_multiple_of(PAGE)
            && (PAGE..1 << 47).contains(&size)
            && before < size;
    }
    if flags & IN_OTHER_ARENA == 0 {
        return false;
    }
    let heap = address & !(HEAP - 1);
    let Some([arena, _]) = read(heap) else { return false };
    let Some([heap_size, _]) = read(heap + HEADER) else { return false };
    arena.is_multiple_of(8)
        && arena >= PAGE
        && heap_size.is_multiple_of(PAGE)
        && heap_size <= HEAP
        && size >= 2 * HEADER
        && (address - HEADER - heap).checked_add(size).is_some_and(|end| end <= heap_size)
}

/// Two words of this process, if they can be read: of a page of which `address` may be no part, but what is asked
/// about.
fn read(address: u64) -> Option<[u64; 2]> {
    if !address.is_multiple_of(HEADER) || !is_readable(address) {
        return None;
    }
    // SAFETY: aligned, and readable a moment ago. Nobody unmaps memory that is about to be freed, nor what a heap begins
    // with as long as there are chunks in it.
    Some(unsafe { std::ptr::read_volatile(address as *const [u64; 2]) })
}

/// Says whether eight bytes can be read. The kernel reads the set of signals before it finds that the operation is
/// none: an address that is not readable is another error.
fn is_readable(address: u64) -> bool {
    const NO_OPERATION: c_int = -1;
    let errno = crate::os::last_error();
    // SAFETY: changes nothing, as the operation is not valid.
    let result = unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, NO_OPERATION, address, std::ptr::null_mut::<libc::sigset_t>(), 8usize)
    };
    let is_fault = result != 0 && crate::os::last_error() == libc::EFAULT;
    crate::os::set_last_error(errno);
    !is_fault
}

/// Returns where the break began: field 47 of `/proc/self/stat` (proc(5)); if the kernel does not tell, where it is now.
fn initial_break() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program, in parentheses, may contain anything.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let start = fields.split_whitespace().nth(44).and_then(|field| field.parse().ok()).filter(|start| *start != 0);
    // SAFETY: asks for the end.
    start.unwrap_or_else(|| unsafe { libc::sbrk(0) } as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test asks for all kinds of memory that the C library gives out.
    #[test]
    fn chunks_of_the_c_library_are_told_from_raw_memory() {
        set_known(true);
        // SAFETY: allocates.
        let allocate = |align: usize, size: usize| unsafe { libc::memalign(align, size) } as u64;
        let check_all_kinds = |where_: &str| {
            for (align, size) in
                [(16, 24), (16, 100_000), (16, 50 << 20), (4096, 100), (4096, 3 << 20), (1 << 21, 9 << 20)]
            {
                let chunk = allocate(align, size);
                assert!(has(chunk), "{where_}: {size} bytes aligned to {align} at {chunk:#x}");
                // SAFETY: allocated above.
                unsafe { libc::free(chunk as *mut libc::c_void) };
            }
        };
        check_all_kinds("first thread");
        // Threads have arenas of their own.
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| check_all_kinds("another thread"));
            }
        });
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping.
        let raw = unsafe { libc::mmap(std::ptr::null_mut(), 1 << 16, protection, flags, -1, 0) } as u64;
        for offset in [0, 16, 32, 4096, 4112, 8] {
            assert!(!has(raw + offset), "{offset}");
        }
        for size in [24u64, 48, 4096, 100_000] {
            // SAFETY: within the mapping.
            unsafe { ((raw + 8) as *mut u64).write(size) };
            assert!(!has(raw + 16), "behind a header that says {size}");
        }
    }
}
