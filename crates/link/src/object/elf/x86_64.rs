//! ELF for x86-64. It has no peculiarities: every addend is explicit, and counts from the field.
//!
//! Follows: System V ABI, AMD64 Architecture Processor Supplement, "Relocation Types", "Section Attribute Flags",
//! "Symbol Table".

use object::elf::{SectionFlags, SymbolSection};
use object::{LittleEndian, elf};

use super::machine::Meaning::{Edge, Nothing, Unsupported};
use super::machine::{Machine, Meaning, RelocationType, TypeEdge, data, edges};
use crate::arch::x86_64::{KINDS, Kind};
use crate::arch::{Arch, generic};

pub(super) static MACHINE: Machine = Machine {
    number: elf::EM_X86_64,
    arch: Arch::X86_64,
    is_64: true,
    is_big_endian: false,
    read: super::read_as::<elf::FileHeader64<LittleEndian>>,
    other_class: "an object for the x32 ABI, not for x86-64 with 64-bit addresses",
    prefix: "R_X86_64_",
    types: TYPES,
    edges: &EDGES,
    // SHF_X86_64_LARGE and SHN_X86_64_LCOMMON, of the medium and large code models.
    large_sections: Some(SectionFlags(0x1000_0000)),
    large_common: Some(SymbolSection(0xff02)),
};

static EDGES: [TypeEdge; 52] = edges(TYPES, &KINDS);

const fn own(kind: Kind) -> Meaning {
    Edge(kind.edge())
}

const TYPES: &[RelocationType] = &[
    (0, "NONE", Nothing),
    (1, "64", data(generic::Kind::Pointer64)),
    (2, "PC32", data(generic::Kind::Delta32)),
    (3, "GOT32", own(Kind::GotOffset32)),
    (4, "PLT32", own(Kind::Branch32)),
    (5, "COPY", Unsupported),
    (6, "GLOB_DAT", Unsupported),
    (7, "JUMP_SLOT", Unsupported),
    (8, "RELATIVE", Unsupported),
    (9, "GOTPCREL", own(Kind::GotDelta32)),
    (10, "32", data(generic::Kind::Pointer32)),
    (11, "32S", own(Kind::Pointer32Signed)),
    (12, "16", data(generic::Kind::Pointer16)),
    (13, "PC16", data(generic::Kind::Delta16)),
    (14, "8", data(generic::Kind::Pointer8)),
    (15, "PC8", data(generic::Kind::Delta8)),
    (16, "DTPMOD64", data(generic::Kind::TlsModule64)),
    (17, "DTPOFF64", data(generic::Kind::TlsOffset64)),
    (18, "TPOFF64", data(generic::Kind::ThreadOffset64)),
    (19, "TLSGD", own(Kind::TlsPairDelta32)),
    (20, "TLSLD", own(Kind::TlsModuleDelta32)),
    (21, "DTPOFF32", own(Kind::TlsOffset32)),
    (22, "GOTTPOFF", own(Kind::ThreadOffsetDelta32)),
    (23, "TPOFF32", own(Kind::ThreadOffset32)),
    (24, "PC64", data(generic::Kind::Delta64)),
    (25, "GOTOFF64", own(Kind::FromGotBase64)),
    (26, "GOTPC32", own(Kind::GotBaseDelta32)),
    (27, "GOT64", own(Kind::GotOffset64)),
    (28, "GOTPCREL64", own(Kind::GotDelta64)),
    (29, "GOTPC64", own(Kind::GotBaseDelta64)),
    (30, "GOTPLT64", own(Kind::GotOffset64)),
    (31, "PLTOFF64", own(Kind::StubFromGotBase64)),
    (32, "SIZE32", own(Kind::Size32)),
    (33, "SIZE64", own(Kind::Size64)),
    (34, "GOTPC32_TLSDESC", own(Kind::TlsDescriptorDelta32)),
    (35, "TLSDESC_CALL", own(Kind::TlsDescriptorCall)),
    (36, "TLSDESC", Unsupported),
    (37, "IRELATIVE", Unsupported),
    (38, "RELATIVE64", Unsupported),
    (39, "PC32_BND", Unsupported),
    (40, "PLT32_BND", Unsupported),
    (41, "GOTPCRELX", own(Kind::GotLoad32)),
    (42, "REX_GOTPCRELX", own(Kind::RexGotLoad32)),
    (43, "CODE_4_GOTPCRELX", own(Kind::RexGotLoad32)),
    (44, "CODE_4_GOTTPOFF", own(Kind::ThreadOffsetDelta32)),
    (45, "CODE_4_GOTPC32_TLSDESC", own(Kind::TlsDescriptorDelta32)),
    (46, "CODE_5_GOTPCRELX", own(Kind::GotDelta32)),
    (47, "CODE_5_GOTTPOFF", own(Kind::ThreadOffsetDelta32)),
    (48, "CODE_5_GOTPC32_TLSDESC", own(Kind::TlsDescriptorDelta32)),
    (49, "CODE_6_GOTPCRELX", own(Kind::GotDelta32)),
    (50, "CODE_6_GOTTPOFF", own(Kind::ThreadOffsetDelta32)),
    (51, "CODE_6_GOTPC32_TLSDESC", own(Kind::TlsDescriptorDelta32)),
];
