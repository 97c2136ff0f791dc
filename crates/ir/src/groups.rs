//! Decides which entities have to be in the same module, which stay in the rest, and which local names others need.

use std::borrow::Cow;

use crate::entity::{EntityId, EntityKind, Linkage, Stays, Symbol};
use crate::lexer::decode;
use crate::read::Entities;
use crate::table::{Map, Names, Set};

/// The groups of a module's entities. A slice defines whole groups.
#[derive(Debug)]
pub(crate) struct Groups {
    /// The first entity of each entity's group.
    group: Vec<u32>,
    /// The definitions of a module that has a group, by the group's first entity.
    members: Map<u32, Vec<EntityId>>,
    /// The groups that have functions.
    with_functions: Set<u32>,
    /// The reasons why groups stay, by their first entities.
    stays: Map<u32, Stays>,
    /// Local symbols that other groups refer to: they get a name of their own.
    promoted: Set<EntityId>,
    /// Symbols that each slice has its own copy of.
    copied: Set<EntityId>,
}

impl Groups {
    pub(crate) fn of(text: &str, entities: &Entities) -> Self {
        let mut union = Union((0..entities.all.len() as u32).collect());
        for (a, b) in pairs(entities) {
            union.join(a, b);
        }
        let (bound, mut reasons) = bound_to_assembly(text, entities, &mut union);
        reasons.extend(listed(entities, &mut union));
        let group: Vec<u32> = (0..entities.all.len() as u32).map(|number| union.first(number)).collect();
        let mut groups = Self {
            group,
            members: Map::default(),
            with_functions: Set::default(),
            stays: Map::default(),
            promoted: Set::default(),
            copied: Set::default(),
        };
        for (id, entity) in ids(entities).zip(&entities.all) {
            let group = groups.of_entity(id);
            if entity.is_definition() {
                groups.members.entry(group).or_default().push(id);
            }
            if entity.kind == EntityKind::Function && is_definition(entities, id) {
                groups.with_functions.insert(group);
            }
        }
        for (id, reason) in reasons {
            groups.stays.entry(groups.of_entity(id)).or_insert(reason);
        }
        groups.copied = copied(entities, &groups, &bound);
        groups.promoted = promoted(entities, &groups, &bound);
        groups
    }

    pub(crate) fn of_entity(&self, id: EntityId) -> u32 {
        self.group.get(id.index()).copied().unwrap_or(id.0)
    }

    /// Says whether two entities are in one group.
    pub(crate) fn are_together(&self, a: EntityId, b: EntityId) -> bool {
        self.of_entity(a) == self.of_entity(b)
    }

    /// The definitions of a module that has an entity's group, in the order of the text.
    pub(crate) fn members(&self, of: EntityId) -> &[EntityId] {
        self.members.get(&self.of_entity(of)).map_or(&[], Vec::as_slice)
    }

    /// Says whether an entity is with functions that are compiled by themselves, rather than in the rest.
    pub(crate) fn is_cut(&self, id: EntityId) -> bool {
        let group = self.of_entity(id);
        self.with_functions.contains(&group) && !self.stays.contains_key(&group)
    }

    pub(crate) fn stays(&self, id: EntityId) -> Option<Stays> {
        self.stays.get(&self.of_entity(id)).copied()
    }

    pub(crate) fn is_promoted(&self, id: EntityId) -> bool {
        self.promoted.contains(&id)
    }

    pub(crate) fn is_copied(&self, id: EntityId) -> bool {
        self.copied.contains(&id)
    }
}

/// Sets that are joined.
struct Union(Vec<u32>);

impl Union {
    fn first(&mut self, number: u32) -> u32 {
        let mut at = number;
        while let Some(&parent) = self.0.get(at as usize).filter(|&&parent| parent != at) {
            // Halving the way as it is gone keeps it short.
            let grandparent = self.0.get(parent as usize).copied().unwrap_or(parent);
            if let Some(place) = self.0.get_mut(at as usize) {
                *place = grandparent;
            }
            at = grandparent;
        }
        at
    }

    fn join(&mut self, a: EntityId, b: EntityId) {
        let (a, b) = (self.first(a.0), self.first(b.0));
        if let Some(place) = self.0.get_mut(a.max(b) as usize) {
            *place = a.min(b);
        }
    }
}

fn symbol(entities: &Entities, id: EntityId) -> Option<&Symbol> {
    entities.all.get(id.index())?.symbol.as_ref()
}

/// Says whether the module defines a symbol.
fn is_definition(entities: &Entities, id: EntityId) -> bool {
    symbol(entities, id).is_some_and(|symbol| symbol.is_definition)
}

/// The targets of an entity's references.
pub(crate) fn targets(entities: &Entities, id: EntityId) -> impl Iterator<Item = EntityId> {
    let range = entities.all.get(id.index()).map_or(0..0, |entity| entity.references.clone());
    let references = entities.references.get(range.start as usize..range.end as usize);
    references.unwrap_or_default().iter().map(|reference| reference.target)
}

fn ids(entities: &Entities) -> impl Iterator<Item = EntityId> {
    (0..entities.all.len() as u32).map(EntityId)
}

/// Pairs of entities that must be in one module: members of COMDAT groups, aliases and what they stand for, functions
/// and those who have addresses of their blocks or know their frames, a symbol and that which lives as long.
fn pairs(entities: &Entities) -> Vec<(EntityId, EntityId)> {
    let mut pairs = Vec::new();
    for &(id, other) in &entities.pairs {
        if entities.all.get(other.index()).is_some_and(|entity| entity.kind == EntityKind::Metadata) {
            pairs.extend(targets(entities, other).map(|target| (id, target)));
        } else {
            pairs.push((id, other));
        }
    }
    for (id, entity) in ids(entities).zip(&entities.all) {
        let Some(symbol) = entity.symbol.filter(|symbol| symbol.is_definition) else { continue };
        pairs.extend(symbol.comdat.map(|comdat| (id, comdat)));
        if matches!(entity.kind, EntityKind::Alias | EntityKind::Ifunc) {
            pairs.extend(targets(entities, id).map(|target| (id, target)));
        }
    }
    let may_pair = |id| is_definition(entities, id) || symbol(entities, id).is_none();
    pairs.retain(|&(a, b)| {
        let is_comdat = entities.all.get(b.index()).is_some_and(|entity| entity.kind == EntityKind::Comdat);
        may_pair(a) && (is_comdat || is_definition(entities, b))
    });
    pairs
}

/// Finds the entities that stay because of lists, ifuncs, linkage and what lies before them.
fn listed(entities: &Entities, union: &mut Union) -> Vec<(EntityId, Stays)> {
    let mut stays = Vec::new();
    for (id, entity) in ids(entities).zip(&entities.all) {
        let Some(symbol) = entity.symbol else { continue };
        // Annotations are for tools: there is nothing of them in an object.
        if symbol.linkage == Linkage::Appending && entities.symbols.find(b"llvm.global.annotations") != Some(id) {
            stays.push((id, Stays::Listed));
            for target in targets(entities, id).filter(|&target| is_definition(entities, target)) {
                union.join(id, target);
            }
        } else if symbol.linkage == Linkage::AvailableExternally {
            stays.push((id, Stays::Elsewhere));
        } else if entity.kind == EntityKind::Ifunc {
            stays.push((id, Stays::Ifunc));
        } else if symbol.has_prefix && symbol.is_definition {
            stays.push((id, Stays::Prefix));
        }
    }
    stays
}

/// Joins the assembly of the module with the symbols that it may define or refer to by names that no other module
/// sees, and with all who refer to these. Returns these symbols, and who stays for it.
fn bound_to_assembly(text: &str, entities: &Entities, union: &mut Union) -> (Set<EntityId>, Vec<(EntityId, Stays)>) {
    let mut bound = Map::default();
    let mut stays = Vec::new();
    let strings: Vec<_> = entities.assembly.iter().map(|(id, string)| (*id, string_at(text, string))).collect();
    let exported: Set<EntityId> =
        strings.iter().flat_map(|(_, string)| exported_by(string, &entities.symbols)).collect();
    for (id, string) in &strings {
        let is_of_module = entities.all.get(id.index()).is_some_and(|entity| entity.kind == EntityKind::Assembly);
        if is_of_module {
            stays.push((*id, Stays::Assembly));
        }
        for named in named_in(string, &entities.symbols) {
            let Some(symbol) = symbol(entities, named) else { continue };
            // Assembly of a function only refers to symbols. That of the module may define what is declared, too, and
            // others can refer to that only if it says so.
            let is_local = symbol.is_definition && symbol.linkage.is_local();
            let may_be_defined = !symbol.is_definition && is_of_module && !exported.contains(&named);
            if !is_local && !may_be_defined {
                continue;
            }
            stays.push((*id, Stays::Assembly));
            let first = *bound.entry(named).or_insert(*id);
            union.join(first, *id);
            if is_local {
                union.join(named, *id);
            }
        }
    }
    // Parts of the module's assembly may belong together in any way.
    let mut first = None;
    for id in ids(entities).filter(|id| entities.all.get(id.index()).is_some_and(|e| e.kind == EntityKind::Assembly)) {
        union.join(*first.get_or_insert(id), id);
    }
    if !bound.is_empty() {
        for id in ids(entities).filter(|&id| is_definition(entities, id)) {
            for assembly in targets(entities, id).filter_map(|target| bound.get(&target)) {
                union.join(*assembly, id);
            }
        }
    }
    (bound.into_keys().collect(), stays)
}

fn string_at<'a>(text: &'a str, string: &std::ops::Range<u32>) -> Cow<'a, [u8]> {
    decode(text.get(string.start as usize..string.end as usize).unwrap_or_default())
}

/// The symbols that a piece of assembly makes global.
fn exported_by(assembly: &[u8], symbols: &Names) -> Vec<EntityId> {
    let mut found = Vec::new();
    for statement in assembly.split(|byte| b"\n;".contains(byte)) {
        let statement = statement.trim_ascii();
        let exports = [&b".globl"[..], b".global", b".weak"].into_iter().find_map(|word| statement.strip_prefix(word));
        let Some(names) = exports.filter(|names| names.first().is_some_and(u8::is_ascii_whitespace)) else { continue };
        found.extend(named_in(names, symbols));
    }
    found
}

/// The symbols whose names may be in some assembly.
fn named_in(assembly: &[u8], symbols: &Names) -> Vec<EntityId> {
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.$?@".contains(byte) || *byte >= 0x80;
    let mut found = Vec::new();
    for run in assembly.split(|byte| !is_of_name(byte)) {
        let parts = run.split(|byte| b"$?@".contains(byte));
        for word in std::iter::once(run).chain(parts).filter(|word| !word.is_empty()) {
            // Some systems put an underscore before each name.
            let without = word.strip_prefix(b"_").unwrap_or(word);
            found.extend([word, without].into_iter().filter_map(|name| symbols.find(name)));
        }
    }
    found
}

fn copied(entities: &Entities, groups: &Groups, bound: &Set<EntityId>) -> Set<EntityId> {
    let mut sizes: Map<u32, usize> = Map::default();
    for id in ids(entities) {
        *sizes.entry(groups.of_entity(id)).or_default() += 1;
    }
    let is_alone = |id| sizes.get(&groups.of_entity(id)) == Some(&1) && !bound.contains(&id);
    ids(entities).filter(|&id| symbol(entities, id).is_some_and(|s| s.may_be_copied) && is_alone(id)).collect()
}

/// Local symbols that are referred to from outside of their group. Metadata belongs to no group.
fn promoted(entities: &Entities, groups: &Groups, bound: &Set<EntityId>) -> Set<EntityId> {
    let is_local = |id| symbol(entities, id).is_some_and(|symbol| symbol.is_definition && symbol.linkage.is_local());
    let mut promoted = Set::default();
    for from in ids(entities) {
        let others = targets(entities, from).filter(|&to| is_local(to) && !groups.are_together(from, to));
        promoted.extend(others.filter(|to| !groups.is_copied(*to) && !bound.contains(to)));
    }
    promoted
}
