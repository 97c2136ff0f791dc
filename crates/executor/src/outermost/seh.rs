//! The outermost frame on Windows ("x64 exception handling", Microsoft Learn, Language-specific handler).

use std::ffi::{CStr, c_char, c_int, c_void};

use windows_sys::Win32::System::Diagnostics::Debug::EXCEPTION_RECORD;

use super::RUST_PANIC;
use crate::os;
use crate::runtime::library_function;

const CONTINUE_EXECUTION: c_int = 0;
const CONTINUE_SEARCH: c_int = 1;
/// Of the flags: the frames are being left.
const UNWINDING: u32 = 2 | 4;

/// C++ exceptions of Microsoft's ABI; the second argument is the object, then come its description and the image that
/// this is relative to.
const CXX_EXCEPTION: u32 = 0xe06d_7363;
/// Exceptions of GNU's unwinder, which are of the Itanium ABI; the argument is the exception.
const GNU_EXCEPTION: u32 = 0x2047_4343;

/// The handler of [`call`].
unsafe extern "C" fn handler(
    record: *const EXCEPTION_RECORD,
    _frame: *mut c_void,
    _context: *mut c_void,
    _dispatcher: *mut c_void,
) -> c_int {
    // SAFETY: the system passes a valid record.
    let record = unsafe { &*record };
    if record.ExceptionFlags & UNWINDING != 0 {
        return CONTINUE_SEARCH;
    }
    match record.ExceptionCode.cast_unsigned() {
        GNU_EXCEPTION => {
            // SAFETY: GNU's unwinder passes an exception, which begins with its class.
            let class = unsafe { (record.ExceptionInformation[0] as *const u64).read() };
            // What is continued is the unwinder, which tells who throws that there is no handler.
            if RUST_PANIC.contains(&class) { CONTINUE_SEARCH } else { CONTINUE_EXECUTION }
        }
        // SAFETY: the arguments of a C++ exception.
        CXX_EXCEPTION if unsafe { is_rust_panic(record) } => CONTINUE_SEARCH,
        CXX_EXCEPTION => {
            if let Some(terminate) = library_function(c"terminate") {
                // SAFETY: the function has this type; it does not return.
                let terminate: extern "C" fn() = unsafe { os::as_function(terminate) };
                terminate();
            }
            CONTINUE_SEARCH
        }
        _ => CONTINUE_SEARCH,
    }
}

/// Says whether a C++ exception is a panic of Rust for Microsoft's ABI, whose type is named so.
///
/// # Safety
/// The record must be that of a C++ exception.
unsafe fn is_rust_panic(record: &EXCEPTION_RECORD) -> bool {
    let [_, _, description, base, ..] = record.ExceptionInformation;
    if record.NumberParameters < 4 || description == 0 {
        return false;
    }
    let follow = |place: usize| {
        // SAFETY: offsets within the description of the exception.
        let offset = unsafe { (place as *const u32).read_unaligned() };
        base + offset as usize
    };
    // The types that it can be caught as come fourth; of these, the first; of that, its type; the name comes third.
    let types = follow(description + 12);
    let name = follow(follow(types + 4) + 4) + 16;
    // SAFETY: descriptions of types end with the name, a C string.
    let name = unsafe { CStr::from_ptr(name as *const c_char) };
    name == c"rust_panic"
}

/// Calls `function` with these arguments.
///
/// # Safety
/// It must be the address of a function that may be called so.
#[unsafe(naked)]
pub(crate) unsafe extern "C-unwind" fn call(function: *const (), arguments: &[usize; 4]) -> c_int {
    std::arch::naked_asm!(
        ".seh_proc {call}",
        ".seh_handler {handler}, @except",
        "sub rsp, 40",
        ".seh_stackalloc 40",
        ".seh_endprologue",
        "mov rax, rcx",
        "mov rcx, [rdx]",
        "mov r8, [rdx + 16]",
        "mov r9, [rdx + 24]",
        "mov rdx, [rdx + 8]",
        "call rax",
        // Else the return address would be in the epilogue, which has no handlers.
        "nop",
        "add rsp, 40",
        "ret",
        ".seh_endproc",
        call = sym call,
        handler = sym handler,
    );
}
