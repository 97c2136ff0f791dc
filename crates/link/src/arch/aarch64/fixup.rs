//! Applying edges of AArch64.

use super::{KINDS, Kind};
use crate::arch::fixup::{Fixup, Refusal, signed, unsigned};
use crate::arch::{Role, generic};
use crate::endian::Little;

/// The fields of instructions.
const BITS_0_TO_25: u32 = 0x03ff_ffff;
const BITS_5_TO_18: u32 = 0x0007_ffe0;
const BITS_5_TO_20: u32 = 0x001f_ffe0;
const BITS_5_TO_23: u32 = 0x00ff_ffe0;
const BITS_10_TO_21: u32 = 0x003f_fc00;
/// Of `adr` and `adrp`: the two low bits are at 29.
const ADR: u32 = 0x60ff_ffe0;
/// Tells `movz`, with which it is set, from `movn`.
const MOVZ: u32 = 1 << 30;

pub(in crate::arch) fn apply(fixup: &mut Fixup<'_, Little>) -> Result<(), Refusal> {
    // AAELF64 takes addresses of 32 bits with either sign.
    if fixup.edge.kind == generic::Kind::Pointer32.edge() {
        return fixup.write_either::<4>(fixup.target());
    }
    let Some(kind) = Kind::from_edge(fixup.edge.kind) else { return fixup.apply() };
    // AAELF64 means the entry of another address by that.
    let is_of_entry = KINDS.info(fixup.edge.kind).role == Role::Got && kind != Kind::GotDelta32;
    if is_of_entry && fixup.edge.addend != 0 {
        return Err(Refusal::Why("a GOT entry holds the address of a symbol, so its relocation can't have an addend"));
    }
    let got_base = fixup.context.got_base.0;
    let (target, distance) = (fixup.target(), fixup.distance(fixup.place()));
    match kind {
        Kind::Branch26PCRel => insert(fixup, BITS_0_TO_25, multiple(signed(distance, 28, "28 signed bits")?, 2)?),
        Kind::CondBranch19PCRel | Kind::LDRLiteral19 | Kind::GotLiteral19 => {
            insert(fixup, BITS_5_TO_23, multiple(signed(distance, 21, "21 signed bits")?, 2)?)
        }
        Kind::TestAndBranch14PCRel => {
            insert(fixup, BITS_5_TO_18, multiple(signed(distance, 16, "16 signed bits")?, 2)?)
        }
        Kind::ADRLiteral21 => insert_adr(fixup, signed(distance, 21, "21 signed bits")?),
        Kind::Page21 | Kind::GotPage21 => insert_adr(fixup, signed(pages(fixup), 33, "33 signed bits")? >> 12),
        Kind::Page21Unchecked => insert_adr(fixup, pages(fixup) >> 12),
        Kind::PageOffset12 => insert_page_offset(fixup, 0),
        Kind::PageOffset12Of2 => insert_page_offset(fixup, 1),
        Kind::PageOffset12Of4 => insert_page_offset(fixup, 2),
        Kind::PageOffset12Of8 | Kind::GotPageOffset12 => insert_page_offset(fixup, 3),
        Kind::PageOffset12Of16 => insert_page_offset(fixup, 4),
        Kind::MoveWideG0 => insert(fixup, BITS_5_TO_20, unsigned(target, 16, "16 unsigned bits")?),
        Kind::MoveWideG1 => insert(fixup, BITS_5_TO_20, unsigned(target, 32, "32 unsigned bits")? >> 16),
        Kind::MoveWideG2 => insert(fixup, BITS_5_TO_20, unsigned(target, 48, "48 unsigned bits")? >> 32),
        Kind::MoveWideG0Unchecked => insert(fixup, BITS_5_TO_20, target),
        Kind::MoveWideG1Unchecked => insert(fixup, BITS_5_TO_20, target >> 16),
        Kind::MoveWideG2Unchecked => insert(fixup, BITS_5_TO_20, target >> 32),
        Kind::MoveWideG3 => insert(fixup, BITS_5_TO_20, target >> 48),
        Kind::MoveSignedG0 => insert_signed_move(fixup, signed(target, 17, "17 signed bits")?, 0),
        Kind::MoveSignedG1 => insert_signed_move(fixup, signed(target, 33, "33 signed bits")?, 16),
        Kind::MoveSignedG2 => insert_signed_move(fixup, signed(target, 49, "49 signed bits")?, 32),
        Kind::MoveDeltaG0 => insert_signed_move(fixup, signed(distance, 17, "17 signed bits")?, 0),
        Kind::MoveDeltaG1 => insert_signed_move(fixup, signed(distance, 33, "33 signed bits")?, 16),
        Kind::MoveDeltaG2 => insert_signed_move(fixup, signed(distance, 49, "49 signed bits")?, 32),
        Kind::MoveDeltaG3 => insert_signed_move(fixup, distance, 48),
        Kind::MoveDeltaG0Unchecked => insert(fixup, BITS_5_TO_20, distance),
        Kind::MoveDeltaG1Unchecked => insert(fixup, BITS_5_TO_20, distance >> 16),
        Kind::MoveDeltaG2Unchecked => insert(fixup, BITS_5_TO_20, distance >> 32),
        Kind::GotPageOffset15 => insert_got_offset(fixup, page(got_base)),
        Kind::GotOffset15 => insert_got_offset(fixup, got_base),
        Kind::Branch32 | Kind::GotDelta32 => fixup.write_signed::<4>(distance),
        Kind::FromGotBase64 => fixup.write::<8>(fixup.distance(got_base)),
        Kind::FromGotBase32 => fixup.write_signed::<4>(fixup.distance(got_base)),
    }
}

const fn page(address: u64) -> u64 {
    address & !0xfff
}

/// The distance from the page of the instruction to that of the target.
fn pages(fixup: &Fixup<'_, Little>) -> u64 {
    page(fixup.target()).wrapping_sub(page(fixup.place()))
}

/// A value that counts in units of a power of two.
fn multiple(value: u64, log2: u32) -> Result<u64, Refusal> {
    if value & ((1 << log2) - 1) == 0 {
        return Ok(value >> log2);
    }
    Err(Refusal::Why("the target is not aligned as the instruction requires"))
}

fn insert_page_offset(fixup: &mut Fixup<'_, Little>, log2: u32) -> Result<(), Refusal> {
    insert(fixup, BITS_10_TO_21, multiple(fixup.target() & 0xfff, log2)?)
}

fn insert_got_offset(fixup: &mut Fixup<'_, Little>, base: u64) -> Result<(), Refusal> {
    let offset = unsigned(fixup.distance(base), 15, "15 unsigned bits")?;
    insert(fixup, BITS_10_TO_21, multiple(offset, 3)?)
}

/// Makes the instruction a move of 16 bits of a value that has a sign, or of their complement.
fn insert_signed_move(fixup: &mut Fixup<'_, Little>, value: u64, shift: u32) -> Result<(), Refusal> {
    let is_negative = value.cast_signed() < 0;
    let instruction = fixup.read::<4>()? as u32;
    let instruction = if is_negative { instruction & !MOVZ } else { instruction | MOVZ };
    fixup.write::<4>(instruction.into())?;
    insert(fixup, BITS_5_TO_20, (if is_negative { !value } else { value }) >> shift)
}

fn insert_adr(fixup: &mut Fixup<'_, Little>, value: u64) -> Result<(), Refusal> {
    let value = value as u32;
    replace(fixup, ADR, (value & 3) << 29 | ((value >> 2) << 5 & BITS_5_TO_23))
}

/// Puts the low bits of a value into a field.
fn insert(fixup: &mut Fixup<'_, Little>, field: u32, value: u64) -> Result<(), Refusal> {
    replace(fixup, field, (value as u32) << field.trailing_zeros() & field)
}

fn replace(fixup: &mut Fixup<'_, Little>, field: u32, bits: u32) -> Result<(), Refusal> {
    let instruction = fixup.read::<4>()? as u32;
    fixup.write::<4>((instruction & !field | bits).into())
}
