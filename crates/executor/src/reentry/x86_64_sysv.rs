//! The routine for System V x86-64 ("System V ABI, AMD64 Architecture Processor Supplement", Parameter Passing).
//!
//! Arguments are in rdi, rsi, rdx, rcx, r8, r9 and xmm0-7, or the ymm or zmm registers that contain these; rax has the
//! number of vector registers of a variadic call, r10 a nested function's static chain. In the ABI nobody may rely on
//! r11, but some conventions beyond it do. The routine keeps all of these.

use super::resolve;
use crate::extended_state::{AREA, MASK, for_each, restore_state, save_state};

/// Trampolines jump to this. On the stack are the reentry, the trampoline's number, the return address of the caller;
/// the frame of this routine begins above the three, so that to the unwinder the caller of the trampoline is its
/// caller.
///
/// The word of the trampoline's number takes the target in the end. It is read from below the stack pointer: the ABI's
/// red zone, which signal handlers leave alone. So no register is needed for the jump.
#[unsafe(naked)]
pub(super) unsafe extern "C-unwind" fn reenter() {
    std::arch::naked_asm!(
        ".cfi_startproc",
        ".cfi_def_cfa_offset 24",
        "push rbp",
        ".cfi_def_cfa_offset 32",
        ".cfi_offset rbp, -32",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        for_each!("push": rax rcx rdx rsi rdi r8 r9 r10 r11),
        save_state!(),
        "mov rdi, [rbp + 8]",
        "mov rsi, [rbp + 16]",
        "call {resolve}",
        "mov [rbp + 16], rax",
        restore_state!(),
        "lea rsp, [rbp - 72]",
        for_each!("pop": r11 r10 r9 r8 rdi rsi rdx rcx rax rbp),
        ".cfi_def_cfa rsp, 24",
        ".cfi_restore rbp",
        "lea rsp, [rsp + 16]",
        ".cfi_def_cfa_offset 8",
        "jmp qword ptr [rsp - 8]",
        ".cfi_endproc",
        area = sym AREA,
        mask = sym MASK,
        resolve = sym resolve,
    );
}
