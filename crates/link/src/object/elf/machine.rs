//! The machines whose ELF objects linkjit links, and the differences between them.

use object::elf;
use object::elf::{SectionFlags, SymbolSection};

use super::{aarch64, x86_64};
use crate::arch::{Arch, Kinds, generic};
use crate::error::{LinkError, Result, Site};
use crate::graph::{EdgeKind, LinkGraph};
use crate::names::NamePool;
use crate::object::fields::{field, u16_at};
use crate::source::Source;

/// The machines whose objects are linked.
const MACHINES: [&Machine; 2] = [&x86_64::MACHINE, &aarch64::MACHINE];

/// Sizes of file headers: of the class of 64 bits, and of that of 32 bits.
const HEADER_SIZE: usize = 64;
const SHORT_HEADER_SIZE: usize = 52;

/// The reader of an encoding.
type Read = fn(&Source, &'static Machine, &mut NamePool) -> Result<LinkGraph>;

/// A machine whose objects are linked.
pub(super) struct Machine {
    /// `e_machine`.
    pub(super) number: elf::Machine,
    /// What graphs of its objects are of.
    pub(super) arch: Arch,
    /// Whether addresses have 64 bits.
    pub(super) is_64: bool,
    /// Whether the most significant byte comes first.
    pub(super) is_big_endian: bool,
    /// The reader for these.
    pub(super) read: Read,
    /// What objects of the other class are.
    pub(super) other_class: &'static str,
    /// What the names of relocation types begin with.
    pub(super) prefix: &'static str,
    /// The relocation types.
    pub(super) types: &'static [RelocationType],
    /// What they make, by their number.
    pub(super) edges: &'static [TypeEdge],
    /// Sections that code reaches at any distance.
    pub(super) large_sections: Option<SectionFlags>,
    /// Common symbols that do.
    pub(super) large_common: Option<SymbolSection>,
}

/// Number, name and meaning of a relocation type.
pub(super) type RelocationType = (u16, &'static str, Meaning);

/// The edge that a type makes, and the width of its field: greater than that of any section if it makes none.
pub(super) type TypeEdge = (EdgeKind, u64);

const NO_EDGE: TypeEdge = (EdgeKind(0), u64::MAX);

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

impl Machine {
    /// The machine that a file is for, which must be an object that can be linked.
    pub(super) fn of(source: &Source) -> Result<&'static Self> {
        let (bytes, site) = (source.bytes(), || Site::file(source.name().clone()));
        if u32::try_from(bytes.len()).is_err() {
            return Err(LinkError::TooLarge { site: site(), what: "a file of 4 GiB or more".into() });
        }
        let is_short = bytes.get(4) == Some(&elf::ELFCLASS32.0);
        if bytes.len() < if is_short { SHORT_HEADER_SIZE } else { HEADER_SIZE } {
            return Err(LinkError::Malformed { site: site(), what: "ELF header: the file ends inside it".into() });
        }
        Self::of_header(bytes).map_err(|what| LinkError::NotLinkable { site: site(), what })
    }

    /// The same for a file header; the error says what the file is.
    fn of_header(header: &[u8]) -> Result<&'static Self, String> {
        let [class, data] = field(header, 4);
        let is_64 = class == elf::ELFCLASS64.0;
        let is_big_endian = data == elf::ELFDATA2MSB.0;
        let half = |at| if is_big_endian { u16::from_be_bytes(field(header, at)) } else { u16_at(header, at) };
        let (kind, number) = (half(16), half(18));
        let machine = match MACHINES.into_iter().find(|machine| machine.number.0 == number) {
            Some(machine) if machine.is_64 != is_64 => return Err(machine.other_class.into()),
            Some(machine) if machine.is_big_endian == is_big_endian => machine,
            _ => {
                let known = MACHINES.map(|machine| machine.arch.to_string()).join(" or ");
                let name = name(number).map_or_else(|| format!("machine {number}"), str::to_string);
                return Err(match (is_64, is_big_endian) {
                    (false, _) => format!("an object for a 32-bit target ({name}), not for {known}"),
                    (true, true) => format!("a big-endian object ({name}), not for {known}"),
                    (true, false) => format!("an object for {name}, not for {known}"),
                });
            }
        };
        match elf::FileType(kind) {
            elf::ET_REL => Ok(machine),
            elf::ET_DYN => {
                Err("a shared object, not an object file: add it as a library (-l NAME or add_library)".into())
            }
            elf::ET_EXEC => Err("an executable, not an object file: link the objects that it was made from".into()),
            elf::ET_CORE => Err("a core dump, not an object".into()),
            _ => Err(format!("an ELF file of type {kind}, not an object")),
        }
    }

    /// The edge that a relocation of a type makes, and the width of its field; see [`TypeEdge`].
    #[inline]
    pub(super) fn edge(&self, kind: u32) -> TypeEdge {
        self.edges.get(kind as usize).copied().unwrap_or(NO_EDGE)
    }

    /// What a relocation type asks for.
    #[cold]
    pub(super) fn meaning(&self, kind: u32) -> Meaning {
        let found = self.types.iter().find(|(number, ..)| u32::from(*number) == kind);
        found.map_or(Meaning::Unsupported, |&(_, _, meaning)| meaning)
    }

    /// The name of a relocation type, or its number.
    pub(super) fn type_name(&self, kind: u32) -> String {
        let found = self.types.iter().find(|(number, ..)| u32::from(*number) == kind);
        found.map_or_else(|| format!("type {kind}"), |(_, name, _)| format!("{}{name}", self.prefix))
    }
}

/// For types that ask for an edge of a generic kind.
pub(super) const fn data(kind: generic::Kind) -> Meaning {
    Meaning::Edge(kind.edge())
}

/// The edges that types make, by their numbers, which are all below `N`.
#[expect(clippy::indexing_slicing, reason = "of constants: what is out of bounds does not compile")]
pub(super) const fn edges<const N: usize>(types: &[RelocationType], kinds: &Kinds) -> [TypeEdge; N] {
    let mut edges = [NO_EDGE; N];
    let mut at = 0;
    while at < types.len() {
        if let (number, _, Meaning::Edge(kind)) = types[at] {
            edges[number as usize] = (kind, kinds.of(kind).width as u64);
        }
        at += 1;
    }
    edges
}

/// What people call the machines that are met most.
fn name(number: u16) -> Option<&'static str> {
    Some(match elf::Machine(number) {
        elf::EM_386 => "i386",
        elf::EM_68K => "m68k",
        elf::EM_AARCH64 => "AArch64",
        elf::EM_AMDGPU => "AMDGPU",
        elf::EM_ARM => "ARM",
        elf::EM_AVR => "AVR",
        elf::EM_BPF => "BPF",
        elf::EM_CUDA => "CUDA",
        elf::EM_HEXAGON => "Hexagon",
        elf::EM_LOONGARCH => "LoongArch",
        elf::EM_MIPS => "MIPS",
        elf::EM_MSP430 => "MSP430",
        elf::EM_PPC => "PowerPC",
        elf::EM_PPC64 => "PowerPC 64",
        elf::EM_RISCV => "RISC-V",
        elf::EM_S390 => "S/390",
        elf::EM_SPARC => "SPARC",
        elf::EM_SPARCV9 => "SPARC V9",
        elf::EM_X86_64 => "x86-64",
        elf::EM_XTENSA => "Xtensa",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_is_too_short_to_be_refused() {
        for len in 0..64 {
            let source = Source::new("short.o", vec![0x7f; len]);
            let error = Machine::of(&source).err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), Some("short.o: malformed ELF header: the file ends inside it"));
        }
    }
}
