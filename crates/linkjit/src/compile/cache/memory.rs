//! The part of a cache that is in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::CacheKey;

/// Entries, of which those that were not used for the longest time go first when they are too large together.
#[derive(Debug)]
pub(super) struct Memory {
    entries: HashMap<CacheKey, (Arc<[u8]>, u64)>,
    /// The entries by the time of their last use, which counts uses. It has the same entries as the map.
    by_use: BTreeMap<u64, CacheKey>,
    uses: u64,
    size: u64,
    limit: u64,
}

impl Memory {
    pub(super) fn new(limit: u64) -> Self {
        Self { entries: HashMap::new(), by_use: BTreeMap::new(), uses: 0, size: 0, limit }
    }

    pub(super) fn get(&mut self, key: &CacheKey) -> Option<Arc<[u8]>> {
        let (bytes, last_use) = self.entries.get_mut(key)?;
        self.by_use.remove(last_use);
        self.uses += 1;
        *last_use = self.uses;
        self.by_use.insert(self.uses, *key);
        Some(bytes.clone())
    }

    pub(super) fn insert(&mut self, key: CacheKey, bytes: Arc<[u8]>) {
        self.remove(&key);
        let size = bytes.len() as u64;
        if size > self.limit {
            return;
        }
        self.uses += 1;
        self.size += size;
        self.by_use.insert(self.uses, key);
        self.entries.insert(key, (bytes, self.uses));
        while self.size > self.limit {
            let Some((_, oldest)) = self.by_use.first_key_value() else { return };
            let oldest = *oldest;
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, key: &CacheKey) {
        if let Some((bytes, last_use)) = self.entries.remove(key) {
            self.by_use.remove(&last_use);
            self.size -= bytes.len() as u64;
        }
    }
}
