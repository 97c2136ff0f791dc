//! What objects say about something, with who does: when one goes, what others say is left.

use std::borrow::Borrow;
use std::hash::Hash;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::state::UnitId;

/// What is said about keys.
#[derive(Debug)]
pub(crate) struct Claims<K, V> {
    by_key: HashMap<K, Vec<(V, UnitId)>, FixedState>,
}

impl<K, V> Default for Claims<K, V> {
    fn default() -> Self {
        Self { by_key: HashMap::default() }
    }
}

impl<K: Hash + Eq, V> Claims<K, V> {
    /// Notes what a unit says about a key.
    pub(super) fn enter(&mut self, key: K, value: V, unit: UnitId) {
        self.by_key.entry(key).or_default().push((value, unit));
    }

    /// What was said about a key first, and by whom.
    pub(crate) fn first<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&(V, UnitId)>
    where
        K: Borrow<Q>,
    {
        self.by_key.get(key)?.first()
    }

    /// The keys that something is said about, in no order, with who did first.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&K, UnitId)> {
        self.by_key.iter().filter_map(|(key, claims)| Some((key, claims.first()?.1)))
    }

    /// Whether nothing is said.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Forgets what a unit says.
    pub(super) fn forget(&mut self, unit: UnitId) {
        self.by_key.retain(|_, claims| {
            claims.retain(|(_, by)| *by != unit);
            !claims.is_empty()
        });
    }
}
