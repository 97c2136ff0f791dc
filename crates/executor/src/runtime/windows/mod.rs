//! Windows: what is in no DLL, because Microsoft's C runtime links it into each image, and the functions that take
//! linked code for code of no image. Objects for the static runtime, too, are linked against the DLLs and this.
//!
//! Data is not here: code refers to it directly, so it must be in the image's window.

/// Defines what finds functions by their names, which begin with a prefix.
macro_rules! functions {
    ($find:ident($prefix:literal): $($($name:literal)|+ => $function:expr;)*) => {
        pub(super) fn $find(name: &[u8]) -> Option<ExecAddr> {
            let function = match name.strip_prefix($prefix)? {
                $($($name)|+ => $function as *const (),)*
                _ => return None,
            };
            Some(ExecAddr(function as u64))
        }
    };
}

/// Functions that pass their caller's address on as the last argument, in this register.
macro_rules! with_caller {
    ($($(#[$doc:meta])* $name:ident -> $target:ident: $register:literal;)*) => {$(
        $(#[$doc])*
        #[unsafe(naked)]
        pub(super) unsafe extern "C-unwind" fn $name() {
            std::arch::naked_asm!(concat!("mov ", $register, ", [rsp]"), "jmp {target}", target = sym $target)
        }
    )*};
}

mod algorithms;
mod arguments;
mod arrays;
mod builtins;
mod checks;
mod delay;
mod exception_ptr;
mod exit;
mod file_names;
mod filesystem;
mod image;
mod libraries;
mod memory;
mod oldnames;
mod parallel;
mod resources;
mod stacktrace;
mod statics;
mod stdio;
mod system;
mod text;
mod throw;
mod time_zones;
mod variables;

use std::ffi::CStr;
use std::path::Path;
use std::process::abort;

pub(crate) use arguments::{main_arguments, set_arguments};
pub(crate) use delay::add_library_directories;

use crate::{ExecAddr, init, os};

/// The DLLs of the C++ runtime, which are loaded when something of them is wanted.
const LIBRARIES: [&str; 4] = ["vcruntime140.dll", "vcruntime140_1.dll", "ucrtbase.dll", "msvcp140.dll"];

/// A function of the C++ runtime's DLLs.
pub(crate) fn library_function(name: &CStr) -> Option<ExecAddr> {
    LIBRARIES.iter().find_map(|library| os::find_symbol(os::open_library(Path::new(library), false, &[]).ok()?, name))
}

/// A function of the C++ runtime's DLLs. Code that calls for it can't go on without.
///
/// # Safety
/// `F` must be its type.
unsafe fn needed_function<F: Copy>(name: &CStr) -> F {
    let function = library_function(name).unwrap_or_else(|| abort());
    // SAFETY: the caller vouches for the type.
    unsafe { os::as_function(function) }
}

/// The units of a wide C string, without the zero at its end.
///
/// # Safety
/// It must be one, and stay as long as what is returned.
unsafe fn wide_text<'a>(start: *const u16) -> &'a [u16] {
    // SAFETY: the caller vouches for the string, which ends with a zero.
    let length = (0..).take_while(|&at| unsafe { start.wrapping_add(at).read() } != 0).count();
    // SAFETY: as many units are there.
    unsafe { std::slice::from_raw_parts(start, length) }
}

/// Returns what linked code is given in place of a DLL's function, which would take it for code of no image, or for
/// another program.
pub(crate) fn replacement(name: &[u8]) -> Option<ExecAddr> {
    let address = match name {
        b"_CxxThrowException" => throw::throw_exception as *const (),
        _ if name == exception_ptr::COPY.to_bytes() => exception_ptr::copy as *const (),
        b"_crt_atexit" => exit::at_exit as *const (),
        b"_onexit" => exit::on_exit as *const (),
        b"_crt_at_quick_exit" => exit::at_quick_exit as *const (),
        _ => {
            let others = [
                arguments::replacement,
                image::replacement,
                libraries::replacement,
                file_names::replacement,
                resources::replacement,
            ];
            return others.iter().find_map(|replacement| replacement(name));
        }
    };
    Some(ExecAddr(address as u64))
}

pub(crate) fn symbol(name: &[u8]) -> Option<ExecAddr> {
    let address = match name {
        b"atexit" => exit::at_exit as *const (),
        b"onexit" => exit::on_exit as *const (),
        b"at_quick_exit" => exit::at_quick_exit as *const (),
        b"__tlregdtor" => exit::at_thread_exit as *const (),
        b"__dyn_tls_on_demand_init" => exit::initialize_thread as *const (),
        b"__cxa_atexit" | b"__mingw_cxa_atexit" => exit::cxa_at_exit as *const (),
        b"__cxa_finalize" => init::cxa_finalize as *const (),
        b"__cxa_thread_atexit" | b"__mingw_cxa_thread_atexit" => exit::cxa_at_thread_exit as *const (),
        b"_Init_thread_header" => statics::header as *const (),
        b"_Init_thread_footer" => statics::footer as *const (),
        b"_Init_thread_abort" => statics::abort as *const (),
        b"__GSHandlerCheck" => handler_check as *const (),
        b"__GSHandlerCheck_EH" => return library_function(c"__CxxFrameHandler3"),
        b"__GSHandlerCheck_EH4" => return library_function(c"__CxxFrameHandler4"),
        b"__GSHandlerCheck_SEH" => return library_function(c"__C_specific_handler"),
        b"__GSHandlerCheck_SEH_noexcept" => return library_function(c"__C_specific_handler_noexcept"),
        b"__report_gsfailure" | b"__report_rangecheckfailure" | b"__report_securityfailure" | b"__stack_chk_fail" => {
            fail as *const ()
        }
        b"_setjmp" => return library_function(c"__intrinsic_setjmp"),
        b"_setjmpex" => return library_function(c"__intrinsic_setjmpex"),
        b"__chkstk" | b"___chkstk_ms" => return os::system_function(c"ntdll.dll", c"__chkstk"),
        // The session has called the initializers and applied the relocations. `_Facet_Register` keeps the facets of
        // locales, to delete them when the process ends.
        b"__main"
        | b"__dyn_tls_init"
        | b"_pei386_runtime_relocator"
        | b"__isa_available_init"
        | b"__security_init_cookie"
        | b"_guard_check_icall_nop"
        | b"_guard_check_icall"
        | b"?_Facet_Register@std@@YAXPEAV_Facet_base@1@@Z" => nothing as *const (),
        b"_guard_dispatch_icall_nop" | b"_guard_dispatch_icall" | b"_guard_xfg_dispatch_icall_nop" => {
            dispatch as *const ()
        }
        b"??_7type_info@@6B@" => TYPE_INFO_VTABLE.0[1..].as_ptr().cast(),
        _ => {
            let others = [
                replacement,
                algorithms::symbol,
                variables::symbol,
                system::symbol,
                arrays::symbol,
                checks::symbol,
                memory::symbol,
                oldnames::symbol,
                stdio::symbol,
                text::symbol,
                parallel::symbol,
                filesystem::symbol,
                time_zones::symbol,
                stacktrace::symbol,
                delay::symbol,
                builtins::symbol,
            ];
            return others.iter().find_map(|symbol| symbol(name));
        }
    };
    Some(ExecAddr(address as u64))
}

/// Does nothing, and returns zero for those that ask.
extern "C" fn nothing() -> u64 {
    0
}

/// `__GSHandlerCheck`: of functions that check their stack, but have no handlers. The check happens when they return;
/// this goes on with the search.
extern "C" fn handler_check() -> i32 {
    const CONTINUE_SEARCH: i32 = 1;
    CONTINUE_SEARCH
}

/// Checked code calls this when it finds itself overwritten. Nothing may run any more.
extern "C" fn fail() -> ! {
    abort()
}

/// Calls what is at the address in rax, as `__guard_dispatch_icall_fptr` does without control flow guard.
#[unsafe(naked)]
unsafe extern "C" fn dispatch() {
    std::arch::naked_asm!("jmp rax")
}

/// The virtual functions of `type_info`, after a null in place of the description of its own type: all that code does
/// with the address is to compare and store it.
struct Vtable([*const (); 2]);

// SAFETY: nobody writes to it.
unsafe impl Sync for Vtable {}

static TYPE_INFO_VTABLE: Vtable = Vtable([std::ptr::null(), nothing as *const ()]);
