//! The entities that names stand for.

use foldhash::fast::FixedState;

use crate::entity::EntityId;
use crate::lexer::decode;

pub(crate) type Map<K, V> = hashbrown::HashMap<K, V, FixedState>;
pub(crate) type Set<T> = hashbrown::HashSet<T, FixedState>;

/// The entities of one kind by their names. `@0` is not `@"0"`, for it has a number in place of a name.
#[derive(Debug, Default)]
pub(crate) struct Names {
    names: Map<Box<[u8]>, EntityId>,
    /// Most names in functions are numbers of values, and there is seldom a type with a number.
    numbers: Map<u64, EntityId>,
}

impl Names {
    /// The entity with a name as it stands in the text, with sigil and quotes.
    pub(crate) fn get(&self, name: &str) -> Option<EntityId> {
        match number(name) {
            Some(number) => self.numbers.get(&number).copied(),
            None => self.find(&decode(name)),
        }
    }

    /// The entity with a name, without sigil, quotes and escapes.
    pub(crate) fn find(&self, name: &[u8]) -> Option<EntityId> {
        self.names.get(name).copied()
    }

    /// Adds a name as it stands in the text; returns the entity that had it.
    pub(crate) fn insert(&mut self, name: &str, id: EntityId) -> Option<EntityId> {
        match number(name) {
            Some(number) => self.numbers.insert(number, id),
            None => self.names.insert((*decode(name)).into(), id),
        }
    }

    /// All names but numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.names.keys().map(|name| &**name)
    }
}

/// The number that a value has in place of a name. LLVM has no larger ones.
pub(crate) fn number(name: &str) -> Option<u64> {
    let digits = name.as_bytes().get(1..).filter(|digits| !digits.is_empty())?;
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_another_name_than_its_digits_in_quotes() {
        let mut names = Names::default();
        for (name, id) in [("@0", 0), ("@\"0\"", 1), ("@a", 2)] {
            assert_eq!(names.insert(name, EntityId(id)), None);
        }
        let found = ["@0", "@\"0\"", "@\"\\30\"", "@\"a\"", "@b", "@1"].map(|name| names.get(name).map(|id| id.0));
        assert_eq!(found, [Some(0), Some(1), Some(1), Some(2), None, None]);
        assert_eq!(names.find(b"0"), Some(EntityId(1)));
        assert_eq!(names.insert("@\"\\61\"", EntityId(3)), Some(EntityId(2)));
    }
}
