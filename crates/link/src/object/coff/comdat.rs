//! COMDAT sections ("PE Format", "COMDAT Sections"): which of several copies is kept, and what goes with it.

use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::FixedState;
use object::pe;
use object::pe::ComdatSelection;

use super::file::{File, Section};
use super::sections::Blocks;
use crate::error::Result;
use crate::graph::{Group, LinkGraph, Selection, SymbolId};
use crate::names::{NameId, NamePool};

/// What the symbol that stands for a section says about it.
#[derive(Clone, Copy)]
pub(super) struct Description {
    pub(super) selection: ComdatSelection,
    /// The section that an associated one goes with.
    pub(super) parent: u32,
    /// Of the content; 0 if the compiler made none.
    pub(super) checksum: u32,
}

/// Who leads a COMDAT section: the symbol after the one that stands for the section.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leader {
    /// It did not come yet.
    Expected,
    /// A name that others know: of all sections with that name one is kept.
    Name(NameId),
    /// A name of this object: the section is its own.
    Local,
}

/// The COMDAT sections, by number.
pub(super) struct Comdats {
    sections: Vec<Option<(Option<Description>, Leader)>>,
}

impl Comdats {
    /// Nothing but which sections are COMDAT sections.
    pub(super) fn new(file: &File<'_>) -> Self {
        let comdat = |section: &Section<'_>| section.has(pe::IMAGE_SCN_LNK_COMDAT).then_some((None, Leader::Expected));
        Self { sections: file.sections.iter().map(comdat).collect() }
    }

    fn get_mut(&mut self, section: u32) -> Option<&mut (Option<Description>, Leader)> {
        self.sections.get_mut((section as usize).checked_sub(1)?)?.as_mut()
    }

    fn get(&self, section: u32) -> Option<(Description, Leader)> {
        let (description, leader) = (*self.sections.get((section as usize).checked_sub(1)?)?)?;
        Some((description?, leader))
    }

    /// Describes a section; false if it is no COMDAT section, or was described before.
    pub(super) fn describe(&mut self, section: u32, description: Description) -> bool {
        match self.get_mut(section) {
            Some((known @ None, _)) => {
                *known = Some(description);
                true
            }
            // A symbol with such a record stands for its section in any case.
            Some(_) => false,
            None => true,
        }
    }

    /// A symbol that others know is defined in a section.
    pub(super) fn lead(&mut self, section: u32, _symbol: SymbolId, name: &[u8], names: &mut NamePool) {
        if let Some((Some(description), leader @ Leader::Expected)) = self.get_mut(section)
            && description.selection != pe::IMAGE_COMDAT_SELECT_ASSOCIATIVE
        {
            *leader = Leader::Name(names.intern(name));
        }
    }

    /// Another symbol is defined in a section.
    pub(super) fn lead_locally(&mut self, section: u32) {
        if let Some((Some(_), leader @ Leader::Expected)) = self.get_mut(section) {
            *leader = Leader::Local;
        }
    }

    /// The section that an associated one lives and dies with.
    pub(super) fn parent(&self, section: u32) -> Option<u32> {
        let (description, _) = self.get(section)?;
        (description.selection == pe::IMAGE_COMDAT_SELECT_ASSOCIATIVE).then_some(description.parent)
    }

    /// The end of a chain of associated sections; `None` if the chain has none.
    fn root(&self, section: u32) -> Option<u32> {
        let mut root = section;
        for _ in 0..=self.sections.len() {
            match self.parent(root) {
                Some(parent) => root = parent,
                None => return Some(root),
            }
        }
        None
    }
}

/// Adds a group for every COMDAT section that others may have, too, and ties associated sections to theirs.
pub(super) fn read(file: &File<'_>, blocks: &Blocks, comdats: &Comdats, graph: &mut LinkGraph) -> Result<()> {
    let mut group_of: Vec<Option<usize>> = vec![None; file.sections.len() + 1];
    let mut groups: Vec<Group> = Vec::new();
    for (number, section) in file.numbered() {
        let Some((description, Leader::Name(signature))) = comdats.get(number) else { continue };
        let (Some(block), Some(group)) = (blocks.of(number), group_of.get_mut(number as usize)) else { continue };
        let selection = selection(file, section, description)?;
        *group = Some(groups.len());
        groups.push(Group { signature, selection, blocks: vec![block] });
    }
    for (number, section) in file.numbered() {
        let Some(parent) = comdats.parent(number).or_else(|| gnu_parent(file, section, number, comdats)) else {
            continue;
        };
        if file.section(parent).is_none() || parent == number {
            let what = format_args!("section: it goes with section {parent}, which does not exist");
            return Err(file.malformed_section(section, what));
        }
        let Some(root) = comdats.root(parent) else {
            return Err(file.malformed_section(section, "section: it goes with itself"));
        };
        let (Some(block), Some(parent_block)) = (blocks.of(number), blocks.of(parent)) else { continue };
        graph.add_dependent(parent_block, block);
        let group = group_of.get(root as usize).copied().flatten().and_then(|group| groups.get_mut(group));
        if let Some(group) = group {
            group.blocks.push(block);
        }
    }
    groups.into_iter().for_each(|group| graph.add_group(group));
    Ok(())
}

fn selection(file: &File<'_>, section: &Section<'_>, description: Description) -> Result<Selection> {
    Ok(match description.selection {
        pe::IMAGE_COMDAT_SELECT_NODUPLICATES => Selection::NoDuplicates,
        pe::IMAGE_COMDAT_SELECT_ANY => Selection::Any,
        pe::IMAGE_COMDAT_SELECT_SAME_SIZE => Selection::SameSize(section.size),
        pe::IMAGE_COMDAT_SELECT_EXACT_MATCH => Selection::ExactMatch(content_hash(section, description)),
        pe::IMAGE_COMDAT_SELECT_LARGEST => Selection::Largest(section.size),
        pe::IMAGE_COMDAT_SELECT_NEWEST => {
            return Err(
                file.unsupported_section(section, "COMDAT selection NEWEST: objects do not say how new they are")
            );
        }
        ComdatSelection(other) => {
            return Err(file.malformed_section(section, format_args!("COMDAT section: its selection is {other}")));
        }
    })
}

/// Tells contents apart. Relocations are compared by place and type: their symbols have other numbers in other objects.
fn content_hash(section: &Section<'_>, description: Description) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    section.size.hash(&mut hasher);
    if description.checksum == 0 {
        section.data.hash(&mut hasher);
    } else {
        description.checksum.hash(&mut hasher);
    }
    for relocation in section.relocations {
        let [place @ .., _, _, _, _, low, high] = relocation;
        (place, low, high).hash(&mut hasher);
    }
    hasher.finish()
}

/// GNU's compilers associate `.pdata$f` and `.xdata$f` with `.text$f` by name alone.
fn gnu_parent(file: &File<'_>, section: &Section<'_>, number: u32, comdats: &Comdats) -> Option<u32> {
    let rest = section.name.strip_prefix(b".pdata$").or_else(|| section.name.strip_prefix(b".xdata$"))?;
    if !section.has(pe::IMAGE_SCN_LNK_COMDAT) || matches!(comdats.get(number), Some((_, Leader::Name(_)))) {
        return None;
    }
    // The code comes right before its tables.
    let before = file.sections.get(..(number as usize).checked_sub(1)?)?;
    let is_code = |section: &Section<'_>| section.name.strip_prefix(b".text$").is_some_and(|name| name == rest);
    let position = before.iter().rposition(is_code)?;
    u32::try_from(position + 1).ok()
}
