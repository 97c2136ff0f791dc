//! ELF for AArch64. Its peculiarity: relocation types begin at 257. Thread-local storage is not supported yet.
//!
//! Follows: ELF for the Arm 64-bit Architecture (AAELF64), chapter "Relocation".

use object::{LittleEndian, elf};

use super::machine::Meaning::{Edge, Nothing};
use super::machine::{Machine, Meaning, TypeEdge, TypeMeaning, data, edges};
use crate::arch::aarch64::{KINDS, Kind};
use crate::arch::{Arch, generic};

pub(super) static MACHINE: Machine = Machine {
    number: elf::EM_AARCH64,
    arch: Arch::AArch64,
    is_64: true,
    is_big_endian: false,
    read: super::read_as::<elf::FileHeader64<LittleEndian>>,
    other_class: "an object for the ILP32 ABI, not for AArch64 with 64-bit addresses",
    types: TYPES,
    type_name: |kind| elf::NAMES_R_AARCH64.name(kind),
    edges: &EDGES,
    large_sections: None,
    large_common: None,
};

static EDGES: [TypeEdge; 316] = edges(TYPES, &KINDS);

const fn own(kind: Kind) -> Meaning {
    Edge(kind.edge())
}

const TYPES: &[TypeMeaning] = &[
    (elf::R_AARCH64_NONE, Nothing),
    (elf::RelocationType(256), Nothing),
    (elf::R_AARCH64_ABS64, data(generic::Kind::Pointer64)),
    (elf::R_AARCH64_ABS32, data(generic::Kind::Pointer32)),
    (elf::R_AARCH64_ABS16, data(generic::Kind::Pointer16)),
    (elf::R_AARCH64_PREL64, data(generic::Kind::Delta64)),
    (elf::R_AARCH64_PREL32, data(generic::Kind::Delta32)),
    (elf::R_AARCH64_PREL16, data(generic::Kind::Delta16)),
    (elf::R_AARCH64_MOVW_UABS_G0, own(Kind::MoveWideG0)),
    (elf::R_AARCH64_MOVW_UABS_G0_NC, own(Kind::MoveWideG0Unchecked)),
    (elf::R_AARCH64_MOVW_UABS_G1, own(Kind::MoveWideG1)),
    (elf::R_AARCH64_MOVW_UABS_G1_NC, own(Kind::MoveWideG1Unchecked)),
    (elf::R_AARCH64_MOVW_UABS_G2, own(Kind::MoveWideG2)),
    (elf::R_AARCH64_MOVW_UABS_G2_NC, own(Kind::MoveWideG2Unchecked)),
    (elf::R_AARCH64_MOVW_UABS_G3, own(Kind::MoveWideG3)),
    (elf::R_AARCH64_MOVW_SABS_G0, own(Kind::MoveSignedG0)),
    (elf::R_AARCH64_MOVW_SABS_G1, own(Kind::MoveSignedG1)),
    (elf::R_AARCH64_MOVW_SABS_G2, own(Kind::MoveSignedG2)),
    (elf::R_AARCH64_LD_PREL_LO19, own(Kind::LDRLiteral19)),
    (elf::R_AARCH64_ADR_PREL_LO21, own(Kind::ADRLiteral21)),
    (elf::R_AARCH64_ADR_PREL_PG_HI21, own(Kind::Page21)),
    (elf::R_AARCH64_ADR_PREL_PG_HI21_NC, own(Kind::Page21Unchecked)),
    (elf::R_AARCH64_ADD_ABS_LO12_NC, own(Kind::PageOffset12)),
    (elf::R_AARCH64_LDST8_ABS_LO12_NC, own(Kind::PageOffset12)),
    (elf::R_AARCH64_TSTBR14, own(Kind::TestAndBranch14PCRel)),
    (elf::R_AARCH64_CONDBR19, own(Kind::CondBranch19PCRel)),
    (elf::R_AARCH64_JUMP26, own(Kind::Branch26PCRel)),
    (elf::R_AARCH64_CALL26, own(Kind::Branch26PCRel)),
    (elf::R_AARCH64_LDST16_ABS_LO12_NC, own(Kind::PageOffset12Of2)),
    (elf::R_AARCH64_LDST32_ABS_LO12_NC, own(Kind::PageOffset12Of4)),
    (elf::R_AARCH64_LDST64_ABS_LO12_NC, own(Kind::PageOffset12Of8)),
    (elf::R_AARCH64_MOVW_PREL_G0, own(Kind::MoveDeltaG0)),
    (elf::R_AARCH64_MOVW_PREL_G0_NC, own(Kind::MoveDeltaG0Unchecked)),
    (elf::R_AARCH64_MOVW_PREL_G1, own(Kind::MoveDeltaG1)),
    (elf::R_AARCH64_MOVW_PREL_G1_NC, own(Kind::MoveDeltaG1Unchecked)),
    (elf::R_AARCH64_MOVW_PREL_G2, own(Kind::MoveDeltaG2)),
    (elf::R_AARCH64_MOVW_PREL_G2_NC, own(Kind::MoveDeltaG2Unchecked)),
    (elf::R_AARCH64_MOVW_PREL_G3, own(Kind::MoveDeltaG3)),
    (elf::R_AARCH64_LDST128_ABS_LO12_NC, own(Kind::PageOffset12Of16)),
    (elf::R_AARCH64_GOTREL64, own(Kind::FromGotBase64)),
    (elf::R_AARCH64_GOTREL32, own(Kind::FromGotBase32)),
    (elf::R_AARCH64_GOT_LD_PREL19, own(Kind::GotLiteral19)),
    (elf::R_AARCH64_LD64_GOTOFF_LO15, own(Kind::GotOffset15)),
    (elf::R_AARCH64_ADR_GOT_PAGE, own(Kind::GotPage21)),
    (elf::R_AARCH64_LD64_GOT_LO12_NC, own(Kind::GotPageOffset12)),
    (elf::R_AARCH64_LD64_GOTPAGE_LO15, own(Kind::GotPageOffset15)),
    (elf::R_AARCH64_PLT32, own(Kind::Branch32)),
    (elf::R_AARCH64_GOTPCREL32, own(Kind::GotDelta32)),
];
