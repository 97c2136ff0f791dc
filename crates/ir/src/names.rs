//! The names that symbols have in slices.

use crate::entity::{EntityId, EntityKind};
use crate::groups::Groups;
use crate::lexer::decode;
use crate::read::Entities;
use crate::table::{Map, number};

/// New names with their sigils, of the symbols and COMDAT groups that have one.
pub(crate) type NewNames = Map<EntityId, String>;

/// A suffix for the local names of a module, which no name of it contains. Modules with the same text have the same one,
/// in every run and version.
pub(crate) fn suffix_of(text: &str) -> String {
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
    let words = words.iter().chain([&last]).map(|word| u64::from_le_bytes(*word)).chain([text.len() as u64]);
    // The halves of a product together depend on every bit of its factors. The factor is the golden ratio's.
    let hash = words.fold(0xcbf2_9ce4_8422_2325_u64, |hash, word| {
        let product = u128::from(hash ^ word) * 0x9e37_79b9_7f4a_7c15;
        (product as u64) ^ ((product >> 64) as u64)
    });
    format!(".lj.{hash:016x}")
}

/// Gives names to local symbols that other slices refer to, and to symbols that have a number only.
pub(crate) fn new_names(text: &str, entities: &Entities, groups: &Groups, suffix: &str) -> NewNames {
    let mut suffix = suffix.to_string();
    while entities.symbols.iter().any(|name| contains(name, suffix.as_bytes())) {
        suffix.push('_');
    }
    let mut names = NewNames::default();
    for (at, entity) in entities.all.iter().enumerate().filter(|(_, entity)| entity.kind.is_symbol()) {
        let id = EntityId(at as u32);
        let name = text.get(entity.name.start as usize..entity.name.end as usize).unwrap_or_default();
        let new = match number(name) {
            Some(number) => format!("@unnamed.{number}{suffix}"),
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
        let leader = entities.symbols.get(name).and_then(|leader| names.get(&leader));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_tell_texts_apart_and_are_the_same_in_every_version() {
        assert_eq!(suffix_of("define void @f() {}"), ".lj.9f4d8011091e738f");
        let texts = [
            "",
            "\0",
            "a",
            "a\0",
            "12345678",
            "12345678\0",
            "12345679",
            "92345678",
            "8123456712345678",
            "1234567881234567",
        ];
        let suffixes: std::collections::BTreeSet<_> = texts.map(suffix_of).into();
        assert_eq!(suffixes.len(), texts.len());
    }
}
