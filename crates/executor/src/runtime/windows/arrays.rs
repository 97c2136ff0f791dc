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
    const TYPES_OF_COPIES: &[u8] = b"@YAXPEAX0_K1P6A";
    let functions: [(&[u8], &[u8], *const ()); 10] = [
        (b"??_L", TYPES, construct as *const ()),
        (b"??_N", TYPES, construct_with_bases as *const ()),
        (b"??_M", TYPES, destroy as *const ()),
        (b"??_H", TYPES, construct_plainly as *const ()),
        (b"??_J", TYPES, construct_plainly_with_bases as *const ()),
        (b"??_I", TYPES, destroy_plainly as *const ()),
        (b"??__C", TYPES_OF_COPIES, copy as *const ()),
        (b"??__D", TYPES_OF_COPIES, copy_with_bases as *const ()),
        (b"??__G", TYPES_OF_COPIES, copy_plainly as *const ()),
        (b"??__H", TYPES_OF_COPIES, copy_plainly_with_bases as *const ()),
    ];
    let is_it = |(kind, types, _): &&(&[u8], &[u8], *const ())| {
        name.strip_prefix(*kind).is_some_and(|rest| rest.starts_with(types))
    };
    functions.iter().find(is_it).map(|(.., function)| ExecAddr(*function as u64))
}

/// What is being done to an array. It lies in the frames below, in this order, 32 bytes above their end.
#[repr(C)]
struct Array {
    start: *mut u8,
    /// Of an element, in bytes.
    size: usize,
    /// How many elements there are in the end.
    count: usize,
    /// `void (*)(void *)`, with a second argument for those that copy or have virtual bases.
    constructor: *const (),
    /// `void (*)(void *)`.
    destructor: *const (),
    /// What the elements are copied from.
    source: *mut u8,
    /// How many elements are constructed just now, from the start on.
    constructed: usize,
}

/// Where the array is in a frame: above what the functions that it calls may use.
const ARRAY: usize = 32;

type OnElement = extern "C-unwind" fn(*mut u8, *mut u8, *mut u8);

/// What constructors of classes with virtual bases are told behind their other arguments: to construct these, too.
const WITH_BASES: *mut u8 = std::ptr::without_provenance_mut(1);

/// Calls constructors with what `others` makes of an element's offset.
///
/// # Safety
/// The array must be one whose elements can be constructed so.
unsafe fn construct_all(array: *mut Array, others: impl Fn(usize) -> [*mut u8; 2]) {
    // SAFETY: the caller vouches for the array.
    let array = unsafe { &mut *array };
    // SAFETY: functions ignore arguments that they do not have.
    let constructor = unsafe { transmute::<*const (), OnElement>(array.constructor) };
    while array.constructed < array.count {
        let offset = array.constructed * array.size;
        let [second, third] = others(offset);
        constructor(array.start.wrapping_add(offset), second, third);
        array.constructed += 1;
    }
}

unsafe extern "C-unwind" fn run_constructors(array: *mut Array) {
    // SAFETY: the compiler calls with an array.
    unsafe { construct_all(array, |_| [std::ptr::null_mut(); 2]) };
}

unsafe extern "C-unwind" fn run_constructors_with_bases(array: *mut Array) {
    // SAFETY: the compiler calls with an array.
    unsafe { construct_all(array, |_| [WITH_BASES; 2]) };
}

unsafe extern "C-unwind" fn run_copies(array: *mut Array) {
    // SAFETY: the compiler calls with an array.
    let source = unsafe { (*array).source };
    // SAFETY: as above.
    unsafe { construct_all(array, |offset| [source.wrapping_add(offset), std::ptr::null_mut()]) };
}

unsafe extern "C-unwind" fn run_copies_with_bases(array: *mut Array) {
    // SAFETY: the compiler calls with an array.
    let source = unsafe { (*array).source };
    // SAFETY: as above.
    unsafe { construct_all(array, |offset| [source.wrapping_add(offset), WITH_BASES]) };
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
/// bytes, so that arguments beyond the fourth begin at 128.
macro_rules! on_array {
    ($($(#[$doc:meta])* $name:ident -> $target:ident: $($line:literal),*;)*) => {$(
        $(#[$doc])*
        #[unsafe(naked)]
        unsafe extern "C-unwind" fn $name() {
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
                name = sym $name,
                handler = sym handler,
                target = sym $target,
            )
        }
    )*};
}

on_array! {
    /// `(array, size, count, constructor, destructor)`
    construct -> run_constructors:
        "mov [rsp + 40], rdx", "mov [rsp + 48], r8", "mov [rsp + 56], r9",
        "mov rax, [rsp + 128]", "mov [rsp + 64], rax";
    /// As [`construct`], of classes with virtual bases.
    construct_with_bases -> run_constructors_with_bases:
        "mov [rsp + 40], rdx", "mov [rsp + 48], r8", "mov [rsp + 56], r9",
        "mov rax, [rsp + 128]", "mov [rsp + 64], rax";
    /// `(array, source, size, count, constructor, destructor)`
    copy -> run_copies:
        "mov [rsp + 72], rdx", "mov [rsp + 40], r8", "mov [rsp + 48], r9",
        "mov rax, [rsp + 128]", "mov [rsp + 56], rax",
        "mov rax, [rsp + 136]", "mov [rsp + 64], rax";
    /// As [`copy`], of classes with virtual bases.
    copy_with_bases -> run_copies_with_bases:
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

/// The functions for code without exceptions.
macro_rules! plainly {
    ($($name:ident -> $target:ident($($source:ident)?);)*) => {$(
        unsafe extern "C-unwind" fn $name(
            start: *mut u8
            $(, $source: *mut u8)?,
            size: usize,
            count: usize,
            function: *const (),
        ) {
            #[allow(unused_mut, unused_assignments, reason = "copies have one")]
            let mut from = std::ptr::null_mut();
            $(from = $source;)?
            let mut array = plain(start, from, size, count, function);
            // SAFETY: the compiler calls with an array.
            unsafe { $target(&raw mut array) };
        }
    )*};
}

plainly! {
    construct_plainly -> run_constructors();
    construct_plainly_with_bases -> run_constructors_with_bases();
    copy_plainly -> run_copies(source);
    copy_plainly_with_bases -> run_copies_with_bases(source);
    destroy_plainly -> run_all_destructors();
}

unsafe extern "C-unwind" fn run_all_destructors(array: *mut Array) {
    // SAFETY: the compiler calls with an array, all of which is constructed.
    let array = unsafe { &mut *array };
    array.constructed = array.count;
    // SAFETY: as above.
    unsafe { run_destructors(array) };
}
