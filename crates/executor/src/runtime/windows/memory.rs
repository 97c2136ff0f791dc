//! `operator new` and `operator delete` of Microsoft's ABI, over the C runtime's allocator.

use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::sync::OnceLock;

use super::{library_function, needed_function};
use crate::ExecAddr;

pub(super) fn symbol(name: &[u8]) -> Option<ExecAddr> {
    let address = match name {
        // (size); arrays.
        b"??2@YAPEAX_K@Z" | b"??_U@YAPEAX_K@Z" => new as *const (),
        // (size, const nothrow_t &)
        b"??2@YAPEAX_KAEBUnothrow_t@std@@@Z" | b"??_U@YAPEAX_KAEBUnothrow_t@std@@@Z" => new_or_null as *const (),
        // (size, align_val_t)
        b"??2@YAPEAX_KW4align_val_t@std@@@Z" | b"??_U@YAPEAX_KW4align_val_t@std@@@Z" => new_aligned as *const (),
        b"??2@YAPEAX_KW4align_val_t@std@@AEBUnothrow_t@1@@Z"
        | b"??_U@YAPEAX_KW4align_val_t@std@@AEBUnothrow_t@1@@Z" => new_aligned_or_null as *const (),
        // (pointer), (pointer, size), (pointer, const nothrow_t &)
        b"??3@YAXPEAX@Z"
        | b"??3@YAXPEAX_K@Z"
        | b"??3@YAXPEAXAEBUnothrow_t@std@@@Z"
        | b"??_V@YAXPEAX@Z"
        | b"??_V@YAXPEAX_K@Z"
        | b"??_V@YAXPEAXAEBUnothrow_t@std@@@Z"
        | b"?__global_delete@@YAXPEAX_K@Z"
        | b"?__global_delete@@YAXPEAX@Z" => return library_function(c"free"),
        // (pointer, align_val_t), (pointer, size, align_val_t), (pointer, align_val_t, const nothrow_t &)
        b"??3@YAXPEAXW4align_val_t@std@@@Z"
        | b"??3@YAXPEAX_KW4align_val_t@std@@@Z"
        | b"??3@YAXPEAXW4align_val_t@std@@AEBUnothrow_t@1@@Z"
        | b"??_V@YAXPEAXW4align_val_t@std@@@Z"
        | b"??_V@YAXPEAX_KW4align_val_t@std@@@Z"
        | b"??_V@YAXPEAXW4align_val_t@std@@AEBUnothrow_t@1@@Z" => return library_function(c"_aligned_free"),
        _ => return None,
    };
    Some(ExecAddr(address as u64))
}

/// The allocator of the C runtime.
#[derive(Clone, Copy)]
struct Allocator {
    malloc: extern "C" fn(usize) -> *mut c_void,
    aligned_malloc: extern "C" fn(usize, usize) -> *mut c_void,
    /// Calls the program's new handler; zero if there is none.
    call_new_handler: extern "C-unwind" fn(usize) -> c_int,
}

fn allocator() -> Allocator {
    static ALLOCATOR: OnceLock<Allocator> = OnceLock::new();
    *ALLOCATOR.get_or_init(|| Allocator {
        // SAFETY: the function has this type.
        malloc: unsafe { needed_function(c"malloc") },
        // SAFETY: the function has this type.
        aligned_malloc: unsafe { needed_function(c"_aligned_malloc") },
        // SAFETY: the function has this type.
        call_new_handler: unsafe { needed_function(c"_callnewh") },
    })
}

/// Allocates with the help of the program's new handler, which may throw.
fn allocate(size: usize, allocate: impl Fn(&Allocator) -> *mut c_void) -> *mut c_void {
    let allocator = allocator();
    loop {
        let place = allocate(&allocator);
        if !place.is_null() {
            return place;
        }
        if (allocator.call_new_handler)(size) == 0 {
            return null_mut();
        }
    }
}

/// Throws `std::bad_alloc`.
fn bad_alloc() -> *mut c_void {
    // SAFETY: the function has this type.
    let throw: extern "C-unwind" fn() = unsafe { needed_function(c"?_Xbad_alloc@std@@YAXXZ") };
    throw();
    null_mut()
}

extern "C-unwind" fn new(size: usize) -> *mut c_void {
    let place = new_or_null(size);
    if place.is_null() { bad_alloc() } else { place }
}

extern "C-unwind" fn new_or_null(size: usize) -> *mut c_void {
    allocate(size, |allocator| (allocator.malloc)(size.max(1)))
}

extern "C-unwind" fn new_aligned(size: usize, align: usize) -> *mut c_void {
    let place = new_aligned_or_null(size, align);
    if place.is_null() { bad_alloc() } else { place }
}

extern "C-unwind" fn new_aligned_or_null(size: usize, align: usize) -> *mut c_void {
    allocate(size, |allocator| (allocator.aligned_malloc)(size.max(1), align))
}
