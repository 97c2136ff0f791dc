//! Claims of objects about the same key, each with its object: when an object goes, the claims of the others remain.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::hash::Hash;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::state::ObjectId;

/// The claims about keys.
#[derive(Debug)]
pub(crate) struct Claims<K, V> {
    by_key: HashMap<K, BTreeMap<ObjectId, V>, FixedState>,
    /// About what each object says something: there may be thousands, and each may go.
    by_object: HashMap<ObjectId, Vec<K>, FixedState>,
}

impl<K, V> Default for Claims<K, V> {
    fn default() -> Self {
        Self { by_key: HashMap::default(), by_object: HashMap::default() }
    }
}

impl<K: Hash + Eq + Clone, V> Claims<K, V> {
    /// Notes what an object says about a key, if it has not said something before.
    pub(super) fn enter(&mut self, key: K, value: V, object: ObjectId) {
        if let Entry::Vacant(place) = self.by_key.entry(key.clone()).or_default().entry(object) {
            place.insert(value);
            self.by_object.entry(object).or_default().push(key);
        }
    }

    /// Finds what the first object that was added says about a key, and which one that is.
    pub(crate) fn first<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<(&V, ObjectId)>
    where
        K: Borrow<Q>,
    {
        let (object, value) = self.by_key.get(key)?.first_key_value()?;
        Some((value, *object))
    }

    /// The claims that count, in no order: keys, values, and who says so first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V, ObjectId)> {
        self.by_key.iter().filter_map(|(key, claims)| {
            let (object, value) = claims.first_key_value()?;
            Some((key, value, *object))
        })
    }

    /// All that is said, in no order: keys and values.
    pub(super) fn all(&self) -> impl Iterator<Item = (&K, &V)> {
        self.by_key.iter().flat_map(|(key, claims)| claims.values().map(move |value| (key, value)))
    }

    /// Says whether nothing is said.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Forgets what an object says.
    pub(super) fn forget(&mut self, object: ObjectId) {
        for key in self.by_object.remove(&object).unwrap_or_default() {
            if let Some(claims) = self.by_key.get_mut(&key) {
                claims.remove(&object);
                if claims.is_empty() {
                    self.by_key.remove(&key);
                }
            }
        }
    }
}
