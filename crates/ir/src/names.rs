//! The names that symbols have in slices.

use std::collections::HashMap;

use crate::entity::{EntityId, EntityKind};
use crate::groups::Groups;
use crate::lexer::decode;
use crate::read::{Entities, key};

/// New names with their sigils, of the symbols and COMDAT groups that have one.
pub(crate) type NewNames = HashMap<EntityId, String>;

/// A suffix for the local names of a module, which no name of it contains. Modules with the same text have the same one.
pub(crate) fn suffix_of(text: &str) -> String {
    // FNV-1a: the suffix is to be the same in every run and version.
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!(".lj.{hash:016x}")
}

/// Gives names to local symbols that other slices refer to, and to symbols that have a number only.
pub(crate) fn new_names(text: &str, entities: &Entities, groups: &Groups, suffix: &str) -> NewNames {
    let mut suffix = suffix.to_string();
    while entities.symbols.keys().any(|name| contains(name, suffix.as_bytes())) {
        suffix.push('_');
    }
    let mut names = NewNames::new();
    for (number, entity) in entities.all.iter().enumerate().filter(|(_, entity)| entity.kind.is_symbol()) {
        let id = EntityId(number as u32);
        let name = text.get(entity.name.start as usize..entity.name.end as usize).unwrap_or_default();
        let new = match key(name).strip_prefix(&[0]) {
            Some(digits) => format!("@unnamed.{}{suffix}", String::from_utf8_lossy(digits)),
            None if !groups.is_promoted(id) => continue,
            None => match name.strip_suffix('"') {
                Some(open) => format!("{open}{suffix}\""),
                None => format!("{name}{suffix}"),
            },
        };
        names.insert(id, new);
    }
    // A group is found by the name of its leader.
    for (number, comdat) in entities.all.iter().enumerate().filter(|(_, entity)| entity.kind == EntityKind::Comdat) {
        let name = text.get(comdat.name.start as usize..comdat.name.end as usize).unwrap_or_default();
        let leader = entities.symbols.get(&*key(name)).and_then(|leader| names.get(leader));
        if let Some(new) = leader.map(|leader| leader.replacen('@', "$", 1)) {
            names.insert(EntityId(number as u32), new);
        }
    }
    names
}

/// The linker's name of a symbol whose name in IR is given with its sigil.
pub(crate) fn plain(name: &str) -> String {
    String::from_utf8_lossy(&decode(name)).into_owned()
}

fn contains(name: &[u8], part: &[u8]) -> bool {
    name.windows(part.len()).any(|window| window == part)
}
