//! The outermost frame for the unwinder of the Itanium ABI. Forced unwinding (`pthread_exit`) finds the end of the
//! stack in this frame, and the system ends the thread. Without it, Rust's frames would end the process.

use std::ffi::c_int;

use super::RUST_PANIC;

/// The unwinder hands this to a personality routine; it is opaque to us.
#[repr(C)]
struct Opaque([u8; 0]);

unsafe extern "C" {
    fn _Unwind_GetGR(context: *mut Opaque, register: c_int) -> u64;
}

/// DWARF's number of rbp.
const RBP: c_int = 6;
/// Of the actions that the unwinder asks for: the frames are left for good, whatever handlers they have.
const FORCE_UNWIND: c_int = 8;
const FATAL_PHASE1_ERROR: c_int = 3;
const CONTINUE_UNWIND: c_int = 8;

/// Personality of [`call`] ("Itanium C++ ABI: Exception Handling", The Personality Routine).
extern "C" fn personality(
    _version: c_int,
    actions: c_int,
    class: u64,
    _exception: *mut Opaque,
    context: *mut Opaque,
) -> c_int {
    if actions & FORCE_UNWIND != 0 {
        // SAFETY: the unwinder's context, which has rbp as it is in the frame of `call`.
        let frame = unsafe { _Unwind_GetGR(context, RBP) } as *mut u64;
        // SAFETY: `call` keeps its return address above the rbp that it has saved. Nobody returns to a frame that is
        // left for good, and to the unwinder a null address is the end of the stack.
        unsafe { frame.wrapping_add(1).write(0) };
        return CONTINUE_UNWIND;
    }
    if RUST_PANIC.contains(&class) { CONTINUE_UNWIND } else { FATAL_PHASE1_ERROR }
}

/// Calls `function` with these arguments.
///
/// # Safety
/// It must be the address of a function that may be called so.
#[unsafe(naked)]
pub(crate) unsafe extern "C-unwind" fn call(function: *const (), arguments: &[usize; 4]) -> c_int {
    std::arch::naked_asm!(
        ".cfi_startproc",
        // DW_EH_PE_pcrel | DW_EH_PE_sdata4
        ".cfi_personality 0x1b, {personality}",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "mov rax, rdi",
        "mov rdi, [rsi]",
        "mov rdx, [rsi + 16]",
        "mov rcx, [rsi + 24]",
        "mov rsi, [rsi + 8]",
        "call rax",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_endproc",
        personality = sym personality,
    );
}
