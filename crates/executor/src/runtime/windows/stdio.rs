//! `printf` and `scanf` and their kin, which the C runtime's headers define over a few functions of its DLL.

use std::ffi::{CStr, c_int, c_void};
use std::mem::transmute;
use std::process::abort;

use super::library_function;
use crate::ExecAddr;

pub(super) fn symbol(name: &[u8]) -> Option<ExecAddr> {
    let address = match name {
        b"printf" => printf as *const (),
        b"fprintf" => fprintf as *const (),
        b"sprintf" => sprintf as *const (),
        b"snprintf" => snprintf as *const (),
        b"scanf" => scanf as *const (),
        b"fscanf" => fscanf as *const (),
        b"sscanf" => sscanf as *const (),
        b"vprintf" => vprintf as *const (),
        b"vfprintf" => vfprintf as *const (),
        b"vsprintf" => vsprintf as *const (),
        b"vsnprintf" => vsnprintf as *const (),
        _ => return None,
    };
    Some(ExecAddr(address as u64))
}

/// A buffer and its size as large as may be; what is returned is the length that would be, as C wants it.
const STANDARD_SNPRINTF: u64 = 1 << 1;
const UNLIMITED: usize = usize::MAX;

fn find(name: &CStr) -> *const () {
    // Code that prints by these names can't go on without.
    library_function(name).map_or_else(|| abort(), |address| address.0 as *const ())
}

/// A standard stream of the C runtime.
fn stream(number: u32) -> u64 {
    // SAFETY: the function has this type.
    let stream = unsafe { transmute::<*const (), extern "C" fn(u32) -> u64>(find(c"__acrt_iob_func")) };
    stream(number)
}

/// Prints to or scans from a file: `(options, file, format, locale, arguments)`.
fn on_file(function: &CStr, file: u64, format: u64, arguments: *const u64) -> c_int {
    type OnFile = extern "C" fn(u64, u64, u64, u64, *const u64) -> c_int;
    // SAFETY: the functions that are passed have this type.
    let function = unsafe { transmute::<*const (), OnFile>(find(function)) };
    function(0, file, format, 0, arguments)
}

/// Prints to or scans from memory: `(options, buffer, size, format, locale, arguments)`.
fn on_buffer(function: &CStr, options: u64, buffer: u64, size: usize, format: u64, arguments: *const u64) -> c_int {
    type OnBuffer = extern "C" fn(u64, u64, usize, u64, u64, *const u64) -> c_int;
    // SAFETY: the functions that are passed have this type.
    let function = unsafe { transmute::<*const (), OnBuffer>(find(function)) };
    function(options, buffer, size, format, 0, arguments)
}

const PRINT: &CStr = c"__stdio_common_vfprintf";
const PRINT_TO_BUFFER: &CStr = c"__stdio_common_vsprintf";
const SCAN: &CStr = c"__stdio_common_vfscanf";
const SCAN_BUFFER: &CStr = c"__stdio_common_vsscanf";

extern "C" fn vprintf(format: u64, arguments: *const u64) -> c_int {
    on_file(PRINT, stream(1), format, arguments)
}

extern "C" fn vfprintf(file: u64, format: u64, arguments: *const u64) -> c_int {
    on_file(PRINT, file, format, arguments)
}

extern "C" fn vsprintf(buffer: u64, format: u64, arguments: *const u64) -> c_int {
    on_buffer(PRINT_TO_BUFFER, STANDARD_SNPRINTF, buffer, UNLIMITED, format, arguments)
}

extern "C" fn vsnprintf(buffer: u64, size: usize, format: u64, arguments: *const u64) -> c_int {
    on_buffer(PRINT_TO_BUFFER, STANDARD_SNPRINTF, buffer, size, format, arguments)
}

extern "C" fn vscanf(format: u64, arguments: *const u64) -> c_int {
    on_file(SCAN, stream(0), format, arguments)
}

extern "C" fn vfscanf(file: u64, format: u64, arguments: *const u64) -> c_int {
    on_file(SCAN, file, format, arguments)
}

extern "C" fn vsscanf(buffer: u64, format: u64, arguments: *const c_void) -> c_int {
    on_buffer(SCAN_BUFFER, 0, buffer, UNLIMITED, format, arguments.cast())
}

/// Variadic functions: the arguments in registers go to their homes on the stack, where the others follow; the list of
/// those beyond the named ones is passed on after these.
macro_rules! variadic {
    ($($name:ident -> $target:ident: $list:literal;)*) => {$(
        #[unsafe(naked)]
        unsafe extern "C" fn $name() {
            std::arch::naked_asm!(
                ".seh_proc {name}",
                "sub rsp, 40",
                ".seh_stackalloc 40",
                ".seh_endprologue",
                "mov [rsp + 48], rcx",
                "mov [rsp + 56], rdx",
                "mov [rsp + 64], r8",
                "mov [rsp + 72], r9",
                $list,
                "call {target}",
                "add rsp, 40",
                "ret",
                ".seh_endproc",
                name = sym $name,
                target = sym $target,
            )
        }
    )*};
}

variadic! {
    printf -> vprintf: "lea rdx, [rsp + 56]";
    fprintf -> vfprintf: "lea r8, [rsp + 64]";
    sprintf -> vsprintf: "lea r8, [rsp + 64]";
    snprintf -> vsnprintf: "lea r9, [rsp + 72]";
    scanf -> vscanf: "lea rdx, [rsp + 56]";
    fscanf -> vfscanf: "lea r8, [rsp + 64]";
    sscanf -> vsscanf: "lea r8, [rsp + 64]";
}
