//! The machine code that linkjit itself puts beside linked code.

use super::Kind;
use crate::arch::template::{Code, Field, Template, field};
use crate::graph::EdgeKind;

const PAGE: EdgeKind = Kind::Page21.edge();
const LOW_BITS: EdgeKind = Kind::PageOffset12.edge();
const GOT_PAGE: EdgeKind = Kind::GotPage21.edge();

/// The fields of `adrp` and `add` that compute the address of the operand 0, and of `adrp` and `ldr` for the GOT entry of 1.
const fn handle_and_entry(entry: u32) -> [Field; 4] {
    [
        field(0, PAGE, 0, 0),
        field(4, LOW_BITS, 0, 0),
        field(entry, GOT_PAGE, 1, 0),
        field(entry + 4, Kind::GotPageOffset12.edge(), 1, 0),
    ]
}

pub(in crate::arch) static CODE: Code = Code {
    // adrp x16, slot; ldr x16, [x16, :lo12:slot]; br x16
    stub: Template {
        size: 16,
        ..Template::new(&STUB, 4, &[field(0, PAGE, 0, 0), field(4, Kind::PageOffset12Of8.edge(), 0, 0)])
    },
    // udf
    filler: 0,
    trampoline: Template::new(
        &TRAMPOLINE,
        4,
        &[field(20, GOT_PAGE, 0, 0), field(24, Kind::GotPageOffset12.edge(), 0, 0)],
    ),
    set_numbers,
    atexit: Template::new(&ATEXIT, 4, &handle_and_entry(12)),
    at_quick_exit: Template::new(&AT_QUICK_EXIT, 4, &handle_and_entry(8)),
    on_exit: Template::new(&ON_EXIT, 4, &handle_and_entry(8)),
    host_call: Template::new(&HOST_CALL, 4, &handle_and_entry(8)),
    // stp x29, x30, [sp, -16]!; b code
    init_entry: Template::new(
        &[0xfd, 0x7b, 0xbf, 0xa9, 0, 0, 0, 0x14],
        4,
        &[field(4, Kind::Branch26PCRel.edge(), 0, 0)],
    ),
    // ldp x29, x30, [sp], 16; ret
    init_exit: &[0xfd, 0x7b, 0xc1, 0xa8, 0xc0, 0x03, 0x5f, 0xd6],
    image: None,
};

const STUB: [u8; 12] = code([0x9000_0010, 0xf940_0210, 0xd61f_0200]);

/// `mov w16, number`, `mov w17, reentry`, in two instructions each; `stp x16, x17, [sp, -16]!`; `adrp` and `ldr` of the GOT
/// entry of the routine to x16; `br x16`.
const TRAMPOLINE: [u8; 32] =
    code([0x5280_0010, 0x72a0_0010, 0x5280_0011, 0x72a0_0011, 0xa9bf_47f0, 0x9000_0010, 0xf940_0210, 0xd61f_0200]);

/// `adrp` and `add` of the handle to x2; `mov x1, xzr`; a jump to the function.
const ATEXIT: [u8; 24] = code([0x9000_0002, 0x9100_0042, 0xaa1f_03e1, 0x9000_0010, 0xf940_0210, 0xd61f_0200]);

/// `adrp` and `add` of the handle to x1; a jump to the function.
const AT_QUICK_EXIT: [u8; 20] = code([0x9000_0001, 0x9100_0021, 0x9000_0010, 0xf940_0210, 0xd61f_0200]);

/// `adrp` and `add` of the handle to x2; a jump to the function.
const ON_EXIT: [u8; 20] = code([0x9000_0002, 0x9100_0042, 0x9000_0010, 0xf940_0210, 0xd61f_0200]);

/// `adrp` and `add` of the data to x15; a jump to the routine.
const HOST_CALL: [u8; 20] = code([0x9000_000f, 0x9100_01ef, 0x9000_0010, 0xf940_0210, 0xd61f_0200]);

/// The bytes of instructions; `N` is how many these are.
const fn code<const COUNT: usize, const N: usize>(instructions: [u32; COUNT]) -> [u8; N] {
    let mut bytes = [0; N];
    let mut at = 0;
    while at < N {
        bytes[at] = instructions[at / 4].to_le_bytes()[at % 4];
        at += 1;
    }
    bytes
}

/// The moves of the trampoline have 16 bits each at bit 5.
fn set_numbers(code: &mut [u8], number: u32, reentry: u32) {
    let halves = [number & 0xffff, number >> 16, reentry & 0xffff, reentry >> 16];
    for (instruction, half) in code.as_chunks_mut::<4>().0.iter_mut().zip(halves) {
        *instruction = (u32::from_le_bytes(*instruction) | half << 5).to_le_bytes();
    }
}
