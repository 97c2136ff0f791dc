//! Sections: what blocks have in common.

use linkjit_target::Protection;

use super::section_name::SectionName;

/// A section of a graph.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SectionId(pub u32);

impl SectionId {
    /// Position in [`super::LinkGraph::sections`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The time for which the content of a section is needed, and the place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Lifetime {
    /// In the process as long as the code is.
    Standard,
    /// Never in the process: debug information, notes. Available in the graph.
    NoAlloc,
    /// The initial image of thread-local variables. Addresses of its blocks are offsets in the TLS block.
    ThreadLocal,
}

impl Section {
    /// The name of the section of the image that it becomes a part of.
    #[must_use]
    pub fn output_name(&self) -> &str {
        match self.name.split_once('$') {
            Some((output, _)) if self.grouped => output,
            _ => &self.name,
        }
    }
}

/// A section: a name and what holds for all of its blocks.
#[derive(Clone, Debug)]
pub struct Section {
    /// Name as in the file; unique only together with the protection.
    pub name: SectionName,
    /// Protection once linked.
    pub protection: Protection,
    /// Lifetime.
    pub lifetime: Lifetime,
    /// Keep the blocks of all sections of this name in a JITDylib side by side, in link order: somebody may walk from
    /// its start to its end.
    pub contiguous: bool,
    /// The part of the name behind a `$` orders the sections that are one in the image (PE/COFF, "Grouped Sections"):
    /// their blocks are kept side by side as those of contiguous ones, by suffix and then in link order.
    pub grouped: bool,
    /// Code reaches the blocks at any distance (ELF `SHF_X86_64_LARGE`): they may lie in an area of their own.
    pub large: bool,
    /// The blocks are records of an unwind table: packed, and ended by a terminator.
    pub unwind_records: bool,
    /// The blocks are records of a table of functions: packed, and sorted by the address that each begins with.
    pub function_records: bool,
}
