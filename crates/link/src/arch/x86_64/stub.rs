//! The machine code that linkjit itself puts beside linked code.

/// `jmp *GotEntry(%rip)`; the displacement at 2 is relative to the end.
pub const STUB: [u8; 6] = [0xff, 0x25, 0, 0, 0, 0];

/// Stubs are 8 bytes apart, so that none straddles a cache line; the rest is `int3`.
pub const STUB_SIZE: u64 = 8;

/// `atexit(f)` as `__cxa_atexit(f, 0, handle)`: `lea handle(%rip),%rdx; xor %esi,%esi; jmp *entry(%rip)`. The
/// displacements are at 3 and 11.
pub const ATEXIT_THUNK: [u8; 15] = [0x48, 0x8d, 0x15, 0, 0, 0, 0, 0x31, 0xf6, 0xff, 0x25, 0, 0, 0, 0];

/// `at_quick_exit(f)` as `__cxa_at_quick_exit(f, handle)`: `lea handle(%rip),%rsi; jmp *entry(%rip)`. The displacements
/// are at 3 and 9.
pub const AT_QUICK_EXIT_THUNK: [u8; 13] = [0x48, 0x8d, 0x35, 0, 0, 0, 0, 0xff, 0x25, 0, 0, 0, 0];

/// `on_exit(f, argument)` with a third argument: `lea handle(%rip),%rdx; jmp *entry(%rip)`. The displacements are at 3 and 9.
pub const ON_EXIT_THUNK: [u8; 13] = [0x48, 0x8d, 0x15, 0, 0, 0, 0, 0xff, 0x25, 0, 0, 0, 0];

/// Compares the cookie in rcx with the image's: `cmp cookie(%rip),%rcx; jne 1f; ret; 1: jmp fail`. The displacements are at
/// 3 and 11.
pub const COOKIE_CHECK: [u8; 15] = [0x48, 0x3b, 0x0d, 0, 0, 0, 0, 0x75, 0x01, 0xc3, 0xe9, 0, 0, 0, 0];

/// Goes on to a function of Windows with two more arguments, as the third and the fourth: `lea third(%rip),%r8; lea
/// fourth(%rip),%r9; jmp function`. The displacements are at 3, 10 and 15.
pub const WITH_TWO_MORE: [u8; 19] = [0x4c, 0x8d, 0x05, 0, 0, 0, 0, 0x4c, 0x8d, 0x0d, 0, 0, 0, 0, 0xe9, 0, 0, 0, 0];

/// Calls a function of Windows with zero, and returns zero if that returns true: `sub $40,%rsp; xor %ecx,%ecx; call
/// function; xor $1,%al; movzx %al,%eax; add $40,%rsp; ret`. The displacement is at 7.
pub const START_CALL: [u8; 21] =
    [0x48, 0x83, 0xec, 0x28, 0x31, 0xc9, 0xe8, 0, 0, 0, 0, 0x34, 0x01, 0x0f, 0xb6, 0xc0, 0x48, 0x83, 0xc4, 0x28, 0xc3];

/// How the frame of [`START_CALL`] is unwound: `UNWIND_INFO`, with one code, by which the first four bytes allocate 40 bytes
/// ("x64 exception handling", Microsoft Learn).
pub const FRAME_UNWIND: [u8; 8] = [0x01, 0x04, 0x01, 0x00, 0x04, 0x42, 0x00, 0x00];

/// Goes on to a function of Windows with the arguments one and zero: `mov $1,%ecx; xor %edx,%edx; jmp function`. The
/// displacement is at 8.
pub const TERMINATING_CALL: [u8; 12] = [0xb9, 0x01, 0x00, 0x00, 0x00, 0x31, 0xd2, 0xe9, 0, 0, 0, 0];

/// A function of Windows that is looked up when it is first called: `jmp *slot(%rip)`, and at 6, where the slot leads at
/// first: `lea slot(%rip),%rax; push %rcx; push %rdx; push %r8; push %r9; sub $104,%rsp`, saves xmm0 to xmm3; `mov
/// %rax,%rdx; lea descriptor(%rip),%rcx; call helper`, restores all of these; `jmp *%rax`. The displacements are at 2, 9,
/// 53 and 58.
pub const DELAY_LOAD: [u8; 98] = [
    0xff, 0x25, 0, 0, 0, 0, 0x48, 0x8d, 0x05, 0, 0, 0, 0, 0x51, 0x52, 0x41, 0x50, 0x41, 0x51, 0x48, 0x83, 0xec, 0x68,
    0x66, 0x0f, 0x7f, 0x44, 0x24, 0x20, 0x66, 0x0f, 0x7f, 0x4c, 0x24, 0x30, 0x66, 0x0f, 0x7f, 0x54, 0x24, 0x40, 0x66,
    0x0f, 0x7f, 0x5c, 0x24, 0x50, 0x48, 0x89, 0xc2, 0x48, 0x8d, 0x0d, 0, 0, 0, 0, 0xe8, 0, 0, 0, 0, 0x66, 0x0f, 0x6f,
    0x44, 0x24, 0x20, 0x66, 0x0f, 0x6f, 0x4c, 0x24, 0x30, 0x66, 0x0f, 0x6f, 0x54, 0x24, 0x40, 0x66, 0x0f, 0x6f, 0x5c,
    0x24, 0x50, 0x48, 0x83, 0xc4, 0x68, 0x41, 0x59, 0x41, 0x58, 0x5a, 0x59, 0xff, 0xe0,
];

/// How the frame of [`DELAY_LOAD`] is unwound: `UNWIND_INFO`, with five codes that allocate its 136 bytes.
pub const DELAY_LOAD_UNWIND: [u8; 16] =
    [0x01, 0x17, 0x05, 0, 0x17, 0xc2, 0x13, 0x02, 0x11, 0x02, 0x0f, 0x02, 0x0e, 0x02, 0, 0];

/// Opens a function around code of `.init`: `sub $8,%rsp; jmp code`. The displacement is at 5.
pub const INIT_ENTRY: [u8; 9] = [0x48, 0x83, 0xec, 0x08, 0xe9, 0, 0, 0, 0];

/// Closes it, behind the code: `add $8,%rsp; ret`.
pub const INIT_EXIT: [u8; 5] = [0x48, 0x83, 0xc4, 0x08, 0xc3];

/// Stands for a function that is not linked yet: `push $number; push $reentry; jmp *routine(%rip)`. The immediates are at
/// 1 and 6, the displacement is at 12.
pub const TRAMPOLINE: [u8; 16] = [0x68, 0, 0, 0, 0, 0x68, 0, 0, 0, 0, 0xff, 0x25, 0, 0, 0, 0];
