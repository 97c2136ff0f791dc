//! Decoding instructions. Each architecture has a file, which calls the library that decodes them.

use super::{aarch64, x86_64};
use crate::arch::aarch64::Kind;
use crate::arch::{Arch, ArchTables};
use crate::graph::{Edge, EdgeKind, SymbolId};

/// An operand of an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operand {
    /// A number: an immediate, a displacement, a scale, the distance of a branch, a condition.
    Immediate(i64),
    /// A register, or the absence of one.
    Other,
}

/// A decoded instruction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instruction {
    /// The name that assemblers have for it.
    pub name: String,
    /// Its length in bytes.
    pub length: u64,
    /// Its operands in LLVM's order.
    pub operands: Vec<Operand>,
}

impl Instruction {
    /// The operands for a message.
    #[must_use]
    pub fn describe(&self) -> String {
        if self.operands.is_empty() {
            return "it has no operands".into();
        }
        let operand = |(index, operand): (usize, &Operand)| match operand {
            Operand::Immediate(value) => format!("{index}: {value:#x}"),
            Operand::Other => format!("{index}: register"),
        };
        let all: Vec<_> = self.operands.iter().enumerate().map(operand).collect();
        format!("its operands are {}", all.join(", "))
    }
}

/// Decodes the instruction that `bytes`, which are at `address`, begin with.
///
/// # Errors
/// If there is none, or its operands have no place in the numbering that is known here.
pub fn decode(arch: Arch, bytes: &[u8], address: u64) -> Result<Instruction, String> {
    if bytes.is_empty() {
        return Err("there is no linked memory".into());
    }
    match arch {
        Arch::X86_64 => x86_64::decode(bytes, address),
        Arch::AArch64 => aarch64::decode(bytes),
    }
}

/// The fields by which instructions form the address of `target`, the function whose code this is, which the assembler
/// has resolved. Where it is does not matter: they are relative to the code.
///
/// # Errors
/// The offset of what is no instruction.
pub fn self_references(arch: Arch, code: &[u8], target: SymbolId) -> Result<Vec<Edge>, usize> {
    let (fields, kind) = match arch {
        Arch::X86_64 => (x86_64::self_references(code)?, EdgeKind::DELTA32),
        Arch::AArch64 => (aarch64::self_references(code), Kind::ADRLiteral21.edge()),
    };
    let addend = arch.kinds().info(kind).bias.into();
    let edge = |field| Some(Edge { offset: u32::try_from(field).ok()?, kind, target, addend });
    Ok(fields.into_iter().filter_map(edge).collect())
}
