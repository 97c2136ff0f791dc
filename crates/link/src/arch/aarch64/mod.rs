//! AArch64. Its peculiarities: a full address takes two instructions, one for its page and one for the offset in the
//! page, each with a relocation of its own. The second field counts in units of the size that is loaded. Branches reach
//! 128 MiB.
//!
//! In the expressions below, *Target* is the address of the edge's symbol, *Fixup* the address of the instruction, and
//! *Page* an address without its low twelve bits. Fields are parts of instructions.
//!
//! Follows: ELF for the Arm 64-bit Architecture (AAELF64), chapter "Relocation".

mod code;
mod fixup;

pub(super) use code::CODE;
pub(super) use fixup::apply;

use super::generic;
use super::kinds::{KindInfo, Kinds, Role, kinds};
use crate::graph::EdgeKind;

/// The table of kinds.
pub(crate) static KINDS: Kinds = Kinds::new(Kind::ROWS, 0);

kinds! {
    /// The kinds of edges of AArch64 graphs, beside the [generic kinds](generic::Kind). The names are LLVM's as far as
    /// it has such kinds. ELF: ABS64 is `Pointer64` there, PREL32 `Delta32` and so on.
    from generic::COUNT;

    /// `Field <- Target - Fixup + Addend : int28, a multiple of 4`, a call or jump: may go through a stub. ELF CALL26,
    /// JUMP26.
    Branch26PCRel = KindInfo::new(4, Role::Branch).reaching(28),
    /// `Fixup <- Target - Fixup + Addend : int32`, of a function, maybe of its stub. ELF PLT32.
    Branch32 = KindInfo::new(4, Role::Branch),
    /// `Field <- Target - Fixup + Addend : int21, a multiple of 4`. ELF CONDBR19.
    CondBranch19PCRel = KindInfo::new(4, Role::Value),
    /// `Field <- Target - Fixup + Addend : int16, a multiple of 4`. ELF TSTBR14.
    TestAndBranch14PCRel = KindInfo::new(4, Role::Value),
    /// `Field <- Target - Fixup + Addend : int21, a multiple of 4`. ELF LD_PREL_LO19.
    LDRLiteral19 = KindInfo::new(4, Role::Value),
    /// `Field <- Target - Fixup + Addend : int21`. ELF ADR_PREL_LO21.
    ADRLiteral21 = KindInfo::new(4, Role::Value),
    /// `Field <- Page(Target + Addend) - Page(Fixup) : int33`. ELF ADR_PREL_PG_HI21.
    Page21 = KindInfo::new(4, Role::NearDistance).reaching(33),
    /// The same without a check. ELF ADR_PREL_PG_HI21_NC.
    Page21Unchecked = KindInfo::new(4, Role::NearDistance).reaching(33),
    /// `Field <- low 12 bits of Target + Addend`. ELF ADD_ABS_LO12_NC, LDST8_ABS_LO12_NC.
    PageOffset12 = KindInfo::new(4, Role::Address),
    /// The same, a multiple of 2. ELF LDST16_ABS_LO12_NC.
    PageOffset12Of2 = KindInfo::new(4, Role::Address),
    /// The same, a multiple of 4. ELF LDST32_ABS_LO12_NC.
    PageOffset12Of4 = KindInfo::new(4, Role::Address),
    /// The same, a multiple of 8. ELF LDST64_ABS_LO12_NC.
    PageOffset12Of8 = KindInfo::new(4, Role::Address),
    /// The same, a multiple of 16. ELF LDST128_ABS_LO12_NC.
    PageOffset12Of16 = KindInfo::new(4, Role::Address),
    /// `Field <- bits 0 to 15 of Target + Addend : uint16`. ELF MOVW_UABS_G0.
    MoveWideG0 = KindInfo::new(4, Role::Address),
    /// The same without a check. ELF MOVW_UABS_G0_NC.
    MoveWideG0Unchecked = KindInfo::new(4, Role::Address),
    /// `Field <- bits 16 to 31 of Target + Addend : uint32`. ELF MOVW_UABS_G1.
    MoveWideG1 = KindInfo::new(4, Role::Address),
    /// The same without a check. ELF MOVW_UABS_G1_NC.
    MoveWideG1Unchecked = KindInfo::new(4, Role::Address),
    /// `Field <- bits 32 to 47 of Target + Addend : uint48`. ELF MOVW_UABS_G2.
    MoveWideG2 = KindInfo::new(4, Role::Address),
    /// The same without a check. ELF MOVW_UABS_G2_NC.
    MoveWideG2Unchecked = KindInfo::new(4, Role::Address),
    /// `Field <- bits 48 to 63 of Target + Addend`. ELF MOVW_UABS_G3.
    MoveWideG3 = KindInfo::new(4, Role::Address),
    /// `Field <- bits 0 to 15 of Target + Addend : int17`; the instruction becomes `movn` or `movz`. ELF MOVW_SABS_G0.
    MoveSignedG0 = KindInfo::new(4, Role::Value),
    /// The same with bits 16 to 31, int33. ELF MOVW_SABS_G1.
    MoveSignedG1 = KindInfo::new(4, Role::Value),
    /// The same with bits 32 to 47, int49. ELF MOVW_SABS_G2.
    MoveSignedG2 = KindInfo::new(4, Role::Value),
    /// `Field <- bits 0 to 15 of Target - Fixup + Addend : int17`; the instruction becomes `movn` or `movz`. ELF
    /// MOVW_PREL_G0.
    MoveDeltaG0 = KindInfo::new(4, Role::Value),
    /// The same bits without a check, in a `movk`. ELF MOVW_PREL_G0_NC.
    MoveDeltaG0Unchecked = KindInfo::new(4, Role::Value),
    /// As [`Kind::MoveDeltaG0`] with bits 16 to 31, int33. ELF MOVW_PREL_G1.
    MoveDeltaG1 = KindInfo::new(4, Role::Value),
    /// The same bits without a check, in a `movk`. ELF MOVW_PREL_G1_NC.
    MoveDeltaG1Unchecked = KindInfo::new(4, Role::Value),
    /// As [`Kind::MoveDeltaG0`] with bits 32 to 47, int49. ELF MOVW_PREL_G2.
    MoveDeltaG2 = KindInfo::new(4, Role::Value),
    /// The same bits without a check, in a `movk`. ELF MOVW_PREL_G2_NC.
    MoveDeltaG2Unchecked = KindInfo::new(4, Role::Value),
    /// As [`Kind::MoveDeltaG0`] with bits 48 to 63, of which all fit. ELF MOVW_PREL_G3.
    MoveDeltaG3 = KindInfo::new(4, Role::Value),
    /// `Field <- Page(GotEntry(Target)) - Page(Fixup) : int33`. ELF ADR_GOT_PAGE.
    GotPage21 = KindInfo::new(4, Role::Got),
    /// `Field <- low 12 bits of GotEntry(Target), a multiple of 8`. ELF LD64_GOT_LO12_NC.
    GotPageOffset12 = KindInfo::new(4, Role::Got),
    /// `Field <- GotEntry(Target) - Page(GotBase) : uint15, a multiple of 8`. ELF LD64_GOTPAGE_LO15.
    GotPageOffset15 = KindInfo::new(4, Role::Got),
    /// `Field <- GotEntry(Target) - GotBase : uint15, a multiple of 8`. ELF LD64_GOTOFF_LO15.
    GotOffset15 = KindInfo::new(4, Role::Got),
    /// `Field <- GotEntry(Target) - Fixup : int21, a multiple of 4`. ELF GOT_LD_PREL19.
    GotLiteral19 = KindInfo::new(4, Role::Got),
    /// `Fixup <- GotEntry(Target) - Fixup + Addend : int32`. ELF GOTPCREL32.
    GotDelta32 = KindInfo::new(4, Role::Got),
    /// `Fixup <- Target - GotBase + Addend : int64`. ELF GOTREL64.
    FromGotBase64 = KindInfo::new(8, Role::Address),
    /// `Fixup <- Target - GotBase + Addend : int32`. ELF GOTREL32.
    FromGotBase32 = KindInfo::new(4, Role::Value),
}
