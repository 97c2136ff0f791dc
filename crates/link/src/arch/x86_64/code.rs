//! The machine code that linkjit itself puts beside linked code.

use super::Kind;
use crate::arch::template::{Code, Field, Framed, ImageCode, Template, field};
use crate::graph::EdgeKind;

/// A displacement that ends its instruction.
const fn displacement(offset: u32, operand: usize) -> Field {
    field(offset, EdgeKind::DELTA32, operand, -4)
}

/// The same to a GOT entry.
const fn got(offset: u32, operand: usize) -> Field {
    field(offset, Kind::GotDelta32.edge(), operand, -4)
}

/// The same of a call or jump.
const fn branch(offset: u32, operand: usize) -> Field {
    field(offset, Kind::Branch32.edge(), operand, -4)
}

/// The fields of a `lea` of the operand 0, and of a jump through the GOT entry of 1.
const fn lea_and_jump(entry: u32) -> [Field; 2] {
    [displacement(3, 0), got(entry, 1)]
}

const fn image_offset(offset: u32, operand: usize) -> Field {
    field(offset, EdgeKind::IMAGE_OFFSET32, operand, 0)
}

pub(in crate::arch) static CODE: Code = Code {
    // jmp *slot(%rip)
    stub: Template { size: 8, ..Template::new(&[0xff, 0x25, 0, 0, 0, 0], 3, &[displacement(2, 0)]) },
    // int3
    filler: 0xcc,
    // push $number; push $reentry; jmp *routine(%rip)
    trampoline: Template::new(&[0x68, 0, 0, 0, 0, 0x68, 0, 0, 0, 0, 0xff, 0x25, 0, 0, 0, 0], 4, &[got(12, 0)]),
    set_numbers,
    // lea handle(%rip),%rdx; xor %esi,%esi; jmp *entry(%rip)
    atexit: Template::new(&[0x48, 0x8d, 0x15, 0, 0, 0, 0, 0x31, 0xf6, 0xff, 0x25, 0, 0, 0, 0], 3, &lea_and_jump(11)),
    // lea handle(%rip),%rsi; jmp *entry(%rip)
    at_quick_exit: Template::new(&[0x48, 0x8d, 0x35, 0, 0, 0, 0, 0xff, 0x25, 0, 0, 0, 0], 3, &lea_and_jump(9)),
    // lea handle(%rip),%rdx; jmp *entry(%rip)
    on_exit: Template::new(&[0x48, 0x8d, 0x15, 0, 0, 0, 0, 0xff, 0x25, 0, 0, 0, 0], 3, &lea_and_jump(9)),
    // lea data(%rip),%r10; jmp *routine(%rip)
    host_call: Template::new(&[0x4c, 0x8d, 0x15, 0, 0, 0, 0, 0xff, 0x25, 0, 0, 0, 0], 4, &lea_and_jump(9)),
    // sub $8,%rsp; jmp code
    init_entry: Template::new(&[0x48, 0x83, 0xec, 0x08, 0xe9, 0, 0, 0, 0], 4, &[displacement(5, 0)]),
    // add $8,%rsp; ret
    init_exit: &[0x48, 0x83, 0xc4, 0x08, 0xc3],
    image: Some(&IMAGE_CODE),
};

static IMAGE_CODE: ImageCode = ImageCode {
    // The copy is in rcx. cmp cookie(%rip),%rcx; jne 1f; ret; 1: jmp function
    cookie_check: Template::new(
        &[0x48, 0x3b, 0x0d, 0, 0, 0, 0, 0x75, 0x01, 0xc3, 0xe9, 0, 0, 0, 0],
        4,
        &[displacement(3, 0), branch(11, 1)],
    ),
    // lea third(%rip),%r8; lea fourth(%rip),%r9; jmp function
    with_two_more: Template::new(
        &[0x4c, 0x8d, 0x05, 0, 0, 0, 0, 0x4c, 0x8d, 0x0d, 0, 0, 0, 0, 0xe9, 0, 0, 0, 0],
        4,
        &[displacement(3, 0), displacement(10, 1), branch(15, 2)],
    ),
    start_call: Framed {
        code: Template::new(&START_CALL, 4, &[branch(7, 0)]),
        unwind: &START_CALL_UNWIND,
        record: FUNCTION_RECORD,
    },
    // mov $1,%ecx; xor %edx,%edx; jmp function
    terminating_call: Template::new(&[0xb9, 0x01, 0x00, 0x00, 0x00, 0x31, 0xd2, 0xe9, 0, 0, 0, 0], 4, &[branch(8, 0)]),
    delay_load: Framed {
        code: Template::new(
            &DELAY_LOAD,
            4,
            &[displacement(2, 0), displacement(9, 0), displacement(53, 1), branch(58, 2)],
        ),
        unwind: &DELAY_LOAD_UNWIND,
        record: FUNCTION_RECORD,
    },
    delay_load_start: 6,
};

const FUNCTION_RECORD: Template =
    Template::new(&[0; 12], 2, &[image_offset(0, 0), image_offset(4, 1), image_offset(8, 2)]);

/// The immediates of the trampoline are at 1 and 6.
fn set_numbers(code: &mut [u8], number: u32, reentry: u32) {
    for (at, number) in [(1, number), (6, reentry)] {
        if let Some(immediate) = code.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            *immediate = number.to_le_bytes();
        }
    }
}

/// `sub $40,%rsp; xor %ecx,%ecx; call function; xor $1,%al; movzx %al,%eax; add $40,%rsp; ret`.
const START_CALL: [u8; 21] =
    [0x48, 0x83, 0xec, 0x28, 0x31, 0xc9, 0xe8, 0, 0, 0, 0, 0x34, 0x01, 0x0f, 0xb6, 0xc0, 0x48, 0x83, 0xc4, 0x28, 0xc3];

/// `UNWIND_INFO`, with one code, by which the first four bytes of [`START_CALL`] allocate 40 bytes ("x64 exception handling",
/// Microsoft Learn).
const START_CALL_UNWIND: [u8; 8] = [0x01, 0x04, 0x01, 0x00, 0x04, 0x42, 0x00, 0x00];

/// `jmp *slot(%rip)`, and at 6: `lea slot(%rip),%rax; push %rcx; push %rdx; push %r8; push %r9; sub $104,%rsp`, saves xmm0
/// to xmm3; `mov %rax,%rdx; lea descriptor(%rip),%rcx; call helper`, restores all of these; `jmp *%rax`.
const DELAY_LOAD: [u8; 98] = [
    0xff, 0x25, 0, 0, 0, 0, 0x48, 0x8d, 0x05, 0, 0, 0, 0, 0x51, 0x52, 0x41, 0x50, 0x41, 0x51, 0x48, 0x83, 0xec, 0x68,
    0x66, 0x0f, 0x7f, 0x44, 0x24, 0x20, 0x66, 0x0f, 0x7f, 0x4c, 0x24, 0x30, 0x66, 0x0f, 0x7f, 0x54, 0x24, 0x40, 0x66,
    0x0f, 0x7f, 0x5c, 0x24, 0x50, 0x48, 0x89, 0xc2, 0x48, 0x8d, 0x0d, 0, 0, 0, 0, 0xe8, 0, 0, 0, 0, 0x66, 0x0f, 0x6f,
    0x44, 0x24, 0x20, 0x66, 0x0f, 0x6f, 0x4c, 0x24, 0x30, 0x66, 0x0f, 0x6f, 0x54, 0x24, 0x40, 0x66, 0x0f, 0x6f, 0x5c,
    0x24, 0x50, 0x48, 0x83, 0xc4, 0x68, 0x41, 0x59, 0x41, 0x58, 0x5a, 0x59, 0xff, 0xe0,
];

/// `UNWIND_INFO`, with five codes that allocate the 136 bytes of [`DELAY_LOAD`].
const DELAY_LOAD_UNWIND: [u8; 16] =
    [0x01, 0x17, 0x05, 0, 0x17, 0xc2, 0x13, 0x02, 0x11, 0x02, 0x0f, 0x02, 0x0e, 0x02, 0, 0];
