//! ELF for AArch64. Its peculiarity: relocation types begin at 257. Thread-local storage is not supported yet.
//!
//! Follows: ELF for the Arm 64-bit Architecture (AAELF64), chapter "Relocation".

use object::{LittleEndian, elf};

use super::machine::Meaning::{Edge, Nothing};
use super::machine::{Machine, Meaning, RelocationType, TypeEdge, data, edges};
use crate::arch::aarch64::{KINDS, Kind};
use crate::arch::{Arch, generic};

pub(super) static MACHINE: Machine = Machine {
    number: elf::EM_AARCH64,
    arch: Arch::AArch64,
    is_64: true,
    is_big_endian: false,
    read: super::read_as::<elf::FileHeader64<LittleEndian>>,
    other_class: "an object for the ILP32 ABI, not for AArch64 with 64-bit addresses",
    prefix: "R_AARCH64_",
    types: TYPES,
    edges: &EDGES,
    large_sections: None,
    large_common: None,
};

static EDGES: [TypeEdge; 316] = edges(TYPES, &KINDS);

const fn own(kind: Kind) -> Meaning {
    Edge(kind.edge())
}

const TYPES: &[RelocationType] = &[
    (0, "NONE", Nothing),
    (256, "NONE", Nothing),
    (257, "ABS64", data(generic::Kind::Pointer64)),
    (258, "ABS32", data(generic::Kind::Pointer32)),
    (259, "ABS16", data(generic::Kind::Pointer16)),
    (260, "PREL64", data(generic::Kind::Delta64)),
    (261, "PREL32", data(generic::Kind::Delta32)),
    (262, "PREL16", data(generic::Kind::Delta16)),
    (263, "MOVW_UABS_G0", own(Kind::MoveWideG0)),
    (264, "MOVW_UABS_G0_NC", own(Kind::MoveWideG0Unchecked)),
    (265, "MOVW_UABS_G1", own(Kind::MoveWideG1)),
    (266, "MOVW_UABS_G1_NC", own(Kind::MoveWideG1Unchecked)),
    (267, "MOVW_UABS_G2", own(Kind::MoveWideG2)),
    (268, "MOVW_UABS_G2_NC", own(Kind::MoveWideG2Unchecked)),
    (269, "MOVW_UABS_G3", own(Kind::MoveWideG3)),
    (270, "MOVW_SABS_G0", own(Kind::MoveSignedG0)),
    (271, "MOVW_SABS_G1", own(Kind::MoveSignedG1)),
    (272, "MOVW_SABS_G2", own(Kind::MoveSignedG2)),
    (273, "LD_PREL_LO19", own(Kind::LDRLiteral19)),
    (274, "ADR_PREL_LO21", own(Kind::ADRLiteral21)),
    (275, "ADR_PREL_PG_HI21", own(Kind::Page21)),
    (276, "ADR_PREL_PG_HI21_NC", own(Kind::Page21Unchecked)),
    (277, "ADD_ABS_LO12_NC", own(Kind::PageOffset12)),
    (278, "LDST8_ABS_LO12_NC", own(Kind::PageOffset12)),
    (279, "TSTBR14", own(Kind::TestAndBranch14PCRel)),
    (280, "CONDBR19", own(Kind::CondBranch19PCRel)),
    (282, "JUMP26", own(Kind::Branch26PCRel)),
    (283, "CALL26", own(Kind::Branch26PCRel)),
    (284, "LDST16_ABS_LO12_NC", own(Kind::PageOffset12Of2)),
    (285, "LDST32_ABS_LO12_NC", own(Kind::PageOffset12Of4)),
    (286, "LDST64_ABS_LO12_NC", own(Kind::PageOffset12Of8)),
    (287, "MOVW_PREL_G0", own(Kind::MoveDeltaG0)),
    (288, "MOVW_PREL_G0_NC", own(Kind::MoveDeltaG0Unchecked)),
    (289, "MOVW_PREL_G1", own(Kind::MoveDeltaG1)),
    (290, "MOVW_PREL_G1_NC", own(Kind::MoveDeltaG1Unchecked)),
    (291, "MOVW_PREL_G2", own(Kind::MoveDeltaG2)),
    (292, "MOVW_PREL_G2_NC", own(Kind::MoveDeltaG2Unchecked)),
    (293, "MOVW_PREL_G3", own(Kind::MoveDeltaG3)),
    (299, "LDST128_ABS_LO12_NC", own(Kind::PageOffset12Of16)),
    (300, "MOVW_GOTOFF_G0", Meaning::Unsupported),
    (301, "MOVW_GOTOFF_G0_NC", Meaning::Unsupported),
    (302, "MOVW_GOTOFF_G1", Meaning::Unsupported),
    (303, "MOVW_GOTOFF_G1_NC", Meaning::Unsupported),
    (304, "MOVW_GOTOFF_G2", Meaning::Unsupported),
    (305, "MOVW_GOTOFF_G2_NC", Meaning::Unsupported),
    (306, "MOVW_GOTOFF_G3", Meaning::Unsupported),
    (307, "GOTREL64", own(Kind::FromGotBase64)),
    (308, "GOTREL32", own(Kind::FromGotBase32)),
    (309, "GOT_LD_PREL19", own(Kind::GotLiteral19)),
    (310, "LD64_GOTOFF_LO15", own(Kind::GotOffset15)),
    (311, "ADR_GOT_PAGE", own(Kind::GotPage21)),
    (312, "LD64_GOT_LO12_NC", own(Kind::GotPageOffset12)),
    (313, "LD64_GOTPAGE_LO15", own(Kind::GotPageOffset15)),
    (314, "PLT32", own(Kind::Branch32)),
    (315, "GOTPCREL32", own(Kind::GotDelta32)),
    (513, "TLSGD_ADR_PAGE21", Meaning::Unsupported),
    (514, "TLSGD_ADD_LO12_NC", Meaning::Unsupported),
    (541, "TLSIE_ADR_GOTTPREL_PAGE21", Meaning::Unsupported),
    (542, "TLSIE_LD64_GOTTPREL_LO12_NC", Meaning::Unsupported),
    (549, "TLSLE_ADD_TPREL_HI12", Meaning::Unsupported),
    (550, "TLSLE_ADD_TPREL_LO12", Meaning::Unsupported),
    (551, "TLSLE_ADD_TPREL_LO12_NC", Meaning::Unsupported),
    (562, "TLSDESC_ADR_PAGE21", Meaning::Unsupported),
    (563, "TLSDESC_LD64_LO12", Meaning::Unsupported),
    (564, "TLSDESC_ADD_LO12", Meaning::Unsupported),
    (569, "TLSDESC_CALL", Meaning::Unsupported),
];
