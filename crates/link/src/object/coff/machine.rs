//! Differences between the machines of COFF objects.

use object::pe;
use object::pe::RelocationType;

use super::x86_64;
use crate::arch::Arch;
use crate::graph::EdgeKind;

/// The machines whose objects are linked.
pub(in crate::object) const MACHINES: [&Machine; 1] = [&x86_64::MACHINE];

/// A machine whose objects are linked.
pub(in crate::object) struct Machine {
    /// The number in file headers.
    pub(in crate::object) number: pe::Machine,
    /// The architecture of its graphs.
    pub(super) arch: Arch,
    /// Returns the meaning of a relocation type at a field that has this content before it and may be code.
    pub(super) meaning: fn(RelocationType, &[u8], bool) -> Meaning,
    /// Returns the number that a field of that kind adds to its target.
    pub(super) addend: fn(EdgeKind, &[u8]) -> i64,
}

/// The meaning of a relocation type.
#[derive(Debug)]
pub(super) enum Meaning {
    /// An edge, whose addend is more by a number than what the field says.
    Edge(EdgeKind, i64),
    /// Nothing.
    Nothing,
    /// Something that linkjit does not support.
    Unsupported(String),
}

impl Machine {
    /// The machine of that number, if its objects are linked.
    pub(in crate::object) fn find(number: u16) -> Option<&'static Self> {
        MACHINES.into_iter().find(|machine| machine.number.0 == number)
    }

    /// Returns the names of those whose objects are linked.
    pub(in crate::object) fn names() -> String {
        MACHINES.map(|machine| machine.arch.to_string()).join(" or ")
    }
}

/// Returns the name of the machine with a number.
pub(super) fn machine_name(number: u16) -> Option<&'static str> {
    Some(match pe::Machine(number) {
        pe::IMAGE_FILE_MACHINE_AMD64 => "x86-64",
        pe::IMAGE_FILE_MACHINE_I386 => "x86 (32 bits)",
        pe::IMAGE_FILE_MACHINE_ARM64 => "AArch64",
        pe::IMAGE_FILE_MACHINE_ARM64EC => "ARM64EC",
        pe::IMAGE_FILE_MACHINE_ARM64X => "ARM64X",
        pe::IMAGE_FILE_MACHINE_ARMNT => "ARM (32 bits)",
        _ => return None,
    })
}
