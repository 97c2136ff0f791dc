//! The routine for Windows x86-64 ("x64 calling convention", "x64 prolog and epilog", Microsoft Learn).
//!
//! Arguments are in rcx, rdx, r8, r9 and xmm0-3, in `__vectorcall` functions xmm0-5, or the ymm or zmm registers that
//! contain these; r10 has a nested function's static chain. The callee may use the 32 bytes above the return address as
//! it likes, and so may functions that this routine calls, for which it reserves bytes of its own. Memory below the
//! stack pointer does not last, so the jump takes a register: rax, as that of import stubs for delayed loading does.

use super::resolve;
use crate::extended_state::{AREA, MASK, for_each, restore_state, save_state};

/// Trampolines jump to this. On the stack are the reentry, the trampoline's number, the return address of the caller:
/// to the unwinder the first two are room that this routine has made.
///
/// The unwinder recognizes an epilogue by its instructions: a stack pointer set from the frame's, pops, a jump. So the
/// two words are popped, too, and r11 is in both then.
#[unsafe(naked)]
pub(super) unsafe extern "C-unwind" fn reenter() {
    std::arch::naked_asm!(
        ".seh_proc {reenter}",
        ".seh_stackalloc 16",
        "push rbp",
        ".seh_pushreg rbp",
        "mov rbp, rsp",
        ".seh_setframe rbp, 0",
        ".seh_endprologue",
        for_each!("push": rcx rdx r8 r9 r10 r11),
        save_state!(),
        "mov rcx, [rbp + 8]",
        "mov rdx, [rbp + 16]",
        "sub rsp, 32",
        "call {resolve}",
        "add rsp, 32",
        "mov r10, rax",
        restore_state!(),
        "mov rax, r10",
        "mov r11, [rbp - 48]",
        "mov r10, [rbp - 40]",
        "mov r9, [rbp - 32]",
        "mov r8, [rbp - 24]",
        "mov rdx, [rbp - 16]",
        "mov rcx, [rbp - 8]",
        "mov [rbp + 8], r11",
        "mov [rbp + 16], r11",
        "lea rsp, [rbp]",
        "pop rbp",
        "pop r11",
        "pop r11",
        "rex64 jmp rax",
        ".seh_endproc",
        reenter = sym reenter,
        area = sym AREA,
        mask = sym MASK,
        resolve = sym resolve,
    );
}
