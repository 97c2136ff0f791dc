//! ELF for x86-64. It has no peculiarities: every addend is explicit, and counts from the field.
//!
//! Follows: System V ABI, AMD64 Architecture Processor Supplement, "Relocation Types", "Section Attribute Flags",
//! "Symbol Table".

use object::elf::{SectionFlags, SymbolSection};
use object::{LittleEndian, elf};

use super::machine::Meaning::{Edge, Nothing};
use super::machine::{Machine, Meaning, TypeEdge, TypeMeaning, data, edges};
use crate::arch::x86_64::{KINDS, Kind};
use crate::arch::{Arch, generic};

pub(super) static MACHINE: Machine = Machine {
    number: elf::EM_X86_64,
    arch: Arch::X86_64,
    is_64: true,
    is_big_endian: false,
    read: super::read_as::<elf::FileHeader64<LittleEndian>>,
    other_class: "an object for the x32 ABI, not for x86-64 with 64-bit addresses",
    types: TYPES,
    type_name: |kind| match kind.0 {
        // Of MPX, and withdrawn.
        39 => Some("R_X86_64_PC32_BND"),
        40 => Some("R_X86_64_PLT32_BND"),
        _ => elf::NAMES_R_X86_64.name(kind),
    },
    edges: &EDGES,
    // SHF_X86_64_LARGE and SHN_X86_64_LCOMMON, of the medium and large code models.
    large_sections: Some(SectionFlags(0x1000_0000)),
    large_common: Some(SymbolSection(0xff02)),
};

static EDGES: [TypeEdge; 52] = edges(TYPES, &KINDS);

const fn own(kind: Kind) -> Meaning {
    Edge(kind.edge())
}

const TYPES: &[TypeMeaning] = &[
    (elf::R_X86_64_NONE, Nothing),
    (elf::R_X86_64_64, data(generic::Kind::Pointer64)),
    (elf::R_X86_64_PC32, data(generic::Kind::Delta32)),
    (elf::R_X86_64_GOT32, own(Kind::GotOffset32)),
    (elf::R_X86_64_PLT32, own(Kind::Branch32)),
    (elf::R_X86_64_GOTPCREL, own(Kind::GotDelta32)),
    (elf::R_X86_64_32, data(generic::Kind::Pointer32)),
    (elf::R_X86_64_32S, own(Kind::Pointer32Signed)),
    (elf::R_X86_64_16, data(generic::Kind::Pointer16)),
    (elf::R_X86_64_PC16, data(generic::Kind::Delta16)),
    (elf::R_X86_64_8, data(generic::Kind::Pointer8)),
    (elf::R_X86_64_PC8, data(generic::Kind::Delta8)),
    (elf::R_X86_64_DTPMOD64, data(generic::Kind::TlsModule64)),
    (elf::R_X86_64_DTPOFF64, data(generic::Kind::TlsOffset64)),
    (elf::R_X86_64_TPOFF64, data(generic::Kind::ThreadOffset64)),
    (elf::R_X86_64_TLSGD, own(Kind::TlsPairDelta32)),
    (elf::R_X86_64_TLSLD, own(Kind::TlsModuleDelta32)),
    (elf::R_X86_64_DTPOFF32, own(Kind::TlsOffset32)),
    (elf::R_X86_64_GOTTPOFF, own(Kind::ThreadOffsetDelta32)),
    (elf::R_X86_64_TPOFF32, own(Kind::ThreadOffset32)),
    (elf::R_X86_64_PC64, data(generic::Kind::Delta64)),
    (elf::R_X86_64_GOTOFF64, own(Kind::FromGotBase64)),
    (elf::R_X86_64_GOTPC32, own(Kind::GotBaseDelta32)),
    (elf::R_X86_64_GOT64, own(Kind::GotOffset64)),
    (elf::R_X86_64_GOTPCREL64, own(Kind::GotDelta64)),
    (elf::R_X86_64_GOTPC64, own(Kind::GotBaseDelta64)),
    (elf::R_X86_64_GOTPLT64, own(Kind::GotOffset64)),
    (elf::R_X86_64_PLTOFF64, own(Kind::StubFromGotBase64)),
    (elf::R_X86_64_SIZE32, own(Kind::Size32)),
    (elf::R_X86_64_SIZE64, own(Kind::Size64)),
    (elf::R_X86_64_GOTPC32_TLSDESC, own(Kind::TlsDescriptorDelta32)),
    (elf::R_X86_64_TLSDESC_CALL, own(Kind::TlsDescriptorCall)),
    (elf::R_X86_64_GOTPCRELX, own(Kind::GotLoad32)),
    (elf::R_X86_64_REX_GOTPCRELX, own(Kind::RexGotLoad32)),
    (elf::R_X86_64_CODE_4_GOTPCRELX, own(Kind::RexGotLoad32)),
    (elf::R_X86_64_CODE_4_GOTTPOFF, own(Kind::ThreadOffsetDelta32)),
    (elf::R_X86_64_CODE_4_GOTPC32_TLSDESC, own(Kind::TlsDescriptorDelta32)),
    (elf::R_X86_64_CODE_5_GOTPCRELX, own(Kind::GotDelta32)),
    (elf::R_X86_64_CODE_5_GOTTPOFF, own(Kind::ThreadOffsetDelta32)),
    (elf::R_X86_64_CODE_5_GOTPC32_TLSDESC, own(Kind::TlsDescriptorDelta32)),
    (elf::R_X86_64_CODE_6_GOTPCRELX, own(Kind::GotDelta32)),
    (elf::R_X86_64_CODE_6_GOTTPOFF, own(Kind::ThreadOffsetDelta32)),
    (elf::R_X86_64_CODE_6_GOTPC32_TLSDESC, own(Kind::TlsDescriptorDelta32)),
];
