//! COMDAT sections ("PE Format", "COMDAT Sections"): which of several copies is kept, and which sections go with it.

use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::{FixedState, RandomState};
use hashbrown::HashMap;
use object::pe::ComdatSelection;
use object::{LittleEndian as LE, pe};

use super::file::{File, Section};
use super::sections::Blocks;
use crate::error::Result;
use crate::graph::{Group, LinkGraph, Selection};
use crate::names::{NameId, NamePool};

/// The description of a section by the symbol that stands for it.
#[derive(Clone, Copy)]
pub(super) struct Description {
    pub(super) selection: ComdatSelection,
    /// The section that an associated one goes with.
    pub(super) parent: u32,
}

/// The leader of a COMDAT section: the symbol after the one that stands for the section.
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
    pub(super) fn lead(&mut self, section: u32, name: &[u8], names: &mut NamePool) {
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

    /// Returns whether a section is kept only if it is chosen and wanted, or another one that it goes with.
    pub(super) fn contains(&self, section: u32) -> bool {
        (section as usize).checked_sub(1).and_then(|index| self.sections.get(index)).is_some_and(Option::is_some)
    }

    /// Makes a section an ordinary one: what it goes with is no COMDAT section, hence always kept.
    fn remove(&mut self, section: u32) {
        if let Some(comdat) = (section as usize).checked_sub(1).and_then(|index| self.sections.get_mut(index)) {
            *comdat = None;
        }
    }

    /// Returns whether a section is led by a name that others know.
    fn is_named(&self, section: u32) -> bool {
        matches!(self.get(section), Some((_, Leader::Name(_))))
    }
}

/// Adds a group for every COMDAT section that others may have, too, and ties associated sections to theirs. Sections
/// that are associated with ordinary ones are ordinary afterwards.
pub(super) fn read(file: &File<'_>, blocks: &Blocks, comdats: &mut Comdats, graph: &mut LinkGraph) -> Result<()> {
    let mut group_of: Vec<Option<usize>> = vec![None; file.sections.len() + 1];
    let mut groups: Vec<Group> = Vec::new();
    for (number, section) in file.numbered() {
        let Some((description, Leader::Name(signature))) = comdats.get(number) else { continue };
        let (Some(block), Some(group)) = (blocks.block(number), group_of.get_mut(number as usize)) else { continue };
        let selection = selection(file, section, description)?;
        *group = Some(groups.len());
        groups.push(Group { signature, selection, blocks: vec![block] });
    }
    let parents = parents(file, comdats)?;
    let mut shortened = parents.clone();
    for (number, section) in file.numbered() {
        let Some(parent) = parents.get(number as usize).copied().flatten() else { continue };
        let Some(root) = root(&mut shortened, number) else {
            return Err(file.malformed_section(section, "COMDAT section: it is associated with itself"));
        };
        let is_ordinary = |root: &Section<'_>| !root.has(pe::IMAGE_SCN_LNK_COMDAT);
        if blocks.block(root).is_some() && file.section(root).is_some_and(is_ordinary) {
            comdats.remove(number);
        }
        let Some(block) = blocks.block(number) else { continue };
        if let Some(parent) = blocks.block(parent) {
            graph.add_dependent(parent, block);
        }
        let group = group_of.get(root as usize).copied().flatten().and_then(|group| groups.get_mut(group));
        if let Some(group) = group {
            group.blocks.push(block);
        }
    }
    groups.into_iter().for_each(|group| graph.groups.push(group));
    Ok(())
}

/// By number, the section that each lives and dies with.
fn parents(file: &File<'_>, comdats: &Comdats) -> Result<Vec<Option<u32>>> {
    let mut parents = Vec::with_capacity(file.sections.len() + 1);
    parents.push(None);
    // The code of GNU's compilers, by what follows the `$`: of several with one name the last counts so far.
    let mut code: HashMap<&[u8], u32, RandomState> = HashMap::default();
    for (number, section) in file.numbered() {
        let parent = comdats.parent(number).or_else(|| gnu_parent(section, number, comdats, &code));
        if let Some(parent) = parent.filter(|&parent| file.section(parent).is_none() || parent == number) {
            let what = format_args!("COMDAT section: it is associated with section {parent}, which does not exist");
            return Err(file.malformed_section(section, what));
        }
        parents.push(parent);
        if let Some(name) = section.name.strip_prefix(b".text$") {
            code.insert(name, number);
        }
    }
    Ok(parents)
}

/// The end of a chain of associated sections; `None` if the chain has none. Shortens the chain for who asks next.
fn root(parents: &mut [Option<u32>], section: u32) -> Option<u32> {
    let parent = |parents: &[Option<u32>], section: u32| parents.get(section as usize).copied().flatten();
    let mut root = section;
    for _ in 0..parents.len() {
        match parent(parents, root) {
            Some(next) => root = next,
            None => break,
        }
    }
    if parent(parents, root).is_some() {
        return None;
    }
    let mut section = section;
    while let Some(next) = parent(parents, section) {
        if let Some(link) = parents.get_mut(section as usize) {
            *link = Some(root);
        }
        section = next;
    }
    Some(root)
}

fn selection(file: &File<'_>, section: &Section<'_>, description: Description) -> Result<Selection> {
    Ok(match description.selection {
        pe::IMAGE_COMDAT_SELECT_NODUPLICATES => Selection::NoDuplicates,
        pe::IMAGE_COMDAT_SELECT_ANY => Selection::Any,
        pe::IMAGE_COMDAT_SELECT_SAME_SIZE => Selection::SameSize(section.size),
        pe::IMAGE_COMDAT_SELECT_EXACT_MATCH => Selection::ExactMatch(content_hash(section)),
        pe::IMAGE_COMDAT_SELECT_LARGEST => Selection::Largest(section.size),
        pe::IMAGE_COMDAT_SELECT_NEWEST => {
            return Err(file.unsupported_section(section, "COMDAT selection NEWEST: objects do not record their age"));
        }
        ComdatSelection(other) => {
            return Err(
                file.malformed_section(section, format_args!("COMDAT section: its selection {other} is undefined"))
            );
        }
    })
}

/// Tells contents apart: not by the checksum, which not all compilers make. Relocations are compared by place and type:
/// their symbols have other numbers in other objects.
fn content_hash(section: &Section<'_>) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    section.size.hash(&mut hasher);
    section.data.hash(&mut hasher);
    for relocation in section.relocations {
        (relocation.virtual_address.get(LE), relocation.typ.get(LE)).hash(&mut hasher);
    }
    hasher.finish()
}

/// GNU's compilers associate `.pdata$f` and `.xdata$f` with `.text$f` by name alone. The code comes before its tables.
fn gnu_parent(
    section: &Section<'_>,
    number: u32,
    comdats: &Comdats,
    code: &HashMap<&[u8], u32, RandomState>,
) -> Option<u32> {
    let name = section.name.strip_prefix(b".pdata$").or_else(|| section.name.strip_prefix(b".xdata$"))?;
    let may_have_one = section.has(pe::IMAGE_SCN_LNK_COMDAT) && !comdats.is_named(number);
    code.get(name).copied().filter(|_| may_have_one)
}
