//! Arrays of objects with constructors and destructors, for which Microsoft's compiler calls the functions here (`eh
//! vector constructor iterator` and its kin). If a constructor throws, they destroy the elements that are constructed.
//! Functions without `eh` are for code that was compiled without exceptions.

use std::ffi::{c_int, c_void};
use std::mem::transmute;

use windows_sys::Win32::System::Diagnostics::Debug::EXCEPTION_RECORD;

use crate::ExecAddr;

pub(super) fn symbol(name: &[u8]) -> Option<ExecAddr> {
    // Behind the kind come the types: void *, size_t twice (a source before them, for copies), then functions, which may
    // return something or be noexcept.
    const TYPES: &[u8] = b"@YAXPEAX_K1P6A";
    const COPY_TYPES: &[u8] = b"@YAXPEAX0_K1P6A";
    let functions: [(&[u8], &[u8], *const ()); 10] = [
        (b"??_L", TYPES, construct::<false> as *const ()),
        (b"??_N", TYPES, construct::<true> as *const ()),
        (b"??_M", TYPES, destroy::<false> as *const ()),
        (b"??_H", TYPES, construct_plainly::<false> as *const ()),
        (b"??_J", TYPES, construct_plainly::<true> as *const ()),
        (b"??_I", TYPES, destroy_plainly as *const ()),
        (b"??__C", COPY_TYPES, copy::<false> as *const ()),
        (b"??__D", COPY_TYPES, copy::<true> as *const ()),
        (b"??__G", COPY_TYPES, copy_plainly::<false> as *const ()),
        (b"??__H", COPY_TYPES, copy_plainly::<true> as *const ()),
    ];
    let is_it = |(kind, types, _): &&(&[u8], &[u8], *const ())| {
        name.strip_prefix(*kind).is_some_and(|rest| rest.starts_with(types))
    };
    functions.iter().find(is_it).map(|(.., function)| ExecAddr(*function as u64))
}

/// The state of work on an array. It lies in the frames below, in this order, 32 bytes above their end.
#[repr(C)]
struct Array {
    start: *mut u8,
    /// Of an element, in bytes.
    size: usize,
    /// The array has this many elements in the end.
    count: usize,
    /// `void (*)(void *)`, with a second argument for those that copy or have virtual bases.
    constructor: *const (),
    /// `void (*)(void *)`.
    destructor: *const (),
    /// The elements are copied from here.
    source: *mut u8,
    /// This many elements are constructed just now, from the start on.
    constructed: usize,
}

/// The array is here in a frame: above what the functions that it calls may use.
const ARRAY: usize = 32;

type OnElement = extern "C-unwind" fn(*mut u8, *mut u8, *mut u8);

/// Constructors of classes with virtual bases are told this behind their other arguments: to construct these, too.
const WITH_BASES: *mut u8 = std::ptr::without_provenance_mut(1);

/// Calls the constructors, for copies with the source's elements. Functions ignore arguments that they do not have.
unsafe extern "C-unwind" fn run_constructors<const COPIES: bool, const HAS_BASES: bool>(array: *mut Array) {
    // SAFETY: the compiler calls with an array.
    let array = unsafe { &mut *array };
    // SAFETY: its constructor, but for arguments.
    let constructor = unsafe { transmute::<*const (), OnElement>(array.constructor) };
    let bases = if HAS_BASES { WITH_BASES } else { std::ptr::null_mut() };
    while array.constructed < array.count {
        let offset = array.constructed * array.size;
        let second = if COPIES { array.source.wrapping_add(offset) } else { bases };
        constructor(array.start.wrapping_add(offset), second, bases);
        array.constructed += 1;
    }
}

/// Destroys what is constructed, last first. An element is gone once its destructor is called, though that may throw.
unsafe extern "C-unwind" fn run_destructors(array: *mut Array) {
    // SAFETY: the frames below pass theirs.
    let array = unsafe { &mut *array };
    // SAFETY: as above.
    let destructor = unsafe { transmute::<*const (), extern "C-unwind" fn(*mut u8)>(array.destructor) };
    while let Some(left) = array.constructed.checked_sub(1) {
        array.constructed = left;
        destructor(array.start.wrapping_add(left * array.size));
    }
}

/// The handler of the frames below: when one is left by an exception, what is constructed of its array is destroyed.
unsafe extern "C" fn handler(
    record: *const EXCEPTION_RECORD,
    frame: *mut c_void,
    _context: *mut c_void,
    _dispatcher: *mut c_void,
) -> c_int {
    const UNWINDING: u32 = 2 | 4;
    const CONTINUE_SEARCH: c_int = 1;
    // SAFETY: the system passes a valid record.
    let flags = unsafe { (*record).ExceptionFlags };
    if flags & UNWINDING != 0 {
        // SAFETY: the frame is that of one of the functions below.
        unsafe { run_destructors(frame.wrapping_byte_add(ARRAY).cast()) };
    }
    CONTINUE_SEARCH
}

/// A function that puts its arguments into an array of its frame and has `target` do the rest. Its frame takes 88
/// bytes, so that arguments beyond the fourth begin at 128. `HAS_BASES` says that the elements have virtual bases.
macro_rules! on_array {
    ($($(#[$doc:meta])* $name:ident -> $target:path: $($line:literal),*;)*) => {$(
        $(#[$doc])*
        #[unsafe(naked)]
        unsafe extern "C-unwind" fn $name<const HAS_BASES: bool>() {
            std::arch::naked_asm!(
                ".seh_proc {name}",
                ".seh_handler {handler}, @unwind",
                "sub rsp, 88",
                ".seh_stackalloc 88",
                ".seh_endprologue",
                "mov [rsp + 32], rcx",
                "mov qword ptr [rsp + 80], 0",
                $($line,)*
                "lea rcx, [rsp + 32]",
                "call {target}",
                // Else the return address would be in the epilogue, which has no handlers.
                "nop",
                "add rsp, 88",
                "ret",
                ".seh_endproc",
                name = sym $name::<HAS_BASES>,
                handler = sym handler,
                target = sym $target,
            )
        }
    )*};
}

on_array! {
    /// `(array, size, count, constructor, destructor)`
    construct -> run_constructors::<false, HAS_BASES>:
        "mov [rsp + 40], rdx", "mov [rsp + 48], r8", "mov [rsp + 56], r9",
        "mov rax, [rsp + 128]", "mov [rsp + 64], rax";
    /// `(array, source, size, count, constructor, destructor)`
    copy -> run_constructors::<true, HAS_BASES>:
        "mov [rsp + 72], rdx", "mov [rsp + 40], r8", "mov [rsp + 48], r9",
        "mov rax, [rsp + 128]", "mov [rsp + 56], rax",
        "mov rax, [rsp + 136]", "mov [rsp + 64], rax";
    /// `(array, size, count, destructor)`. If a destructor throws, the elements before it are destroyed nevertheless.
    destroy -> run_destructors:
        "mov [rsp + 40], rdx", "mov [rsp + 80], r8", "mov [rsp + 64], r9";
}

/// An array whose constructors and destructors are called without a frame that sees to exceptions.
fn plain(start: *mut u8, source: *mut u8, size: usize, count: usize, function: *const ()) -> Array {
    Array { start, size, count, constructor: function, destructor: function, source, constructed: 0 }
}

unsafe extern "C-unwind" fn construct_plainly<const HAS_BASES: bool>(
    start: *mut u8,
    size: usize,
    count: usize,
    constructor: *const (),
) {
    let mut array = plain(start, std::ptr::null_mut(), size, count, constructor);
    // SAFETY: the compiler calls with an array.
    unsafe { run_constructors::<false, HAS_BASES>(&raw mut array) };
}

unsafe extern "C-unwind" fn copy_plainly<const HAS_BASES: bool>(
    start: *mut u8,
    source: *mut u8,
    size: usize,
    count: usize,
    constructor: *const (),
) {
    let mut array = plain(start, source, size, count, constructor);
    // SAFETY: the compiler calls with an array.
    unsafe { run_constructors::<true, HAS_BASES>(&raw mut array) };
}

unsafe extern "C-unwind" fn destroy_plainly(start: *mut u8, size: usize, count: usize, destructor: *const ()) {
    let mut array = plain(start, std::ptr::null_mut(), size, count, destructor);
    array.constructed = count;
    // SAFETY: the compiler calls with an array, all of which is constructed.
    unsafe { run_destructors(&raw mut array) };
}
