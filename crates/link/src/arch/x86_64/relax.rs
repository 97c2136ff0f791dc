//! Relaxation: a load or branch through a GOT entry becomes a direct one; in reverse, a `lea` becomes a load of an
//! entry.
//!
//! psABI, "Optimize GOTPCRELX Relocations". We use only forms that keep their length and stay relative.

use super::Kind;
use crate::graph::Edge;

const MOV_LOAD: u8 = 0x8b;
const LEA: u8 = 0x8d;
const GROUP5: u8 = 0xff;
const CALL_RIP: u8 = 0x15;
const JMP_RIP: u8 = 0x25;

/// A change of an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    /// `mov x@GOTPCREL(%rip), %reg` -> `lea x(%rip), %reg`.
    Lea,
    /// `call *x@GOTPCREL(%rip)` -> `addr32 call x`.
    Call,
    /// `jmp *x@GOTPCREL(%rip)` -> `jmp x; nop`.
    Jump,
}

/// The form for the instruction around `edge`, whose opcode must be in `content` and whose field must end it.
fn form(edge: &Edge, content: &[u8]) -> Option<Form> {
    let kind = Kind::from_edge(edge.kind)?;
    // The opcode and ModRM bytes precede the field. An addend other than -4 means that an immediate follows, or an
    // offset into the GOT: neither has a relaxed form.
    let opcode = (edge.offset as usize).checked_sub(2)?;
    if edge.addend != -4 || !matches!(kind, Kind::GotLoad32 | Kind::RexGotLoad32) {
        return None;
    }
    match (content.get(opcode)?, content.get(opcode + 1)?) {
        (&MOV_LOAD, modrm) if modrm & 0xc7 == 0x05 => Some(Form::Lea),
        (&GROUP5, &CALL_RIP) if kind == Kind::GotLoad32 => Some(Form::Call),
        (&GROUP5, &JMP_RIP) if kind == Kind::GotLoad32 => Some(Form::Jump),
        _ => None,
    }
}

/// Returns whether the instruction around `edge` can do without a GOT entry if its target is within reach.
pub(in crate::arch) fn can_relax(edge: &Edge, content: &[u8]) -> bool {
    form(edge, content).is_some()
}

/// Returns whether the instruction around `edge` is `lea x(%rip), %reg` with a 64-bit register: it can load the address
/// from an entry.
pub(in crate::arch) fn can_load_address(edge: &Edge, content: &[u8]) -> bool {
    let field = edge.offset as usize;
    let instruction = field.checked_sub(3).and_then(|start| content.get(start..field));
    // The prefix is REX with W; of its other bits, R is the register's and X and B mean nothing here.
    matches!(instruction, Some(&[rex, LEA, modrm]) if rex & 0xf8 == 0x48 && modrm & 0xc7 == 0x05)
}

/// Makes the instruction around `edge`, for which [`can_load_address`] holds, a load: `mov entry(%rip), %reg`.
pub(super) fn load_address(edge: &Edge, bytes: &mut [u8]) -> bool {
    let opcode = (edge.offset as usize).checked_sub(2).and_then(|at| bytes.get_mut(at));
    opcode.filter(|opcode| **opcode == LEA).map(|opcode| *opcode = MOV_LOAD).is_some()
}

/// Rewrites the instruction around `edge` in the block's `bytes`, placed at `address`, to refer to `target` itself.
/// Returns whether it did: not if there is no such form, or `target` is out of reach.
pub(super) fn relax(edge: &Edge, bytes: &mut [u8], address: u64, target: u64) -> bool {
    let Some(form) = form(edge, bytes) else { return false };
    let field = edge.offset as usize;
    let end = address.wrapping_add(u64::from(edge.offset) + 4);
    // The relaxed jump is a byte shorter; the nop makes up for it.
    let end = if form == Form::Jump { end.wrapping_sub(1) } else { end };
    let Ok(displacement) = i32::try_from(target.wrapping_sub(end).cast_signed()) else { return false };
    let Some(instruction) = bytes.get_mut(field - 2..field + 4) else { return false };
    let [d0, d1, d2, d3] = displacement.to_le_bytes();
    match form {
        Form::Lea => instruction.copy_from_slice(&[LEA, instruction[1], d0, d1, d2, d3]),
        Form::Call => instruction.copy_from_slice(&[0x67, 0xe8, d0, d1, d2, d3]),
        Form::Jump => instruction.copy_from_slice(&[0xe9, d0, d1, d2, d3, 0x90]),
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{EdgeKind, SymbolId};

    const ADDRESS: u64 = 0x10_0000_0000;

    fn check(kind: Kind, before: &[u8], field: u32, displacement: i64, expected: Option<&[u8]>) {
        let edge = Edge { offset: field, kind: kind.edge(), target: SymbolId(0), addend: -4 };
        let mut bytes = before.to_vec();
        let target = (ADDRESS + u64::from(field) + 4).wrapping_add_signed(displacement);
        assert_eq!(relax(&edge, &mut bytes, ADDRESS, target), expected.is_some());
        assert_eq!(bytes, expected.unwrap_or(before));
    }

    #[test]
    fn mov_becomes_lea_to_the_very_edge_of_its_range() {
        let mov = [0x48, 0x8b, 0x3d, 0, 0, 0, 0];
        check(Kind::RexGotLoad32, &mov, 3, 0x7fff_ffff, Some(&[0x48, 0x8d, 0x3d, 0xff, 0xff, 0xff, 0x7f]));
        check(Kind::RexGotLoad32, &mov, 3, 0x8000_0000, None);
        check(Kind::RexGotLoad32, &mov, 3, -0x8000_0000, Some(&[0x48, 0x8d, 0x3d, 0, 0, 0, 0x80]));
        check(Kind::RexGotLoad32, &mov, 3, -0x8000_0001, None);
    }

    #[test]
    fn calls_and_jumps_keep_their_length() {
        check(Kind::GotLoad32, &[0xff, 0x15, 0, 0, 0, 0], 2, 0x100, Some(&[0x67, 0xe8, 0, 1, 0, 0]));
        check(Kind::GotLoad32, &[0xff, 0x25, 0, 0, 0, 0], 2, 0xff, Some(&[0xe9, 0, 1, 0, 0, 0x90]));
        check(Kind::GotLoad32, &[0xff, 0x25, 0, 0, 0, 0], 2, 0x7fff_ffff, None);
        check(Kind::GotLoad32, &[0xff, 0x25, 0, 0, 0, 0], 2, 0x7fff_fffe, Some(&[0xe9, 0xff, 0xff, 0xff, 0x7f, 0x90]));
    }

    #[test]
    fn lea_of_all_64_bit_registers_can_load() {
        let edge = Edge { offset: 3, kind: EdgeKind::DELTA32, target: SymbolId(0), addend: -4 };
        for register in 0..16u8 {
            let lea = [0x48 | (register >> 3 << 2), LEA, 0x05 | (register & 7) << 3, 0, 0, 0, 0];
            assert!(can_load_address(&edge, &lea), "{register}");
            let mut load = lea;
            assert!(load_address(&edge, &mut load));
            assert_eq!(load, [lea[0], MOV_LOAD, lea[2], 0, 0, 0, 0]);
        }
        // 32 bits of an address; relative to a register; a load.
        for other in [[0x44, LEA, 0x05], [0x48, LEA, 0x85], [0x48, MOV_LOAD, 0x05]] {
            assert!(!can_load_address(&edge, &other), "{other:x?}");
        }
        assert!(!can_load_address(&Edge { offset: 2, ..edge }, &[LEA, 0x05, 0, 0, 0, 0]));
    }

    #[test]
    fn other_instructions_keep_the_entry() {
        check(Kind::RexGotLoad32, &[0x48, 0x3b, 0x05, 0, 0, 0, 0], 3, 0, None);
        check(Kind::RexGotLoad32, &[0x48, 0x8b, 0x85, 0, 0, 0, 0], 3, 0, None);
        check(Kind::GotDelta32, &[0x48, 0x8b, 0x05, 0, 0, 0, 0], 3, 0, None);
        check(Kind::GotLoad32, &[0x15, 0, 0, 0, 0], 1, 0, None);
    }
}
