//! Finds out from hash tables which names loaded objects may export.
//!
//! `dlsym` takes microseconds to say that nobody has a name. Nobody has most of the names that linked code defines
//! weakly, and the tables say so in nanoseconds: first a Bloom filter, then the hashes of all symbols in a bucket
//! (`DT_GNU_HASH`; "GNU hash ELF sections", binutils and glibc). They begin with the number of buckets, the first
//! symbol, the number of words of the filter and its second shift.

use super::objects::{Object, for_each_object};

/// Says whether any loaded object may export each of `names`.
pub(crate) fn may_export(names: &[&[u8]]) -> Vec<bool> {
    let hashes: Vec<u32> = names.iter().map(|name| hash(name)).collect();
    let mut may = vec![false; names.len()];
    for_each_object(&mut |object| {
        if object.is_vdso {
            return;
        }
        let dynamic = object.dynamic();
        match Table::new(object, dynamic.gnu_hash) {
            Some(table) => {
                for (may, &hash) in may.iter_mut().zip(&hashes) {
                    if table.may_have(hash) {
                        *may = *may || table.has(hash);
                    }
                }
            }
            // It has another table, or one that we don't understand.
            None if dynamic.hash != 0 || dynamic.gnu_hash != 0 => may.fill(true),
            None => {}
        }
    });
    may
}

/// The hash of a name; a version behind it is none of the name.
pub(super) fn hash(name: &[u8]) -> u32 {
    let name = if name.contains(&b'@') { name.split(|&byte| byte == b'@').next().unwrap_or_default() } else { name };
    let (words, rest) = name.as_chunks();
    let hash = words.iter().fold(5381, |hash: u32, &word| {
        hash.wrapping_mul(33_u32.wrapping_pow(8)).wrapping_add(hash_of_word(u64::from_le_bytes(word)))
    });
    rest.iter().fold(hash, |hash, &byte| hash.wrapping_mul(33).wrapping_add(u32::from(byte)))
}

/// Returns what eight bytes add to a hash: the sum of each times a power of 33, for two, four, and then eight of them.
fn hash_of_word(bytes: u64) -> u32 {
    const BYTES: u64 = 0x00ff_00ff_00ff_00ff;
    const HALVES: u64 = 0x0000_ffff_0000_ffff;
    let twos = (bytes & BYTES) * 33 + (bytes >> 8 & BYTES);
    let fours = (twos & HALVES) * 33_u64.pow(2) + (twos >> 16 & HALVES);
    // The lower half of either counts; addition and multiplication need no more.
    (fours as u32).wrapping_mul(33_u32.pow(4)).wrapping_add((fours >> 32) as u32)
}

/// The hash table of an object.
pub(super) struct Table<'a> {
    object: &'a Object<'a>,
    /// Pairs of words: 64 bits each, little-endian.
    filter: &'a [u32],
    /// One less than the number of 64-bit words of the filter, which is a power of two.
    mask: usize,
    shift: u32,
    buckets: &'a [u32],
    /// The hashes of symbols are here, and this symbol is the first.
    chains: u64,
    first: u32,
}

impl<'a> Table<'a> {
    pub(super) fn new(object: &'a Object<'_>, table: u64) -> Option<Self> {
        let &[bucket_count, first, count, shift] = object.table::<u32>(table, 4)? else { return None };
        let filter = table.checked_add(16)?;
        let buckets = filter.checked_add(u64::from(count) * 8)?;
        let chains = buckets.checked_add(u64::from(bucket_count) * 4)?;
        Some(Self {
            object,
            filter: object.table(filter, u64::from(count) * 2)?,
            mask: (count.is_power_of_two().then_some(count)? - 1) as usize,
            shift,
            buckets: object.table(buckets, bucket_count.into())?,
            chains,
            first,
        })
    }

    /// Says whether the filter says that a symbol with this hash may be there.
    #[inline]
    pub(super) fn may_have(&self, hash: u32) -> bool {
        let word = 2 * ((hash as usize / 64) & self.mask);
        let is_set = |bit: u32| {
            let half = self.filter.get(word + (bit as usize / 32)).copied().unwrap_or(u32::MAX);
            half >> (bit % 32) & 1 != 0
        };
        is_set(hash % 64) && is_set(hash.checked_shr(self.shift).unwrap_or(0) % 64)
    }

    /// Says whether a symbol with this hash is there.
    fn has(&self, hash: u32) -> bool {
        self.indices(hash).is_none_or(|mut indices| indices.next().is_some())
    }

    /// The symbols with this hash, by index; `None` if the table is not understood. Chains end with a hash whose lowest
    /// bit is set.
    pub(super) fn indices(&self, hash: u32) -> Option<impl Iterator<Item = u32>> {
        let &bucket = self.buckets.get(hash as usize % self.buckets.len().max(1))?;
        let chain = match bucket {
            0 => None,
            first => Some(self.chain(first)),
        };
        Some(chain.into_iter().flatten().filter(move |(_, found)| found | 1 == hash | 1).map(|(index, _)| index))
    }

    /// The symbols of a bucket and their hashes, beginning with the first one.
    fn chain(&self, first: u32) -> impl Iterator<Item = (u32, u32)> {
        let mut next = first.checked_sub(self.first).map(|_| first);
        std::iter::from_fn(move || {
            let index = next?;
            let word = self.chains.wrapping_add(u64::from(index - self.first) * 4);
            let &[hash] = self.object.table(word, 1)? else { return None };
            next = if hash & 1 == 0 { index.checked_add(1) } else { None };
            Some((index, hash))
        })
    }

    /// Returns how many symbols there are: the last one ends the chain that begins last.
    pub(super) fn symbol_count(&self) -> Option<u32> {
        match self.buckets.iter().copied().max()? {
            0 => Some(self.first),
            last => self.chain(last).last()?.0.checked_add(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{hash, may_export};

    #[test]
    fn names_are_hashed_as_the_loader_does() {
        let name = b"_ZN4llvm3foo\xff\xfe\xff\xff\xff\xff\xff\xffz3barIiEEv@VERSION";
        let plain = |name: &[u8]| {
            name.iter().fold(5381, |hash: u32, &byte| hash.wrapping_mul(33).wrapping_add(u32::from(byte)))
        };
        for end in 0..=name.len() {
            assert_eq!(hash(&name[..end]), plain(&name[..end.min(name.len() - 8)]), "{end}");
        }
        // "GNU hash ELF sections" has this one.
        assert_eq!(hash(b"printf"), 0x156b_2bb8);
    }

    #[test]
    fn what_a_library_exports_passes_and_most_of_the_rest_does_not() {
        let names: Vec<String> = (0..1000).map(|number| format!("_ZN7nobody_{number}E")).collect();
        let names: Vec<&[u8]> = names.iter().map(String::as_bytes).collect();
        let passed = may_export(&names).into_iter().filter(|passed| *passed).count();
        assert!(passed < 10, "{passed} of 1000");
        assert_eq!(may_export(&[b"malloc", b"printf", b"memcpy@GLIBC_2.14"]), [true; 3]);
    }
}
