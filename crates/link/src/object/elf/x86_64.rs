//! Relocation types of x86-64. What is odd: nothing; every addend is explicit, and already counts from the field.
//!
//! Follows: System V ABI, AMD64 Architecture Processor Supplement, "Relocation Types".

use crate::arch::x86_64::Kind;
use crate::graph::EdgeKind;

/// What a relocation type asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meaning {
    /// An edge.
    Edge(Kind),
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

        /// What a relocation of each type makes; see [`edge`].
        const EDGES: [(EdgeKind, u64); MEANINGS.len()] = {
            use Meaning::{Edge, Nothing, Unsupported};
            [$(edge_and_width($meaning),)*]
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

/// What a relocation makes that makes no edge: a field that is wider than any section.
const NO_EDGE: (EdgeKind, u64) = (EdgeKind(0), u64::MAX);

const fn edge_and_width(meaning: Meaning) -> (EdgeKind, u64) {
    if let Meaning::Edge(kind) = meaning { (kind.edge(), kind.width()) } else { NO_EDGE }
}

/// The edge that a relocation of a type makes, and the width of its field: greater than that of any section if it makes none.
#[inline]
pub(super) fn edge(kind: u32) -> (EdgeKind, u64) {
    EDGES.get(kind as usize).copied().unwrap_or(NO_EDGE)
}

/// What a relocation type asks for.
#[inline]
pub(super) fn meaning(kind: u32) -> Meaning {
    MEANINGS.get(kind as usize).copied().unwrap_or(Meaning::Unsupported)
}

types! {
    0 "NONE" Nothing,
    1 "64" Edge(Kind::Pointer64),
    2 "PC32" Edge(Kind::Delta32),
    3 "GOT32" Edge(Kind::GotOffset32),
    4 "PLT32" Edge(Kind::Branch32),
    5 "COPY" Unsupported,
    6 "GLOB_DAT" Unsupported,
    7 "JUMP_SLOT" Unsupported,
    8 "RELATIVE" Unsupported,
    9 "GOTPCREL" Edge(Kind::GotDelta32),
    10 "32" Edge(Kind::Pointer32),
    11 "32S" Edge(Kind::Pointer32Signed),
    12 "16" Edge(Kind::Pointer16),
    13 "PC16" Edge(Kind::Delta16),
    14 "8" Edge(Kind::Pointer8),
    15 "PC8" Edge(Kind::Delta8),
    16 "DTPMOD64" Edge(Kind::TlsModule64),
    17 "DTPOFF64" Edge(Kind::TlsOffset64),
    18 "TPOFF64" Edge(Kind::ThreadOffset64),
    19 "TLSGD" Edge(Kind::TlsPairDelta32),
    20 "TLSLD" Edge(Kind::TlsModuleDelta32),
    21 "DTPOFF32" Edge(Kind::TlsOffset32),
    22 "GOTTPOFF" Edge(Kind::ThreadOffsetDelta32),
    23 "TPOFF32" Edge(Kind::ThreadOffset32),
    24 "PC64" Edge(Kind::Delta64),
    25 "GOTOFF64" Edge(Kind::FromGotBase64),
    26 "GOTPC32" Edge(Kind::GotBaseDelta32),
    27 "GOT64" Edge(Kind::GotOffset64),
    28 "GOTPCREL64" Edge(Kind::GotDelta64),
    29 "GOTPC64" Edge(Kind::GotBaseDelta64),
    30 "GOTPLT64" Edge(Kind::GotOffset64),
    31 "PLTOFF64" Edge(Kind::StubFromGotBase64),
    32 "SIZE32" Edge(Kind::Size32),
    33 "SIZE64" Edge(Kind::Size64),
    34 "GOTPC32_TLSDESC" Edge(Kind::TlsDescriptorDelta32),
    35 "TLSDESC_CALL" Edge(Kind::TlsDescriptorCall),
    36 "TLSDESC" Unsupported,
    37 "IRELATIVE" Unsupported,
    38 "RELATIVE64" Unsupported,
    39 "PC32_BND" Unsupported,
    40 "PLT32_BND" Unsupported,
    41 "GOTPCRELX" Edge(Kind::GotLoad32),
    42 "REX_GOTPCRELX" Edge(Kind::RexGotLoad32),
    43 "CODE_4_GOTPCRELX" Edge(Kind::RexGotLoad32),
    44 "CODE_4_GOTTPOFF" Edge(Kind::ThreadOffsetDelta32),
    45 "CODE_4_GOTPC32_TLSDESC" Edge(Kind::TlsDescriptorDelta32),
    46 "CODE_5_GOTPCRELX" Edge(Kind::GotDelta32),
    47 "CODE_5_GOTTPOFF" Edge(Kind::ThreadOffsetDelta32),
    48 "CODE_5_GOTPC32_TLSDESC" Edge(Kind::TlsDescriptorDelta32),
    49 "CODE_6_GOTPCRELX" Edge(Kind::GotDelta32),
    50 "CODE_6_GOTTPOFF" Edge(Kind::ThreadOffsetDelta32),
    51 "CODE_6_GOTPC32_TLSDESC" Edge(Kind::TlsDescriptorDelta32),
}
