//! x86-64. What is odd: displacements are relative to the *end* of the instruction, which the linker never knows. So
//! every kind here is relative to the fixup itself, and the addend carries the distance to the end of the instruction
//! (-4 when the field ends it), as in ELF relocations.
//!
//! In the expressions below, *Target* is the address of the edge's symbol, *Fixup* the address of the field.
//!
//! Follows: System V ABI, AMD64 Architecture Processor Supplement, chapters "Relocation", "Thread-Local Storage".

mod fixup;
mod relax;
mod stub;

pub use fixup::{FixupContext, Image, fix_block};
pub use relax::{can_load_address, can_relax, relax};
pub use stub::{
    AT_QUICK_EXIT_THUNK, ATEXIT_THUNK, COOKIE_CHECK, DELAY_LOAD, DELAY_LOAD_UNWIND, FRAME_UNWIND, INIT_ENTRY,
    INIT_EXIT, ON_EXIT_THUNK, START_CALL, STUB, STUB_SIZE, TERMINATING_CALL, TRAMPOLINE, WITH_TWO_MORE,
};

use crate::graph::EdgeKind;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What an edge of an x86-64 graph writes.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum Kind { $($(#[$doc])* $name,)* }

        impl Kind {
            /// All kinds, indexed by their number.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name, as errors and dumps print it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }
    };
}

kinds! {
    /// `Fixup <- Target + Addend : uint64`. ELF 64, COFF ADDR64.
    Pointer64,
    /// `Fixup <- Target + Addend : uint32`. ELF 32.
    Pointer32,
    /// `Fixup <- Target + Addend : int32`. ELF 32S.
    Pointer32Signed,
    /// `Fixup <- Target + Addend : 16 bits, either sign`. ELF 16.
    Pointer16,
    /// `Fixup <- Target + Addend : 8 bits, either sign`. ELF 8.
    Pointer8,
    /// `Fixup <- Target - Fixup + Addend : int64`. ELF PC64, GNU's COFF PC64.
    Delta64,
    /// `Fixup <- Target - Fixup + Addend : int32`. ELF PC32.
    Delta32,
    /// `Fixup <- Target - Fixup + Addend : int16`. ELF PC16.
    Delta16,
    /// `Fixup <- Target - Fixup + Addend : int8`. ELF PC8.
    Delta8,
    /// `Fixup <- Fixup - Target + Addend : int32`. The CIE pointer of an unwind record.
    NegDelta32,
    /// `Fixup <- Size of Target + Addend : uint32`. ELF SIZE32.
    Size32,
    /// `Fixup <- Size of Target + Addend : uint64`. ELF SIZE64.
    Size64,
    /// `Fixup <- Target - Fixup + Addend : int32`, a call or jump: may go through a stub. ELF PLT32.
    Branch32,
    /// `Fixup <- GotEntry(Target) - Fixup + Addend : int32`. ELF GOTPCREL and the CODE_5 and CODE_6 forms.
    GotDelta32,
    /// `Fixup <- GotEntry(Target + Addend + 4) - Fixup - 4 : int32`, and the instruction, a `lea`, becomes a `mov`: loads the
    /// address that a [`Kind::Delta32`] does not reach. Entries are made for it, no relocation says so.
    AddressLoad32,
    /// As [`Kind::GotDelta32`], in an instruction without a REX prefix that may be relaxed. ELF GOTPCRELX.
    GotLoad32,
    /// As [`Kind::GotDelta32`], in an instruction with a REX prefix that may be relaxed. ELF REX_GOTPCRELX and, with a
    /// REX2 prefix, CODE_4_GOTPCRELX: the opcode is in the same place.
    RexGotLoad32,
    /// `Fixup <- GotEntry(Target) - Fixup + Addend : int64`. ELF GOTPCREL64.
    GotDelta64,
    /// `Fixup <- GotEntry(Target) - GotBase + Addend : int32`. ELF GOT32.
    GotOffset32,
    /// `Fixup <- GotEntry(Target) - GotBase + Addend : int64`. ELF GOT64, GOTPLT64.
    GotOffset64,
    /// `Fixup <- GotBase - Fixup + Addend : int32`. ELF GOTPC32.
    GotBaseDelta32,
    /// `Fixup <- GotBase - Fixup + Addend : int64`. ELF GOTPC64.
    GotBaseDelta64,
    /// `Fixup <- Target - GotBase + Addend : int64`. ELF GOTOFF64.
    FromGotBase64,
    /// `Fixup <- Stub(Target) - GotBase + Addend : int64`. ELF PLTOFF64.
    StubFromGotBase64,
    /// `Fixup <- TlsPair(Target) - Fixup + Addend : int32`: general dynamic. ELF TLSGD.
    TlsPairDelta32,
    /// `Fixup <- TlsPair(start of the module) - Fixup + Addend : int32`: local dynamic. ELF TLSLD.
    TlsModuleDelta32,
    /// `Fixup <- TlsDescriptor(Target) - Fixup + Addend : int32`. ELF GOTPC32_TLSDESC and its CODE_ forms.
    TlsDescriptorDelta32,
    /// `Fixup <- Target - image base + Addend : uint32`; zero if Target is null. COFF ADDR32NB.
    ImageOffset32,
    /// `Fixup <- Target - start of its section of the image + Addend : uint32`; of a thread-local variable, its offset
    /// in the storage of its module. COFF SECREL.
    SectionOffset32,
    /// As [`Kind::SectionOffset32`], 7 bits. COFF SECREL7.
    SectionOffset7,
    /// `Fixup <- number of Target's section of the image : uint16`; one more than there are for what is in none. COFF
    /// SECTION.
    SectionNumber16,
    /// As [`Kind::Pointer64`], but never the address of a stub: the slots that code calls imports through.
    ImportPointer64,
    /// A marker on the call through a descriptor; writes nothing. ELF TLSDESC_CALL.
    TlsDescriptorCall,
    /// `Fixup <- ThreadOffsetEntry(Target) - Fixup + Addend : int32`: initial exec. ELF GOTTPOFF and its CODE_ forms.
    ThreadOffsetDelta32,
    /// `Fixup <- module number of Target : uint64`. ELF DTPMOD64.
    TlsModule64,
    /// `Fixup <- offset of Target in its TLS block + Addend : int32`. ELF DTPOFF32.
    TlsOffset32,
    /// `Fixup <- offset of Target in its TLS block + Addend : int64`. ELF DTPOFF64.
    TlsOffset64,
    /// `Fixup <- offset of Target from the thread pointer + Addend : int32`: local exec. ELF TPOFF32.
    ThreadOffset32,
    /// `Fixup <- offset of Target from the thread pointer + Addend : int64`. ELF TPOFF64.
    ThreadOffset64,
    /// First word of a TLS descriptor: the resolver that suits Target.
    TlsDescriptorResolver64,
    /// Second word of a TLS descriptor whose Target is at a fixed offset: that offset. Otherwise the address of a
    /// TLS pair is wanted and the edge is a [`Kind::Pointer64`].
    TlsDescriptorOffset64,
}

impl Kind {
    /// The kind of an edge; `None` for a number that is none of x86-64's.
    #[must_use]
    pub fn from_edge(kind: EdgeKind) -> Option<Self> {
        Self::ALL.get(usize::from(kind.0)).copied()
    }

    /// The number that edges carry.
    #[must_use]
    pub const fn edge(self) -> EdgeKind {
        EdgeKind(self as u8)
    }

    /// Size of the field in bytes.
    #[must_use]
    #[inline]
    pub const fn width(self) -> u64 {
        match self {
            Self::TlsDescriptorCall => 0,
            Self::Pointer8 | Self::Delta8 | Self::SectionOffset7 => 1,
            Self::Pointer16 | Self::Delta16 | Self::SectionNumber16 => 2,
            Self::Pointer32
            | Self::Pointer32Signed
            | Self::Delta32
            | Self::NegDelta32
            | Self::Size32
            | Self::Branch32
            | Self::GotDelta32
            | Self::AddressLoad32
            | Self::GotLoad32
            | Self::RexGotLoad32
            | Self::GotOffset32
            | Self::GotBaseDelta32
            | Self::TlsPairDelta32
            | Self::TlsModuleDelta32
            | Self::TlsDescriptorDelta32
            | Self::ThreadOffsetDelta32
            | Self::TlsOffset32
            | Self::ImageOffset32
            | Self::SectionOffset32
            | Self::ThreadOffset32 => 4,
            Self::Pointer64
            | Self::ImportPointer64
            | Self::Delta64
            | Self::Size64
            | Self::GotDelta64
            | Self::GotOffset64
            | Self::GotBaseDelta64
            | Self::FromGotBase64
            | Self::StubFromGotBase64
            | Self::TlsModule64
            | Self::TlsOffset64
            | Self::ThreadOffset64
            | Self::TlsDescriptorResolver64
            | Self::TlsDescriptorOffset64 => 8,
        }
    }
}
