//! Interned symbol names: one `u32` per distinct name, so that names are hashed once and compared as numbers.

use std::fmt;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// An interned name; dense from 0 in order of first use. Meaningful only with the pool that made it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NameId(pub u32);

impl NameId {
    /// Position in tables that are indexed by name.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The pool of a session. Names are bytes: object formats promise no encoding.
#[derive(Default)]
pub struct NamePool {
    table: HashTable<u32>,
    /// `ends[i]` is where name `i` ends in `bytes`; it begins where the one before ends.
    ends: Vec<usize>,
    bytes: Vec<u8>,
    /// With seeds that nobody can know: names come from files.
    hasher: RandomState,
}

impl NamePool {
    /// An empty pool.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The id of `name`, made if it is new.
    pub fn intern(&mut self, name: &[u8]) -> NameId {
        let hash = self.hasher.hash_one(name);
        let (bytes, ends) = (&self.bytes, &self.ends);
        if let Some(&id) = self.table.find(hash, |&id| slice_of(bytes, ends, id) == name) {
            return NameId(id);
        }
        let id = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(name);
        self.ends.push(self.bytes.len());
        let (bytes, ends, hasher) = (&self.bytes, &self.ends, &self.hasher);
        self.table.insert_unique(hash, id, |&id| hasher.hash_one(slice_of(bytes, ends, id)));
        NameId(id)
    }

    /// The id of `name` if anybody has interned it.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<NameId> {
        let hash = self.hasher.hash_one(name);
        self.table.find(hash, |&id| slice_of(&self.bytes, &self.ends, id) == name).map(|&id| NameId(id))
    }

    /// The bytes of a name; empty for an id of another pool that is out of range here.
    #[must_use]
    pub fn bytes(&self, id: NameId) -> &[u8] {
        slice_of(&self.bytes, &self.ends, id.0)
    }

    /// The name as text; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn text(&self, id: NameId) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.bytes(id))
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether no name was interned yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

fn slice_of<'a>(bytes: &'a [u8], ends: &[usize], id: u32) -> &'a [u8] {
    let index = id as usize;
    let Some(&end) = ends.get(index) else { return &[] };
    let start = index.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
    bytes.get(start..end).unwrap_or_default()
}

impl fmt::Debug for NamePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NamePool({} names, {} bytes)", self.len(), self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_name_has_one_id() {
        let mut pool = NamePool::new();
        let ids: Vec<_> = (0..1000).map(|n| pool.intern(format!("name{n}").as_bytes())).collect();
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(pool.intern(format!("name{n}").as_bytes()), *id);
            assert_eq!(pool.text(*id), format!("name{n}"));
        }
        assert_eq!(pool.len(), 1000);
        assert_eq!(pool.find(b"absent"), None);
        let empty = pool.intern(b"");
        assert_eq!(pool.find(b""), Some(empty));
    }

    #[test]
    fn nobody_knows_names_that_share_a_hash() {
        // With the hasher's fixed seeds, the second half of such a name would cancel the first out.
        const CANCELS: u64 = 0x3f84_d5b5_b547_0917;
        let mut pool = NamePool::new();
        let start = Instant::now();
        for number in 0..40_000_u64 {
            let id = pool.intern(&[number.to_le_bytes(), CANCELS.to_le_bytes()].concat());
            assert_eq!(u64::from(id.0), number);
        }
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    }
}
