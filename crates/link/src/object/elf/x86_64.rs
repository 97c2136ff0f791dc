//! Relocation types of x86-64. What is odd: nothing; every addend is explicit, and already counts from the field.
//!
//! Follows: System V ABI, AMD64 Architecture Processor Supplement, "Relocation Types".

use crate::arch::generic;
use crate::arch::x86_64::Kind;
use crate::graph::EdgeKind;

/// What a relocation type asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meaning {
    /// An edge.
    Edge(EdgeKind),
    /// Nothing.
    Nothing,
    /// Something that only a dynamic linker does, or that nobody knows.
    Unsupported,
}

macro_rules! types {
    ($($number:literal $name:literal $meaning:expr,)*) => {
        /// The meaning of each type, indexed by its number.
        const MEANINGS: [Meaning; 52] = {
            use Meaning::{Edge, Nothing, Unsupported};
            [$($meaning,)*]
        };

        /// The name of a relocation type, or its number.
        pub(super) fn name(kind: u32) -> String {
            match kind {
                $($number => concat!("R_X86_64_", $name).into(),)*
                _ => format!("type {kind}"),
            }
        }
    };
}

/// What a relocation type asks for.
#[inline]
pub(super) fn meaning(kind: u32) -> Meaning {
    MEANINGS.get(kind as usize).copied().unwrap_or(Meaning::Unsupported)
}

types! {
    0 "NONE" Nothing,
    1 "64" Edge(generic::Kind::Pointer64.edge()),
    2 "PC32" Edge(generic::Kind::Delta32.edge()),
    3 "GOT32" Edge(Kind::GotOffset32.edge()),
    4 "PLT32" Edge(Kind::Branch32.edge()),
    5 "COPY" Unsupported,
    6 "GLOB_DAT" Unsupported,
    7 "JUMP_SLOT" Unsupported,
    8 "RELATIVE" Unsupported,
    9 "GOTPCREL" Edge(Kind::GotDelta32.edge()),
    10 "32" Edge(generic::Kind::Pointer32.edge()),
    11 "32S" Edge(Kind::Pointer32Signed.edge()),
    12 "16" Edge(generic::Kind::Pointer16.edge()),
    13 "PC16" Edge(generic::Kind::Delta16.edge()),
    14 "8" Edge(generic::Kind::Pointer8.edge()),
    15 "PC8" Edge(generic::Kind::Delta8.edge()),
    16 "DTPMOD64" Edge(generic::Kind::TlsModule64.edge()),
    17 "DTPOFF64" Edge(generic::Kind::TlsOffset64.edge()),
    18 "TPOFF64" Edge(generic::Kind::ThreadOffset64.edge()),
    19 "TLSGD" Edge(Kind::TlsPairDelta32.edge()),
    20 "TLSLD" Edge(Kind::TlsModuleDelta32.edge()),
    21 "DTPOFF32" Edge(Kind::TlsOffset32.edge()),
    22 "GOTTPOFF" Edge(Kind::ThreadOffsetDelta32.edge()),
    23 "TPOFF32" Edge(Kind::ThreadOffset32.edge()),
    24 "PC64" Edge(generic::Kind::Delta64.edge()),
    25 "GOTOFF64" Edge(Kind::FromGotBase64.edge()),
    26 "GOTPC32" Edge(Kind::GotBaseDelta32.edge()),
    27 "GOT64" Edge(Kind::GotOffset64.edge()),
    28 "GOTPCREL64" Edge(Kind::GotDelta64.edge()),
    29 "GOTPC64" Edge(Kind::GotBaseDelta64.edge()),
    30 "GOTPLT64" Edge(Kind::GotOffset64.edge()),
    31 "PLTOFF64" Edge(Kind::StubFromGotBase64.edge()),
    32 "SIZE32" Edge(Kind::Size32.edge()),
    33 "SIZE64" Edge(Kind::Size64.edge()),
    34 "GOTPC32_TLSDESC" Edge(Kind::TlsDescriptorDelta32.edge()),
    35 "TLSDESC_CALL" Edge(Kind::TlsDescriptorCall.edge()),
    36 "TLSDESC" Unsupported,
    37 "IRELATIVE" Unsupported,
    38 "RELATIVE64" Unsupported,
    39 "PC32_BND" Unsupported,
    40 "PLT32_BND" Unsupported,
    41 "GOTPCRELX" Edge(Kind::GotLoad32.edge()),
    42 "REX_GOTPCRELX" Edge(Kind::RexGotLoad32.edge()),
    43 "CODE_4_GOTPCRELX" Edge(Kind::RexGotLoad32.edge()),
    44 "CODE_4_GOTTPOFF" Edge(Kind::ThreadOffsetDelta32.edge()),
    45 "CODE_4_GOTPC32_TLSDESC" Edge(Kind::TlsDescriptorDelta32.edge()),
    46 "CODE_5_GOTPCRELX" Edge(Kind::GotDelta32.edge()),
    47 "CODE_5_GOTTPOFF" Edge(Kind::ThreadOffsetDelta32.edge()),
    48 "CODE_5_GOTPC32_TLSDESC" Edge(Kind::TlsDescriptorDelta32.edge()),
    49 "CODE_6_GOTPCRELX" Edge(Kind::GotDelta32.edge()),
    50 "CODE_6_GOTTPOFF" Edge(Kind::ThreadOffsetDelta32.edge()),
    51 "CODE_6_GOTPC32_TLSDESC" Edge(Kind::TlsDescriptorDelta32.edge()),
}
