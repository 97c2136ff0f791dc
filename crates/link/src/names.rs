//! Interned symbol names: each distinct name has a `u32`, so that names are hashed once and compared as numbers.

use std::fmt;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// An interned name; from 0 in order of first use. Meaningful only with the pool that made it. Another name gets the
/// number of one that was given back only after four billion names, when there are no others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NameId(pub u32);

/// Names of a chunk, as a power of two.
const CHUNK_LOG2: u32 = 12;
const CHUNK: usize = 1 << CHUNK_LOG2;
/// There are no numbers for more.
const MOST_CHUNKS: usize = 1 << (u32::BITS - CHUNK_LOG2);

/// The pool of a session. Names are bytes: object formats promise no encoding.
#[derive(Default)]
pub struct NamePool {
    /// The number of each, and its hash: a table that grows need not hash them again.
    table: HashTable<(u32, u32)>,
    /// The names by number. A chunk whose names were all given back is gone.
    chunks: Vec<Chunk>,
    /// The chunk that new names go into.
    current: usize,
    interned: u64,
    /// With seeds that nobody can know: names come from files.
    hasher: RandomState,
}

/// Names with successive numbers.
#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    /// `ends[i]` is where its name `i` ends in `bytes`; it begins where the one before ends.
    ends: Vec<usize>,
}

impl NamePool {
    /// An empty pool.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The id of `name`, made if it is new.
    pub fn intern(&mut self, name: &[u8]) -> NameId {
        let hash = self.hash(name);
        if let Some(id) = self.find_hashed(name, hash) {
            return id;
        }
        let number = self.chunk_with_room();
        let chunk = &mut self.chunks[number];
        // See `MOST_CHUNKS`.
        let id = u32::try_from(number << CHUNK_LOG2 | chunk.ends.len()).unwrap_or(u32::MAX);
        chunk.bytes.extend_from_slice(name);
        chunk.ends.push(chunk.bytes.len());
        self.interned += 1;
        self.table.insert_unique(widen(hash), (id, hash), |&(_, hash)| widen(hash));
        NameId(id)
    }

    /// The chunk that the next name goes into: after the last one, or the first whose names were all given back.
    #[inline]
    fn chunk_with_room(&mut self) -> usize {
        let has_room = |chunk: &Chunk| chunk.ends.len() < CHUNK;
        if !self.chunks.get(self.current).is_some_and(has_room) {
            let count = self.chunks.len();
            if count < MOST_CHUNKS {
                self.chunks.push(Chunk::default());
                self.current = count;
            } else {
                let others = (1..count).map(|distance| (self.current + distance) % count);
                let empty = others.into_iter().find(|&other| self.chunks[other].ends.is_empty());
                // Names that leave no chunk empty would take more memory than there is, but for what is unlikely.
                self.current = empty.unwrap_or(self.current);
            }
        }
        self.current
    }

    fn hash(&self, name: &[u8]) -> u32 {
        // Each half is as good as the whole.
        self.hasher.hash_one(name) as u32
    }

    #[inline]
    fn find_hashed(&self, name: &[u8], hash: u32) -> Option<NameId> {
        let is_it = |&(id, stored): &(u32, u32)| stored == hash && slice_of(&self.chunks, id) == name;
        self.table.find(widen(hash), is_it).map(|&(id, _)| NameId(id))
    }

    /// The id of `name` if anybody has interned it.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<NameId> {
        self.find_hashed(name, self.hash(name))
    }

    /// The bytes of a name; empty for an id of another pool that is out of range here, and for one that was given back.
    #[must_use]
    pub fn bytes(&self, id: NameId) -> &[u8] {
        slice_of(&self.chunks, id.0)
    }

    /// The name as text; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn text(&self, id: NameId) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.bytes(id))
    }

    /// Returns the number of names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Returns whether there is no name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Returns the number of names that there have ever been.
    #[must_use]
    pub fn interned(&self) -> u64 {
        self.interned
    }

    /// Gives all names back but those `used`, in any order. Nobody may use the ids of the others any more; they mean
    /// nothing, and the same names get other ids.
    pub fn retain(&mut self, mut used: Vec<NameId>) {
        used.sort_unstable();
        used.dedup();
        self.table.retain(|&mut (id, _)| used.binary_search(&NameId(id)).is_ok());
        let mut rest = used.as_slice();
        for (number, chunk) in self.chunks.iter_mut().enumerate() {
            // See `MOST_CHUNKS`.
            let first = u32::try_from(number).unwrap_or(u32::MAX) << CHUNK_LOG2;
            let (here, after) = rest.split_at(rest.partition_point(|id| (id.0 - first) as usize >> CHUNK_LOG2 == 0));
            rest = after;
            if here.len() == chunk.ends.len() {
                continue;
            }
            if here.is_empty() && number != self.current {
                *chunk = Chunk::default();
                continue;
            }
            let (mut bytes, mut start, mut kept) = (Vec::new(), 0, here.iter().copied().peekable());
            for (id, end) in (first..).zip(&mut chunk.ends) {
                let name = chunk.bytes.get(start..*end).unwrap_or_default();
                start = *end;
                if kept.next_if_eq(&NameId(id)).is_some() {
                    bytes.extend_from_slice(name);
                }
                *end = bytes.len();
            }
            chunk.bytes = bytes;
        }
    }
}

/// As the table wants it, which looks at the highest and at the lowest bits.
fn widen(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

#[inline]
fn slice_of(chunks: &[Chunk], id: u32) -> &[u8] {
    let Some(Chunk { bytes, ends }) = chunks.get(id as usize / CHUNK) else { return &[] };
    let index = id as usize % CHUNK;
    let Some(&end) = ends.get(index) else { return &[] };
    let start = index.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
    bytes.get(start..end).unwrap_or_default()
}

impl fmt::Debug for NamePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: usize = self.chunks.iter().map(|chunk| chunk.bytes.len()).sum();
        write!(f, "NamePool({} names, {bytes} bytes)", self.len())
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
    fn names_that_are_given_back_leave_no_bytes_and_no_numbers() {
        let mut pool = NamePool::new();
        let name = |n: u32| format!("name{n}").into_bytes();
        let count = 3 * CHUNK as u32 + 10;
        let ids: Vec<_> = (0..count).map(|n| pool.intern(&name(n))).collect();
        // All of the first chunk, none of the second, a few of the third, one of the last.
        let is_used =
            |n: u32| (n as usize) < CHUNK || n as usize >= 2 * CHUNK && n.is_multiple_of(1000) || n == count - 2;
        let used: Vec<_> = (0..count).rev().filter(|&n| is_used(n)).map(|n| ids[n as usize]).collect();
        pool.retain(used.clone());
        assert_eq!(pool.len(), used.len());
        for n in 0..count {
            let (found, id) = (pool.find(&name(n)), ids[n as usize]);
            assert_eq!((found, pool.bytes(id).is_empty()), (is_used(n).then_some(id), !is_used(n)), "{n}");
        }
        let bytes: usize = used.iter().map(|id| pool.bytes(*id).len()).sum();
        assert_eq!(format!("{pool:?}"), format!("NamePool({} names, {bytes} bytes)", used.len()));
        assert_eq!(pool.intern(&name(CHUNK as u32)), NameId(count));
        assert_eq!(pool.intern(&name(5)), ids[5]);
        pool.retain(Vec::new());
        assert!(pool.is_empty());
        assert_eq!((pool.intern(b"x"), pool.interned()), (NameId(count + 1), u64::from(count + 2)));
        assert_eq!(pool.bytes(NameId(count + 1)), b"x");
    }

    #[test]
    fn numbers_come_again_when_there_are_no_others() {
        let chunks = (0..MOST_CHUNKS - 1).map(|_| Chunk::default()).collect();
        let mut pool = NamePool { chunks, current: MOST_CHUNKS - 2, ..NamePool::new() };
        let name = |n: usize| format!("name{n}").into_bytes();
        let mut ids: Vec<_> = (0..4 * CHUNK + 5).map(|n| pool.intern(&name(n))).collect();
        assert_eq!((ids[2 * CHUNK - 1], ids[2 * CHUNK]), (NameId(u32::MAX), NameId(0)));
        let check = |pool: &NamePool, ids: &[NameId], from: usize| {
            for (n, &id) in ids.iter().enumerate().skip(from) {
                assert_eq!((pool.find(&name(n)), pool.bytes(id)), (Some(id), &name(n)[..]), "{n}");
            }
        };
        check(&pool, &ids, 0);
        // All but the first two chunks' are used on.
        pool.retain(ids[2 * CHUNK..].to_vec());
        ids.extend((4 * CHUNK + 5..7 * CHUNK).map(|n| pool.intern(&name(n))));
        check(&pool, &ids, 2 * CHUNK);
        let distinct: std::collections::HashSet<_> = ids[2 * CHUNK..].iter().collect();
        assert_eq!((distinct.len(), pool.interned()), (5 * CHUNK, 7 * CHUNK as u64));
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
