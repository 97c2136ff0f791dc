//! `printf` and `scanf` and their kin, which the C runtime's headers define over a few functions of its DLL
//! (`legacy_stdio_definitions.lib`).

use std::ffi::{CStr, c_int};

use super::needed_function;
use crate::ExecAddr;

/// `%s` of wide functions is a wide string, as ever: the runtime's start-up code chooses that.
const PRINT: u64 = 1 << 2;
const SCAN: u64 = 1 << 1;
/// Text that is too long is cut off without a null, and the result says so; or else it is the length that would be.
const LEGACY_PRINT: u64 = PRINT | 1 << 0;
const STANDARD_PRINT: u64 = PRINT | 1 << 1;
/// Strings come with the size of their buffer.
const SECURE_SCAN: u64 = SCAN | 1 << 0;

const UNLIMITED: usize = usize::MAX;

/// The functions here, by name.
macro_rules! functions {
    ($($name:ident)*) => { [$((stringify!($name), $name as *const ())),*] };
}

pub(super) fn symbol(name: &[u8]) -> Option<ExecAddr> {
    let name = std::str::from_utf8(name).ok().filter(|name| name.contains("printf") || name.contains("scanf"))?;
    let functions = functions! {
        printf fprintf sprintf snprintf _snprintf _scprintf printf_s fprintf_s sprintf_s _snprintf_s
        wprintf fwprintf swprintf _swprintf _snwprintf _scwprintf wprintf_s fwprintf_s swprintf_s _snwprintf_s
        scanf fscanf sscanf scanf_s fscanf_s sscanf_s wscanf fwscanf swscanf wscanf_s fwscanf_s swscanf_s
        vprintf vfprintf vsprintf vsnprintf _vsnprintf _vscprintf vprintf_s vfprintf_s vsprintf_s _vsnprintf_s
        vwprintf vfwprintf vswprintf _vswprintf _vsnwprintf _vscwprintf vwprintf_s vfwprintf_s vswprintf_s
        _vsnwprintf_s vscanf vfscanf vsscanf vscanf_s vfscanf_s vsscanf_s vwscanf vfwscanf vswscanf vwscanf_s
        vfwscanf_s vswscanf_s vsnprintf_s
    };
    let (_, address) = functions.iter().find(|(known, _)| *known == name)?;
    Some(ExecAddr(*address as u64))
}

/// A standard stream of the C runtime.
fn stream(number: u32) -> u64 {
    // SAFETY: the function has this type.
    let stream: extern "C" fn(u32) -> u64 = unsafe { needed_function(c"__acrt_iob_func") };
    stream(number)
}

/// Prints to or scans from a file: `(options, file, format, locale, arguments)`.
fn on_file(function: &CStr, options: u64, file: u64, format: u64, arguments: *const u64) -> c_int {
    type OnFile = extern "C" fn(u64, u64, u64, u64, *const u64) -> c_int;
    // SAFETY: the functions that are passed have this type.
    let function: OnFile = unsafe { needed_function(function) };
    function(options, file, format, 0, arguments)
}

/// Prints to or scans from memory: `(options, buffer, size, format, locale, arguments)`.
fn on_buffer(function: &CStr, options: u64, buffer: u64, size: usize, format: u64, arguments: *const u64) -> c_int {
    type OnBuffer = extern "C" fn(u64, u64, usize, u64, u64, *const u64) -> c_int;
    // SAFETY: the functions that are passed have this type.
    let function: OnBuffer = unsafe { needed_function(function) };
    function(options, buffer, size, format, 0, arguments)
}

/// On a file, and on a standard stream.
macro_rules! on_file {
    ($($name:ident, $standard:ident($stream:literal): $function:literal, $options:expr;)*) => {$(
        extern "C" fn $name(file: u64, format: u64, arguments: *const u64) -> c_int {
            on_file($function, $options, file, format, arguments)
        }

        extern "C" fn $standard(format: u64, arguments: *const u64) -> c_int {
            on_file($function, $options, stream($stream), format, arguments)
        }
    )*};
}

on_file! {
    vfprintf, vprintf(1): c"__stdio_common_vfprintf", PRINT;
    vfprintf_s, vprintf_s(1): c"__stdio_common_vfprintf_s", PRINT;
    vfwprintf, vwprintf(1): c"__stdio_common_vfwprintf", PRINT;
    vfwprintf_s, vwprintf_s(1): c"__stdio_common_vfwprintf_s", PRINT;
    vfscanf, vscanf(0): c"__stdio_common_vfscanf", SCAN;
    vfscanf_s, vscanf_s(0): c"__stdio_common_vfscanf", SECURE_SCAN;
    vfwscanf, vwscanf(0): c"__stdio_common_vfwscanf", SCAN;
    vfwscanf_s, vwscanf_s(0): c"__stdio_common_vfwscanf", SECURE_SCAN;
}

/// On a buffer of a size.
macro_rules! on_buffer {
    ($($name:ident: $function:literal, $options:expr;)*) => {$(
        extern "C" fn $name(buffer: u64, size: usize, format: u64, arguments: *const u64) -> c_int {
            on_buffer($function, $options, buffer, size, format, arguments)
        }
    )*};
}

on_buffer! {
    vsnprintf: c"__stdio_common_vsprintf", STANDARD_PRINT;
    _vsnprintf: c"__stdio_common_vsprintf", LEGACY_PRINT;
    vsprintf_s: c"__stdio_common_vsprintf_s", PRINT;
    vswprintf: c"__stdio_common_vswprintf", PRINT;
    _vsnwprintf: c"__stdio_common_vswprintf", LEGACY_PRINT;
    vswprintf_s: c"__stdio_common_vswprintf_s", PRINT;
}

/// On a buffer as large as may be.
macro_rules! on_memory {
    ($($name:ident: $function:literal, $options:expr;)*) => {$(
        extern "C" fn $name(buffer: u64, format: u64, arguments: *const u64) -> c_int {
            on_buffer($function, $options, buffer, UNLIMITED, format, arguments)
        }
    )*};
}

on_memory! {
    vsprintf: c"__stdio_common_vsprintf", STANDARD_PRINT;
    _vswprintf: c"__stdio_common_vswprintf", LEGACY_PRINT;
    vsscanf: c"__stdio_common_vsscanf", SCAN;
    vsscanf_s: c"__stdio_common_vsscanf", SECURE_SCAN;
    vswscanf: c"__stdio_common_vswscanf", SCAN;
    vswscanf_s: c"__stdio_common_vswscanf", SECURE_SCAN;
}

/// The length that would be printed.
extern "C" fn _vscprintf(format: u64, arguments: *const u64) -> c_int {
    on_buffer(c"__stdio_common_vsprintf", STANDARD_PRINT, 0, 0, format, arguments)
}

extern "C" fn _vscwprintf(format: u64, arguments: *const u64) -> c_int {
    on_buffer(c"__stdio_common_vswprintf", STANDARD_PRINT, 0, 0, format, arguments)
}

/// At most so much of a buffer.
macro_rules! on_part {
    ($($name:ident: $function:literal;)*) => {$(
        extern "C" fn $name(buffer: u64, size: usize, most: usize, format: u64, arguments: *const u64) -> c_int {
            type OnPart = extern "C" fn(u64, u64, usize, usize, u64, u64, *const u64) -> c_int;
            // SAFETY: the function has this type.
            let function: OnPart = unsafe { needed_function($function) };
            function(PRINT, buffer, size, most, format, 0, arguments)
        }
    )*};
}

on_part! {
    _vsnprintf_s: c"__stdio_common_vsnprintf_s";
    vsnprintf_s: c"__stdio_common_vsnprintf_s";
    _vsnwprintf_s: c"__stdio_common_vsnwprintf_s";
}

/// Variadic functions: the arguments in registers go to their homes on the stack, where the others follow; the list of
/// those beyond the named ones is passed on after these. The functions are grouped by the number of named ones.
macro_rules! variadic {
    (@list 1) => { "lea rdx, [rsp + 56]" };
    (@list 2) => { "lea r8, [rsp + 64]" };
    (@list 3) => { "lea r9, [rsp + 72]" };
    (@list 4) => { "lea rax, [rsp + 80]\nmov [rsp + 32], rax" };
    (@function $named:tt $name:ident $target:ident) => {
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
                variadic!(@list $named),
                "call {target}",
                "add rsp, 40",
                "ret",
                ".seh_endproc",
                name = sym $name,
                target = sym $target,
            )
        }
    };
    ($($named:tt: $($name:ident -> $target:ident),+;)*) => {$($(variadic!(@function $named $name $target);)+)*};
}

variadic! {
    1: printf -> vprintf, _scprintf -> _vscprintf, printf_s -> vprintf_s, wprintf -> vwprintf,
       _scwprintf -> _vscwprintf, wprintf_s -> vwprintf_s, scanf -> vscanf, scanf_s -> vscanf_s, wscanf -> vwscanf,
       wscanf_s -> vwscanf_s;
    2: fprintf -> vfprintf, sprintf -> vsprintf, fprintf_s -> vfprintf_s, fwprintf -> vfwprintf,
       _swprintf -> _vswprintf, fwprintf_s -> vfwprintf_s, fscanf -> vfscanf, sscanf -> vsscanf,
       fscanf_s -> vfscanf_s, sscanf_s -> vsscanf_s, fwscanf -> vfwscanf, swscanf -> vswscanf,
       fwscanf_s -> vfwscanf_s, swscanf_s -> vswscanf_s;
    3: snprintf -> vsnprintf, _snprintf -> _vsnprintf, sprintf_s -> vsprintf_s, swprintf -> vswprintf,
       _snwprintf -> _vsnwprintf, swprintf_s -> vswprintf_s;
    4: _snprintf_s -> _vsnprintf_s, _snwprintf_s -> _vsnwprintf_s;
}
