//! COFF for x86-64 (AMD64). Its peculiarities: distances count from the end of the field, or from up to five bytes
//! after it, and relocations do not tell calls from loads.
//!
//! Follows: "PE Format" of Microsoft, "Type Indicators", x64 processors.

use object::pe;
use object::pe::RelocationType;

use super::machine::{Machine, Meaning};
use crate::arch::{Arch, generic, x86_64};
use crate::graph::EdgeKind;
use crate::object::fields::{field, u16_at};

pub(super) static MACHINE: Machine =
    Machine { number: pe::IMAGE_FILE_MACHINE_AMD64, arch: Arch::X86_64, meaning, addend };

const SECTION_NUMBER: EdgeKind = generic::Kind::SectionNumber16.edge();
const SECTION_OFFSET_7: EdgeKind = x86_64::Kind::SectionOffset7.edge();
const DELTA64: EdgeKind = generic::Kind::Delta64.edge();

fn meaning(kind: RelocationType, before: &[u8], may_be_code: bool) -> Meaning {
    use Meaning::{Edge, Nothing, Unsupported};
    match kind {
        pe::IMAGE_REL_AMD64_ABSOLUTE => Nothing,
        pe::IMAGE_REL_AMD64_ADDR64 => Edge(EdgeKind::POINTER, 0),
        pe::IMAGE_REL_AMD64_ADDR32 => Edge(generic::Kind::Pointer32.edge(), 0),
        pe::IMAGE_REL_AMD64_ADDR32NB => Edge(EdgeKind::IMAGE_OFFSET32, 0),
        pe::IMAGE_REL_AMD64_REL32 if may_be_code && is_branch(before) => Edge(x86_64::Kind::Branch32.edge(), -4),
        // REL32, REL32_1 and so on: how many bytes follow the field.
        RelocationType(number @ 4..=9) => Edge(EdgeKind::DELTA32, -i64::from(number)),
        pe::IMAGE_REL_AMD64_SECTION => Edge(SECTION_NUMBER, 0),
        pe::IMAGE_REL_AMD64_SECREL => Edge(generic::Kind::SectionOffset32.edge(), 0),
        pe::IMAGE_REL_AMD64_SECREL7 => Edge(SECTION_OFFSET_7, 0),
        // Nobody makes the span-dependent values that the specification means. GNU's tools have the number for 64 bits
        // relative to the end of the field, as in the exception tables of -mcmodel=large.
        pe::IMAGE_REL_AMD64_SREL32 => Edge(DELTA64, -8),
        pe::IMAGE_REL_AMD64_TOKEN => Unsupported("relocation IMAGE_REL_AMD64_TOKEN, of managed code".into()),
        other => Unsupported(match pe::NAMES_IMAGE_REL_AMD64.name(other) {
            Some(name) => format!("relocation {name}"),
            None => format!("relocation type {:#x}", other.0),
        }),
    }
}

/// Returns whether a field is that of a call or jump: the opcode says so. Only these may go through a stub.
fn is_branch(before: &[u8]) -> bool {
    matches!(before, [.., 0xe8 | 0xe9] | [.., 0x0f, 0x80..=0x8f])
}

fn addend(kind: EdgeKind, content: &[u8]) -> i64 {
    match kind {
        EdgeKind::POINTER | DELTA64 => i64::from_le_bytes(field(content, 0)),
        SECTION_NUMBER => i64::from(u16_at(content, 0)),
        SECTION_OFFSET_7 => content.first().map_or(0, |byte| i64::from(byte & 0x7f)),
        _ => i64::from(i32::from_le_bytes(field(content, 0))),
    }
}
