//! What objects say about something, with who does: when one goes, what others say is left.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::hash::Hash;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::state::UnitId;

/// What is said about keys.
#[derive(Debug)]
pub(crate) struct Claims<K, V> {
    /// Thousands of objects may say the same, and each may go: that must not take a walk over all of them.
    by_key: HashMap<K, BTreeMap<UnitId, V>, FixedState>,
}

impl<K, V> Default for Claims<K, V> {
    fn default() -> Self {
        Self { by_key: HashMap::default() }
    }
}

impl<K: Hash + Eq, V> Claims<K, V> {
    /// Notes what a unit says about a key, if it has not said something before.
    pub(super) fn enter(&mut self, key: K, value: V, unit: UnitId) {
        self.by_key.entry(key).or_default().entry(unit).or_insert(value);
    }

    /// What the first unit that was added says about a key, and which one that is.
    pub(crate) fn first<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<(&V, UnitId)>
    where
        K: Borrow<Q>,
    {
        let (unit, value) = self.by_key.get(key)?.first_key_value()?;
        Some((value, *unit))
    }

    /// What counts of what is said, in no order: keys, values, and who says so first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V, UnitId)> {
        self.by_key.iter().filter_map(|(key, claims)| {
            let (unit, value) = claims.first_key_value()?;
            Some((key, value, *unit))
        })
    }

    /// Whether nothing is said.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Forgets what a unit says.
    pub(super) fn forget(&mut self, unit: UnitId) {
        self.by_key.retain(|_, claims| {
            claims.remove(&unit);
            !claims.is_empty()
        });
    }
}
