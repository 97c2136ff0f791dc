//! Instruction caches, which some processors do not keep in step with what is written to memory.

use crate::ExecRange;

/// Nothing is to be done: the caches of x86-64 are coherent (Intel SDM, volume 3, "Self-Modifying Code").
#[cfg(target_arch = "x86_64")]
pub(crate) fn synchronize(_code: ExecRange) {}

/// Has all processors fetch the code that was written to a range (Arm ARM, "Synchronization and coherency issues between
/// data and instruction accesses"). The range is mapped and readable.
#[cfg(target_arch = "aarch64")]
pub(crate) fn synchronize(code: ExecRange) {
    use std::arch::asm;

    let cache_type: u64;
    // SAFETY: reads the cache type register, which Linux and Windows let programs read.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) cache_type, options(nomem, nostack, preserves_flags)) };
    // Logarithms of the numbers of words in the smallest lines of all caches.
    let [instruction_line, data_line] = [0, 16].map(|field| 4u64 << (cache_type >> field & 15));
    let lines = |size: u64| (code.start.0 & !(size - 1)..code.end.0).step_by(size as usize);
    // IDC: instruction fetches see what is in data caches.
    if cache_type >> 28 & 1 == 0 {
        for line in lines(data_line) {
            // SAFETY: cleans a line of mapped memory, which changes nothing that a program sees.
            unsafe { asm!("dc cvau, {}", in(reg) line, options(nostack, preserves_flags)) };
        }
    }
    // SAFETY: a barrier.
    unsafe { asm!("dsb ish", options(nostack, preserves_flags)) };
    // DIC: instruction caches need no invalidation.
    if cache_type >> 29 & 1 == 0 {
        for line in lines(instruction_line) {
            // SAFETY: forgets a line of an instruction cache, which is fetched anew.
            unsafe { asm!("ic ivau, {}", in(reg) line, options(nostack, preserves_flags)) };
        }
    }
    // SAFETY: barriers.
    unsafe { asm!("dsb ish", "isb", options(nostack, preserves_flags)) };
}

/// linkjit has nothing for the processor, so no code is linked here.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) fn synchronize(_code: ExecRange) {}
