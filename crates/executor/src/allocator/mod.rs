//! A program's own allocator, which serves the loaded libraries, too: definitions of `malloc` and its kin, and of C++'s
//! operators `new` and `delete`.

#[cfg(glibc_x86_64)]
mod elf;
#[cfg(glibc_x86_64)]
pub(crate) use elf::*;

#[cfg(not(glibc_x86_64))]
mod unsupported;
#[cfg(not(glibc_x86_64))]
pub(crate) use unsupported::*;

/// The index of a function's name in [`NAMES`], if it is one of an allocator's.
#[cfg(glibc)]
pub(crate) fn index(name: &[u8]) -> Option<usize> {
    // Most names end here.
    if !matches!(name.first(), Some(b'_' | b'm' | b'c' | b'r' | b'a' | b'p' | b'v' | b'f')) || name.len() < 4 {
        return None;
    }
    NAMES.iter().position(|other| other.as_bytes() == name)
}

/// The functions by which a program of ELF replaces the process's allocator.
#[cfg_attr(windows, allow(dead_code, reason = "an image of Windows replaces nobody else's"))]
pub(crate) const NAMES: [&str; 34] = [
    "malloc",
    "calloc",
    "realloc",
    "reallocarray",
    "memalign",
    "aligned_alloc",
    "posix_memalign",
    "valloc",
    "pvalloc",
    "free",
    "cfree",
    "free_sized",
    "free_aligned_sized",
    "malloc_usable_size",
    "_Znwm",
    "_Znam",
    "_ZnwmRKSt9nothrow_t",
    "_ZnamRKSt9nothrow_t",
    "_ZnwmSt11align_val_t",
    "_ZnamSt11align_val_t",
    "_ZnwmSt11align_val_tRKSt9nothrow_t",
    "_ZnamSt11align_val_tRKSt9nothrow_t",
    "_ZdlPv",
    "_ZdaPv",
    "_ZdlPvm",
    "_ZdaPvm",
    "_ZdlPvRKSt9nothrow_t",
    "_ZdaPvRKSt9nothrow_t",
    "_ZdlPvSt11align_val_t",
    "_ZdaPvSt11align_val_t",
    "_ZdlPvmSt11align_val_t",
    "_ZdaPvmSt11align_val_t",
    "_ZdlPvSt11align_val_tRKSt9nothrow_t",
    "_ZdaPvSt11align_val_tRKSt9nothrow_t",
];
