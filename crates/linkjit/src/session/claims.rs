//! Claims of units about the same key, each with its unit: when a unit goes, the claims of the others remain.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::hash::Hash;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::state::UnitId;

/// What is said about keys.
#[derive(Debug)]
pub(crate) struct Claims<K, V> {
    by_key: HashMap<K, BTreeMap<UnitId, V>, FixedState>,
    /// About what each unit says something: there may be thousands, and each may go.
    by_unit: HashMap<UnitId, Vec<K>, FixedState>,
}

impl<K, V> Default for Claims<K, V> {
    fn default() -> Self {
        Self { by_key: HashMap::default(), by_unit: HashMap::default() }
    }
}

impl<K: Hash + Eq + Clone, V> Claims<K, V> {
    /// Notes what a unit says about a key, if it has not said something before.
    pub(super) fn enter(&mut self, key: K, value: V, unit: UnitId) {
        if let Entry::Vacant(place) = self.by_key.entry(key.clone()).or_default().entry(unit) {
            place.insert(value);
            self.by_unit.entry(unit).or_default().push(key);
        }
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

    /// All that is said, in no order: keys and values.
    pub(super) fn all(&self) -> impl Iterator<Item = (&K, &V)> {
        self.by_key.iter().flat_map(|(key, claims)| claims.values().map(move |value| (key, value)))
    }

    /// Whether nothing is said.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Forgets what a unit says.
    pub(super) fn forget(&mut self, unit: UnitId) {
        for key in self.by_unit.remove(&unit).unwrap_or_default() {
            if let Some(claims) = self.by_key.get_mut(&key) {
                claims.remove(&unit);
                if claims.is_empty() {
                    self.by_key.remove(&key);
                }
            }
        }
    }
}
