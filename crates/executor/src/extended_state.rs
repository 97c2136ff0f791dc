//! The extended state of the processor, which holds vector arguments in all x86-64 calling conventions.
//!
//! Routines keep all of it, with the mask registers k0-7 and the control words, by `xsave`. They leave out three
//! components: protection keys, which the program may have changed meanwhile, and the two of AMX, which carry no
//! arguments and take 8 KiB.

use std::arch::x86_64::__cpuid_count;
use std::sync::atomic::{AtomicU32, Ordering};

/// Components of the processor's extended state ("Intel 64 and IA-32 Architectures Software Developer's Manual", volume
/// 1, Managing State Using the XSAVE Feature Set): x87, SSE, AVX, the three of AVX-512, the upper registers of APX.
const COMPONENTS: u32 = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 19;
/// Bytes of the area up to the end of its header.
const LEGACY_AND_HEADER: u32 = 576;

/// These components are saved; 0 if the system has not enabled `xsave`, so that `fxsave` has to do.
pub(crate) static MASK: AtomicU32 = AtomicU32::new(0);
/// Bytes of the area they are saved in.
pub(crate) static AREA: AtomicU32 = AtomicU32::new(512);

/// Finds out what has to be saved; nobody can get at a routine before that.
pub(crate) fn prepare() {
    if let Some((mask, area)) = extended_state() {
        AREA.store(area, Ordering::Relaxed);
        MASK.store(mask, Ordering::Relaxed);
    }
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

/// Makes room for the area below the stack pointer, aligned, and saves the state there. Changes rax and rdx. The
/// operands `area` and `mask` are the variables above.
///
/// Of the area, `xrstor` wants the header (bytes 512 to 576) to be zero where `xsave` does not write it.
macro_rules! save_state {
    () => {
        "mov eax, [rip + {area}]
        sub rsp, rax
        and rsp, -64
        mov eax, [rip + {mask}]
        test eax, eax
        jz 2f
        xor edx, edx
        mov [rsp + 512], rdx
        mov [rsp + 520], rdx
        mov [rsp + 528], rdx
        mov [rsp + 536], rdx
        mov [rsp + 544], rdx
        mov [rsp + 552], rdx
        mov [rsp + 560], rdx
        mov [rsp + 568], rdx
        xsave64 [rsp]
        jmp 3f
        2:
        fxsave64 [rsp]
        3:"
    };
}
pub(crate) use save_state;

/// Restores what is saved at the stack pointer. Changes rax and rdx.
macro_rules! restore_state {
    () => {
        "mov eax, [rip + {mask}]
        test eax, eax
        jz 4f
        xor edx, edx
        xrstor64 [rsp]
        jmp 5f
        4:
        fxrstor64 [rsp]
        5:"
    };
}
pub(crate) use restore_state;

/// One instruction for each of some registers.
macro_rules! for_each {
    ($instruction:literal: $($register:ident)+) => { concat!($($instruction, " ", stringify!($register), "\n"),+) };
}
pub(crate) use for_each;
