//! x86-64. Its peculiarity: displacements are relative to the *end* of the instruction, which the linker never knows.
//! So every kind here is relative to the fixup itself, and the addend carries the distance to the end of the
//! instruction (-4 when the field ends it), as in ELF relocations.
//!
//! In the expressions below, *Target* is the address of the edge's symbol, *Fixup* the address of the field.
//!
//! Follows: System V ABI, AMD64 Architecture Processor Supplement, chapters "Relocation", "Thread-Local Storage".

mod code;
mod fixup;
mod relax;

pub(super) use code::CODE;
pub(super) use fixup::apply;
pub(super) use relax::{can_load_address, can_relax};

use super::generic;
use super::kinds::{KindInfo, Kinds, Role, kinds};
use crate::graph::EdgeKind;

/// The table of kinds.
pub(crate) static KINDS: Kinds = Kinds::new(Kind::ROWS, -4);

kinds! {
    /// The kinds of edges of x86-64 graphs, beside the [generic kinds](generic::Kind). ELF: 64 is `Pointer64` there, 32
    /// `Pointer32`, PC32 `Delta32` and so on; COFF: ADDR64, ADDR32, REL32, ADDR32NB is `ImageOffset32`, SECREL
    /// `SectionOffset32`, SECTION `SectionNumber16`.
    from generic::COUNT;

    /// `Fixup <- Target + Addend : int32`. ELF 32S.
    Pointer32Signed = KindInfo::new(4, Role::LowAddress),
    /// `Fixup <- Size of Target + Addend : uint32`. ELF SIZE32.
    Size32 = KindInfo::new(4, Role::Value),
    /// `Fixup <- Size of Target + Addend : uint64`. ELF SIZE64.
    Size64 = KindInfo::new(8, Role::Value),
    /// `Fixup <- Target - Fixup + Addend : int32`, a call or jump: may go through a stub. ELF PLT32.
    Branch32 = KindInfo::new(4, Role::Branch).ending_instruction(),
    /// `Fixup <- GotEntry(Target) - Fixup + Addend : int32`. ELF GOTPCREL and the CODE_5 and CODE_6 forms.
    GotDelta32 = KindInfo::new(4, Role::Got),
    /// `Fixup <- GotEntry(Target + Addend + 4) - Fixup - 4 : int32`, and the instruction, a `lea`, becomes a `mov`:
    /// loads the address that a [`generic::Kind::Delta32`] does not reach. Entries are made for it, no relocation says
    /// so.
    AddressLoad32 = KindInfo::new(4, Role::Value),
    /// As [`Kind::GotDelta32`], in an instruction without a REX prefix that may be relaxed. ELF GOTPCRELX.
    GotLoad32 = KindInfo::new(4, Role::GotLoad),
    /// As [`Kind::GotDelta32`], in an instruction with a REX prefix that may be relaxed. ELF REX_GOTPCRELX and, with a
    /// REX2 prefix, CODE_4_GOTPCRELX: the opcode is in the same place.
    RexGotLoad32 = KindInfo::new(4, Role::GotLoad),
    /// `Fixup <- GotEntry(Target) - Fixup + Addend : int64`. ELF GOTPCREL64.
    GotDelta64 = KindInfo::new(8, Role::Got),
    /// `Fixup <- GotEntry(Target) - GotBase + Addend : int32`. ELF GOT32.
    GotOffset32 = KindInfo::new(4, Role::Got),
    /// `Fixup <- GotEntry(Target) - GotBase + Addend : int64`. ELF GOT64, GOTPLT64.
    GotOffset64 = KindInfo::new(8, Role::Got),
    /// `Fixup <- GotBase - Fixup + Addend : int32`. ELF GOTPC32.
    GotBaseDelta32 = KindInfo::new(4, Role::Value),
    /// `Fixup <- GotBase - Fixup + Addend : int64`. ELF GOTPC64.
    GotBaseDelta64 = KindInfo::new(8, Role::Value),
    /// `Fixup <- Target - GotBase + Addend : int64`. ELF GOTOFF64.
    FromGotBase64 = KindInfo::new(8, Role::Address),
    /// `Fixup <- Stub(Target) - GotBase + Addend : int64`. ELF PLTOFF64.
    StubFromGotBase64 = KindInfo::new(8, Role::StubOffset),
    /// `Fixup <- TlsPair(Target) - Fixup + Addend : int32`: general dynamic. ELF TLSGD.
    TlsPairDelta32 = KindInfo::new(4, Role::TlsPair),
    /// `Fixup <- TlsPair(start of the module) - Fixup + Addend : int32`: local dynamic. ELF TLSLD.
    TlsModuleDelta32 = KindInfo::new(4, Role::TlsModule),
    /// `Fixup <- TlsDescriptor(Target) - Fixup + Addend : int32`. ELF GOTPC32_TLSDESC and its CODE_ forms.
    TlsDescriptorDelta32 = KindInfo::new(4, Role::TlsDescriptor),
    /// As [`generic::Kind::SectionOffset32`], 7 bits. COFF SECREL7.
    SectionOffset7 = KindInfo::new(1, Role::Value),
    /// A marker on the call through a descriptor; writes nothing. ELF TLSDESC_CALL.
    TlsDescriptorCall = KindInfo::new(0, Role::Value),
    /// `Fixup <- ThreadOffsetEntry(Target) - Fixup + Addend : int32`: initial exec. ELF GOTTPOFF and its CODE_ forms.
    ThreadOffsetDelta32 = KindInfo::new(4, Role::ThreadOffsetEntry),
    /// `Fixup <- offset of Target in its TLS block + Addend : int32`. ELF DTPOFF32.
    TlsOffset32 = KindInfo::new(4, Role::Value),
    /// `Fixup <- offset of Target from the thread pointer + Addend : int32`: local exec. ELF TPOFF32.
    ThreadOffset32 = KindInfo::new(4, Role::ThreadOffset),
}
