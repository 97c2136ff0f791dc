//! The machine code that linkjit itself puts beside linked code.

/// `jmp *GotEntry(%rip)`; the displacement at 2 is relative to the end.
pub const STUB: [u8; 6] = [0xff, 0x25, 0, 0, 0, 0];

/// Stubs are 8 bytes apart, so that none straddles a cache line; the rest is `int3`.
pub const STUB_SIZE: u64 = 8;

/// Tail call of a three-argument registration function with the caller's image handle as last argument:
/// `lea handle(%rip),%rdx; xor %esi,%esi; jmp *entry(%rip)`. Displacements at 3 and 11.
pub const ATEXIT_THUNK: [u8; 15] = [0x48, 0x8d, 0x15, 0, 0, 0, 0, 0x31, 0xf6, 0xff, 0x25, 0, 0, 0, 0];
