//! Resolvers of TLS descriptors ("Thread-Local Storage Descriptors for IA32 and AMD64/EM64T", Alexandre Oliva).
//!
//! Code calls them with the descriptor's address in rax, and wants the variable's offset from the thread pointer in
//! rax; every other register must be as it was.

use std::mem::offset_of;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use super::thread::{Cached, Thread, place_of_thread, tls_get_addr};
use super::{reserve, thread_pointer};

/// The argument is the offset.
#[unsafe(naked)]
pub(super) extern "C" fn fixed() {
    std::arch::naked_asm!("mov rax, [rax + 8]", "ret");
}

const _: () = assert!(size_of::<Cached>() == 1 << 4);

/// Bytes that the processor's registers beyond the general ones take: 512 for fxsave, more for xsave, 0 if not known.
static AREA: AtomicU32 = AtomicU32::new(0);

/// From the thread pointer to the pointer to the thread's record, if that is the same in all threads; else 0.
static THREAD_OFFSET: AtomicI64 = AtomicI64::new(0);

/// Lets `dynamic` find blocks that it has found before without a call.
pub(super) fn prepare() {
    if reserve::is_fixed() {
        let offset = place_of_thread().wrapping_sub(thread_pointer()).cast_signed();
        THREAD_OFFSET.store(offset, Ordering::Relaxed);
    }
}

/// The argument is the address of what `__tls_get_addr` gets.
///
/// If the thread's record has the block, that is all: three registers do. Else it is `__tls_get_addr`'s business.
///
/// The function behind it may use any vector register, so all state that the system has enabled is saved. Of the area
/// for xsave, xrstor wants the reserved part of the header (bytes 512 to 576) to be zero.
#[unsafe(naked)]
pub(super) extern "C" fn dynamic() {
    std::arch::naked_asm!(
        "push rcx",
        "push rdx",
        "push rsi",
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
        "pop rsi",
        "pop rdx",
        "pop rcx",
        "ret",
        "6:",
        "pop rsi",
        "pop rdx",
        "pop rcx",
        "push rbp",
        "mov rbp, rsp",
        "push rbx",
        "push rcx",
        "push rdx",
        "push rsi",
        "push rdi",
        "push r8",
        "push r9",
        "push r10",
        "push r11",
        "mov rdi, [rax + 8]",
        "mov eax, [rip + {area}]",
        "test eax, eax",
        "jnz 3f",
        // Leaf 1, ecx bit 27: the system has enabled xsave. Leaf 13, ebx: bytes for what it has enabled.
        "mov eax, 1",
        "xor ecx, ecx",
        "cpuid",
        "mov eax, 512",
        "bt ecx, 27",
        "jnc 2f",
        "mov eax, 13",
        "xor ecx, ecx",
        "cpuid",
        "mov eax, ebx",
        "2:",
        "mov [rip + {area}], eax",
        "3:",
        "sub rsp, rax",
        "and rsp, -64",
        "cmp eax, 512",
        "je 4f",
        "xor eax, eax",
        "mov [rsp + 512], rax",
        "mov [rsp + 520], rax",
        "mov [rsp + 528], rax",
        "mov [rsp + 536], rax",
        "mov [rsp + 544], rax",
        "mov [rsp + 552], rax",
        "mov [rsp + 560], rax",
        "mov [rsp + 568], rax",
        "mov eax, -1",
        "mov edx, -1",
        "xsave64 [rsp]",
        "call {address}",
        "mov rbx, rax",
        "mov eax, -1",
        "mov edx, -1",
        "xrstor64 [rsp]",
        "jmp 5f",
        "4:",
        "fxsave64 [rsp]",
        "call {address}",
        "mov rbx, rax",
        "fxrstor64 [rsp]",
        "5:",
        "mov rax, rbx",
        "sub rax, fs:[0]",
        "lea rsp, [rbp - 72]",
        "pop r11",
        "pop r10",
        "pop r9",
        "pop r8",
        "pop rdi",
        "pop rsi",
        "pop rdx",
        "pop rcx",
        "pop rbx",
        "pop rbp",
        "ret",
        area = sym AREA,
        thread_offset = sym THREAD_OFFSET,
        table = const offset_of!(Thread, table),
        table_len = const offset_of!(Thread, table_len),
        module = const offset_of!(Cached, module),
        start = const offset_of!(Cached, start),
        address = sym tls_get_addr,
    );
}
