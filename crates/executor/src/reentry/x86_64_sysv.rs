//! The routine for System V x86-64 ("System V ABI, AMD64 Architecture Processor Supplement", Parameter Passing).
//!
//! Arguments are in rdi, rsi, rdx, rcx, r8, r9 and xmm0-7, or the ymm or zmm registers that contain these; rax has the
//! number of vector registers of a variadic call, r10 a nested function's static chain; r11 nobody may rely on, but some
//! conventions beyond the ABI do. All are kept, and so are the mask registers k0-7 and the control words, by `xsave`.
//! Three components it leaves alone: protection keys, which the program may have changed meanwhile, and the two of AMX,
//! which carry no arguments and take 8 KiB.

use std::arch::x86_64::__cpuid_count;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{ExecAddr, os};

/// Components of the processor's extended state ("Intel 64 and IA-32 Architectures Software Developer's Manual", volume 1,
/// Managing State Using the XSAVE Feature Set): x87, SSE, AVX, the three of AVX-512, the upper registers of APX.
const COMPONENTS: u32 = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 19;
/// Bytes of the area up to the end of its header.
const LEGACY_AND_HEADER: u32 = 576;

/// Which components are saved; 0 if the system has not enabled `xsave`, so that `fxsave` has to do.
static MASK: AtomicU32 = AtomicU32::new(0);
/// Bytes of the area they are saved in.
static AREA: AtomicU32 = AtomicU32::new(512);

/// Finds out what has to be saved; nobody can get at the routine before that.
pub(super) fn routine() -> Option<ExecAddr> {
    if let Some((mask, area)) = extended_state() {
        AREA.store(area, Ordering::Relaxed);
        MASK.store(mask, Ordering::Relaxed);
    }
    Some(ExecAddr(reenter as *const () as u64))
}

/// The components to be saved, and how many bytes that takes.
fn extended_state() -> Option<(u32, u32)> {
    // Leaf 1, ecx: bit 27 says that the system has enabled xsave.
    if __cpuid_count(1, 0).ecx & 1 << 27 == 0 {
        return None;
    }
    let enabled: u32;
    // SAFETY: reads XCR0, which the system lets programs do if it has enabled xsave.
    unsafe {
        std::arch::asm!("xgetbv", in("ecx") 0, out("eax") enabled, out("edx") _, options(nomem, nostack, preserves_flags));
    }
    let mask = enabled & COMPONENTS;
    // Leaf 13: size and offset of each component beyond the first two, in the standard format of the area.
    let ends = (2..32).filter(|component| mask & 1 << component != 0).map(|component| {
        let leaf = __cpuid_count(13, component);
        leaf.eax.saturating_add(leaf.ebx)
    });
    Some((mask, ends.fold(LEGACY_AND_HEADER, u32::max)))
}

/// Asks where to go on; keeps `errno`, which the function that is called in the end may well be about to read.
extern "C-unwind" fn resolve(reentry: u64, trampoline: u64) -> u64 {
    let errno = os::errno();
    let target = super::resolve(reentry, trampoline);
    os::set_errno(errno);
    target
}

/// What trampolines jump to. On the stack are the reentry, the trampoline's number, the return address of the caller; the
/// frame of this routine begins above the three, so that to the unwinder the caller of the trampoline is its caller.
///
/// The word of the trampoline's number takes the target in the end. It is read from below the stack pointer: the ABI's
/// red zone, which signal handlers leave alone. So no register is needed for the jump.
///
/// Of the area, `xrstor` wants the header (bytes 512 to 576) to be zero where `xsave` does not write it.
#[unsafe(naked)]
unsafe extern "C-unwind" fn reenter() {
    std::arch::naked_asm!(
        ".cfi_startproc",
        ".cfi_def_cfa_offset 24",
        "push rbp",
        ".cfi_def_cfa_offset 32",
        ".cfi_offset rbp, -32",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "push rax",
        "push rcx",
        "push rdx",
        "push rsi",
        "push rdi",
        "push r8",
        "push r9",
        "push r10",
        "push r11",
        "mov eax, [rip + {area}]",
        "sub rsp, rax",
        "and rsp, -64",
        "mov eax, [rip + {mask}]",
        "test eax, eax",
        "jz 2f",
        "xor edx, edx",
        "mov [rsp + 512], rdx",
        "mov [rsp + 520], rdx",
        "mov [rsp + 528], rdx",
        "mov [rsp + 536], rdx",
        "mov [rsp + 544], rdx",
        "mov [rsp + 552], rdx",
        "mov [rsp + 560], rdx",
        "mov [rsp + 568], rdx",
        "xsave64 [rsp]",
        "jmp 3f",
        "2:",
        "fxsave64 [rsp]",
        "3:",
        "mov rdi, [rbp + 8]",
        "mov rsi, [rbp + 16]",
        "call {resolve}",
        "mov [rbp + 16], rax",
        "mov eax, [rip + {mask}]",
        "test eax, eax",
        "jz 4f",
        "xor edx, edx",
        "xrstor64 [rsp]",
        "jmp 5f",
        "4:",
        "fxrstor64 [rsp]",
        "5:",
        "mov r11, [rbp - 72]",
        "mov r10, [rbp - 64]",
        "mov r9, [rbp - 56]",
        "mov r8, [rbp - 48]",
        "mov rdi, [rbp - 40]",
        "mov rsi, [rbp - 32]",
        "mov rdx, [rbp - 24]",
        "mov rcx, [rbp - 16]",
        "mov rax, [rbp - 8]",
        "mov rsp, rbp",
        "pop rbp",
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
