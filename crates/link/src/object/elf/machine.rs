//! The machines whose ELF objects linkjit links, and the differences between them.

use object::elf::{FileHeader32, FileHeader64, RelocationType, SectionFlags, SymbolSection};
use object::pod::from_bytes;
use object::read::elf::FileHeader as _;
use object::{Endianness, elf};

use super::{aarch64, x86_64};
use crate::arch::{Arch, Kinds, generic};
use crate::error::{LinkError, Result, Site};
use crate::graph::{EdgeKind, LinkGraph};
use crate::names::NamePool;
use crate::source::Source;

/// The machines whose objects are linked.
const MACHINES: [&Machine; 2] = [&x86_64::MACHINE, &aarch64::MACHINE];

/// The reader of an encoding.
type Read = fn(&Source, &'static Machine, &mut NamePool) -> Result<LinkGraph>;

/// A machine whose objects are linked.
pub(super) struct Machine {
    /// `e_machine`.
    pub(super) number: elf::Machine,
    /// The architecture of its graphs.
    pub(super) arch: Arch,
    /// True if addresses have 64 bits.
    pub(super) is_64: bool,
    /// True if the most significant byte comes first.
    pub(super) is_big_endian: bool,
    /// The reader for these.
    pub(super) read: Read,
    /// A description of objects of the other class.
    pub(super) other_class: &'static str,
    /// The relocation types that objects may have.
    pub(super) types: &'static [TypeMeaning],
    /// The name of a type, be it one that only dynamic linkers do.
    pub(super) type_name: fn(RelocationType) -> Option<&'static str>,
    /// The edges that types make, by their numbers.
    pub(super) edges: &'static [TypeEdge],
    /// Sections that code reaches at any distance.
    pub(super) large_sections: Option<SectionFlags>,
    /// Common symbols that do.
    pub(super) large_common: Option<SymbolSection>,
}

/// A relocation type, and its meaning.
pub(super) type TypeMeaning = (RelocationType, Meaning);

/// The edge that a type makes, and the width of its field: greater than that of any section if it makes none.
pub(super) type TypeEdge = (EdgeKind, u64);

const NO_EDGE: TypeEdge = (EdgeKind(0), u64::MAX);

/// The meaning of a relocation type.
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
    pub(super) fn for_file(source: &Source) -> Result<&'static Self> {
        let (bytes, site) = (source.bytes(), || Site::file(source.name().clone()));
        if u32::try_from(bytes.len()).is_err() {
            return Err(LinkError::TooLarge { site: site(), what: "a file of 4 GiB or more".into() });
        }
        // What says what the file is, is in the same places in both classes.
        let header = from_bytes::<FileHeader32<Endianness>>(bytes).map(|(header, _)| header).ok();
        let is_whole =
            |header: &&FileHeader32<_>| header.is_class_32() || bytes.len() >= size_of::<FileHeader64<Endianness>>();
        let header = header
            .filter(is_whole)
            .ok_or_else(|| LinkError::Malformed { site: site(), what: "ELF header: the file ends inside it".into() })?;
        Self::for_header(header).map_err(|what| LinkError::NotLinkable { site: site(), what })
    }

    /// The same for a file header; the error says what the file is.
    fn for_header(header: &FileHeader32<Endianness>) -> Result<&'static Self, String> {
        let (is_64, is_big_endian) = (header.is_class_64(), header.is_big_endian());
        let endian = if is_big_endian { Endianness::Big } else { Endianness::Little };
        let number = header.e_machine.get(endian);
        let machine = match MACHINES.into_iter().find(|machine| machine.number == number) {
            Some(machine) if machine.is_64 != is_64 => return Err(machine.other_class.into()),
            Some(machine) if machine.is_big_endian == is_big_endian => machine,
            _ => {
                let known = MACHINES.map(|machine| machine.arch.to_string()).join(" or ");
                let name = name(number).map_or_else(|| format!("machine {}", number.0), str::to_string);
                return Err(match (is_64, is_big_endian) {
                    (false, _) => format!("an object for a 32-bit target ({name}), not for {known}"),
                    (true, true) => format!("a big-endian object ({name}), not for {known}"),
                    (true, false) => format!("an object for {name}, not for {known}"),
                });
            }
        };
        match header.e_type.get(endian) {
            elf::ET_REL => Ok(machine),
            elf::ET_DYN => {
                Err("a shared object, not an object file: add it as a library (-l NAME or add_library)".into())
            }
            elf::ET_EXEC => Err("an executable, not an object file: link the objects that it was made from".into()),
            elf::ET_CORE => Err("a core dump, not an object".into()),
            elf::FileType(other) => Err(format!("an ELF file of type {other}, not an object")),
        }
    }

    /// The edge that a relocation of a type makes, and the width of its field; see [`TypeEdge`].
    #[inline]
    pub(super) fn edge(&self, kind: RelocationType) -> TypeEdge {
        self.edges.get(kind.0 as usize).copied().unwrap_or(NO_EDGE)
    }

    /// The meaning of a relocation type.
    #[cold]
    pub(super) fn meaning(&self, kind: RelocationType) -> Meaning {
        let found = self.types.iter().find(|(known, _)| *known == kind);
        found.map_or(Meaning::Unsupported, |&(_, meaning)| meaning)
    }

    /// The name of a relocation type, or its number.
    pub(super) fn type_name(&self, kind: RelocationType) -> String {
        (self.type_name)(kind).map_or_else(|| format!("type {kind}"), str::to_owned)
    }
}

/// For types that ask for an edge of a generic kind.
pub(super) const fn data(kind: generic::Kind) -> Meaning {
    Meaning::Edge(kind.edge())
}

/// The edges that types make, by their numbers, which are all below `N`.
#[expect(clippy::indexing_slicing, reason = "of constants: what is out of bounds does not compile")]
pub(super) const fn edges<const N: usize>(types: &[TypeMeaning], kinds: &Kinds) -> [TypeEdge; N] {
    let mut edges = [NO_EDGE; N];
    let mut at = 0;
    while at < types.len() {
        if let (RelocationType(number), Meaning::Edge(kind)) = types[at] {
            edges[number as usize] = (kind, kinds.info(kind).width as u64);
        }
        at += 1;
    }
    edges
}

/// Returns the names of the machines that are met most.
fn name(number: elf::Machine) -> Option<&'static str> {
    Some(match number {
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
            let error = Machine::for_file(&source).err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), Some("short.o: malformed ELF header: the file ends inside it"));
        }
    }
}
