//! Resolvers of TLS descriptors ("Thread-Local Storage Descriptors for IA32 and AMD64/EM64T", Alexandre Oliva).
//!
//! Code calls them with the descriptor's address in rax, and wants the variable's offset from the thread pointer in
//! rax; every other register must be as it was.

use std::mem::offset_of;
use std::sync::atomic::{AtomicI64, Ordering};

use super::thread::{Cached, Thread, place_of_thread, tls_get_addr};
use super::{reserve, thread_pointer};
use crate::extended_state::{self, AREA, MASK, for_each, restore_state, save_state};

/// The argument is the offset.
#[unsafe(naked)]
pub(super) extern "C" fn fixed() {
    std::arch::naked_asm!("mov rax, [rax + 8]", "ret");
}

const _: () = assert!(size_of::<Cached>() == 1 << 4);

/// From the thread pointer to the pointer to the thread's record, if that is the same in all threads; else 0.
static THREAD_OFFSET: AtomicI64 = AtomicI64::new(0);

/// Lets `dynamic` save what it has to, and find blocks that it has found before without a call.
pub(super) fn prepare() {
    extended_state::prepare();
    if reserve::is_fixed() {
        let offset = place_of_thread().wrapping_sub(thread_pointer()).cast_signed();
        THREAD_OFFSET.store(offset, Ordering::Relaxed);
    }
}

/// The argument is the address of what `__tls_get_addr` gets.
///
/// If the thread's record has the block, that is all: three registers do. Else it is `__tls_get_addr`'s business.
///
/// The function behind it may use any vector register, so the processor's extended state is saved.
#[unsafe(naked)]
pub(super) extern "C" fn dynamic() {
    std::arch::naked_asm!(
        for_each!("push": rcx rdx rsi),
        "mov rcx, [rip + {thread_offset}]",
        "test rcx, rcx",
        "jz 6f",
        "mov rcx, fs:[rcx]",
        "test rcx, rcx",
        "jz 6f",
        "mov rdx, [rax + 8]",
        // The slot: the lower half of the module's number.
        "mov esi, [rdx]",
        "cmp rsi, [rcx + {table_len}]",
        "jae 6f",
        "shl rsi, 4",
        "add rsi, [rcx + {table}]",
        "mov rcx, [rdx]",
        "cmp rcx, [rsi + {module}]",
        "jne 6f",
        "mov rax, [rsi + {start}]",
        "add rax, [rdx + 8]",
        "sub rax, fs:[0]",
        for_each!("pop": rsi rdx rcx),
        "ret",
        "6:",
        for_each!("pop": rsi rdx rcx),
        "push rbp",
        "mov rbp, rsp",
        for_each!("push": rbx rcx rdx rsi rdi r8 r9 r10 r11),
        "mov rdi, [rax + 8]",
        save_state!(),
        "call {address}",
        "mov rbx, rax",
        restore_state!(),
        "mov rax, rbx",
        "sub rax, fs:[0]",
        "lea rsp, [rbp - 72]",
        for_each!("pop": r11 r10 r9 r8 rdi rsi rdx rcx rbx rbp),
        "ret",
        area = sym AREA,
        mask = sym MASK,
        thread_offset = sym THREAD_OFFSET,
        table = const offset_of!(Thread, table),
        table_len = const offset_of!(Thread, table_len),
        module = const offset_of!(Cached, module),
        start = const offset_of!(Cached, start),
        address = sym tls_get_addr,
    );
}
