//! Operands of AArch64 instructions, numbered as LLVM's disassembler numbers them. Their peculiarity: immediates are
//! the values of the fields, not those of the assembler. Branches count instructions, `adrp` counts pages, loads and
//! stores count units of what they load. `docs/check-operands.md` lists the forms.

use super::{Instruction, Operand};

/// A source of an operand.
#[derive(Clone, Copy)]
enum Part {
    /// A register.
    Register,
    /// So many bits from a bit on.
    Unsigned(u32, u32),
    /// The same, extended with their sign.
    Signed(u32, u32),
    /// Two bits at 29 below 19 at 5, with a sign.
    Address,
    /// The bit of a register that is tested: five bits at 19 below one at 31.
    TestedBit,
    /// By how many bits the immediate of a move is shifted: half words, at 21.
    Shift,
    /// The same of an addition: none or twelve, at 22.
    AddShift,
}

use Part::{AddShift, Address, Register, Shift, Signed, TestedBit, Unsigned};

/// Instructions: their name, which bits tell them, what these are, and the operands.
type Form = (&'static str, u32, u32, &'static [Part]);

const LOAD: &[Part] = &[Register, Register, Unsigned(10, 12)];
const MOVE: &[Part] = &[Register, Unsigned(5, 16), Shift];
const ADD: &[Part] = &[Register, Register, Unsigned(10, 12), AddShift];

const FORMS: [Form; 23] = [
    ("b", 0xfc00_0000, 0x1400_0000, &[Signed(0, 26)]),
    ("bl", 0xfc00_0000, 0x9400_0000, &[Signed(0, 26)]),
    ("b.cond", 0xff00_0010, 0x5400_0000, &[Unsigned(0, 4), Signed(5, 19)]),
    ("cbz", 0x7f00_0000, 0x3400_0000, &[Register, Signed(5, 19)]),
    ("cbnz", 0x7f00_0000, 0x3500_0000, &[Register, Signed(5, 19)]),
    ("tbz", 0x7f00_0000, 0x3600_0000, &[Register, TestedBit, Signed(5, 14)]),
    ("tbnz", 0x7f00_0000, 0x3700_0000, &[Register, TestedBit, Signed(5, 14)]),
    ("adr", 0x9f00_0000, 0x1000_0000, &[Register, Address]),
    ("adrp", 0x9f00_0000, 0x9000_0000, &[Register, Address]),
    ("add", 0x7f80_0000, 0x1100_0000, ADD),
    ("adds", 0x7f80_0000, 0x3100_0000, ADD),
    ("sub", 0x7f80_0000, 0x5100_0000, ADD),
    ("subs", 0x7f80_0000, 0x7100_0000, ADD),
    // Loads and stores of literals and of all sizes with an offset that has no sign, vectors included.
    ("ldr", 0x3b00_0000, 0x1800_0000, &[Register, Signed(5, 19)]),
    ("prfm", 0xffc0_0000, 0xf980_0000, &[Unsigned(0, 5), Register, Unsigned(10, 12)]),
    ("str", 0x3bc0_0000, 0x3900_0000, LOAD),
    ("ldr", 0x3b00_0000, 0x3900_0000, LOAD),
    ("movn", 0x7f80_0000, 0x1280_0000, MOVE),
    ("movz", 0x7f80_0000, 0x5280_0000, MOVE),
    // The register is a result and an argument.
    ("movk", 0x7f80_0000, 0x7280_0000, &[Register, Register, Unsigned(5, 16), Shift]),
    ("br", 0xffff_fc1f, 0xd61f_0000, &[Register]),
    ("blr", 0xffff_fc1f, 0xd63f_0000, &[Register]),
    ("ret", 0xffff_fc1f, 0xd65f_0000, &[Register]),
];

/// Decodes the AArch64 instruction that `bytes` begin with.
///
/// # Errors
/// If it is cut off, or its operands are not known here.
pub(super) fn decode(bytes: &[u8]) -> Result<Instruction, String> {
    let bytes = bytes.first_chunk().ok_or("the instruction reaches beyond the end of linked memory")?;
    let instruction = u32::from_le_bytes(*bytes);
    let known = FORMS.iter().find(|(_, mask, bits, _)| instruction & mask == *bits);
    let &(name, _, _, parts) = known.ok_or_else(|| format!("the operands of {instruction:#010x} are not supported"))?;
    let operands = parts.iter().map(|part| operand(instruction, *part)).collect();
    Ok(Instruction { name: name.into(), length: 4, operands })
}

fn operand(instruction: u32, part: Part) -> Operand {
    let unsigned = |at: u32, bits: u32| instruction >> at & ((1 << bits) - 1);
    let extend = |value: u32, bits: u32| i64::from((value << (32 - bits)).cast_signed() >> (32 - bits));
    Operand::Immediate(match part {
        Register => return Operand::Other,
        Unsigned(at, bits) => unsigned(at, bits).into(),
        Signed(at, bits) => extend(unsigned(at, bits), bits),
        Address => extend(unsigned(5, 19) << 2 | unsigned(29, 2), 21),
        TestedBit => (unsigned(31, 1) << 5 | unsigned(19, 5)).into(),
        Shift => (unsigned(21, 2) * 16).into(),
        AddShift => (unsigned(22, 1) * 12).into(),
    })
}

/// References of functions to themselves that the assembler has resolved, by their first byte: `adr` alone can be one.
pub(super) fn self_references(code: &[u8]) -> Vec<usize> {
    let is_adr = |instruction: u32| instruction & 0x9f00_0000 == 0x1000_0000;
    let starts = (0..).step_by(4).zip(code.as_chunks().0);
    let formed = starts.filter(|&(at, bytes)| {
        let instruction = u32::from_le_bytes(*bytes);
        is_adr(instruction) && operand(instruction, Address) == Operand::Immediate(-(at as i64))
    });
    formed.map(|(at, _)| at).collect()
}
