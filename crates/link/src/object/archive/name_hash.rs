//! The end and the hash of a name in one pass.
//!
//! Names of an index end at a NUL, so hashing one means to find its end first. C++ names have a hundred bytes on
//! average: finding the end and hashing cost about as much each as the hash table. One pass does both for little more
//! than one.
//!
//! The keys are random in each process. Somebody who knew them could write an archive whose names all have the same
//! hash, and so make the merged index a list.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

/// Bytes that are read at a time.
const STEP: usize = 16;

/// Odd numbers.
static KEYS: LazyLock<[u64; 3]> = LazyLock::new(|| {
    let random = RandomState::new();
    std::array::from_fn(|index| random.hash_one(index) | 1)
});

/// Length and hash of the name that begins `tail` and ends at its first NUL; `None` if there is no NUL.
#[inline]
pub(super) fn hash_name(tail: &[u8]) -> Option<(usize, u32)> {
    let keys = &*KEYS;
    let (steps, rest) = tail.as_chunks::<STEP>();
    let mut hash = keys[0];
    for (index, step) in steps.iter().enumerate() {
        let word = u128::from_le_bytes(*step);
        if let Some(end) = first_nul(word) {
            return Some(finish(keys, hash, word, end, index * STEP));
        }
        hash = mix(keys, hash, word);
    }
    let mut last = [0xff; STEP];
    last.get_mut(..rest.len())?.copy_from_slice(rest);
    let word = u128::from_le_bytes(last);
    first_nul(word).map(|end| finish(keys, hash, word, end, steps.len() * STEP))
}

/// The name ends at byte `end` of `word`, which is `before` bytes into it.
#[inline]
fn finish(keys: &[u64; 3], hash: u64, word: u128, end: usize, before: usize) -> (usize, u32) {
    let length = before + end;
    let hash = mix(keys, hash, word & ((1 << (8 * end)) - 1));
    let hash = fold(hash ^ length as u64, keys[2]);
    (length, (hash >> 32) as u32)
}

#[inline]
fn mix(keys: &[u64; 3], hash: u64, word: u128) -> u64 {
    fold(word as u64 ^ hash, (word >> 64) as u64 ^ keys[1])
}

/// Position of the first byte that is zero, counted from the low end.
#[inline]
fn first_nul(word: u128) -> Option<usize> {
    const ONES: u128 = u128::from_le_bytes([0x01; STEP]);
    const HIGH_BITS: u128 = u128::from_le_bytes([0x80; STEP]);
    // A byte borrows into its high bit if it is zero, or if it is one and the byte below is zero: so only the lowest
    // of these bits is sure, and it is the one that is wanted.
    let zeros = word.wrapping_sub(ONES) & !word & HIGH_BITS;
    (zeros != 0).then(|| zeros.trailing_zeros() as usize / 8)
}

/// Both halves of the product, of which either alone would depend on few bits.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_the_first_nul_wherever_it_is() {
        for length in 0..70_usize {
            for behind in 0..40_usize {
                for byte in [1, b'x', 0x80, 0xff] {
                    let name = vec![byte; length];
                    let hash = hash_name(&[&name[..], &[0]].concat());
                    assert_eq!(hash.map(|(length, _)| length), Some(length));
                    // What follows the NUL is of no account.
                    assert_eq!(hash_name(&[&name[..], &[0], &vec![1; behind], &[0]].concat()), hash);
                    assert_eq!(hash_name(&name), None);
                }
            }
        }
    }

    #[test]
    fn similar_names_have_different_hashes() {
        let mut hashes = std::collections::HashSet::new();
        for number in 0..20_000 {
            hashes.insert(hash_name(format!("{number}\0").as_bytes()));
            hashes
                .insert(hash_name(format!("_ZN4llvm12SelectionDAG{number}getNodeEjRKNS_5SDLocENS_3EVTE\0").as_bytes()));
        }
        // Of 40,000 random numbers of 32 bits, 0.2 pairs are the same.
        assert!(hashes.len() > 39_995, "{}", hashes.len());
        for shift in [0, 25] {
            let places: std::collections::HashSet<_> =
                hashes.iter().flatten().map(|(_, hash)| (hash >> shift) & 0x7f).collect();
            assert_eq!(places.len(), 128);
        }
    }

    /// With known keys, the second half of such a name would cancel the first out.
    #[test]
    fn nobody_knows_names_that_share_a_hash() {
        const CANCELS: u64 = 0x1319_8a2e_0370_7345;
        let name = |number: u64| {
            let digits = std::array::from_fn::<u8, 8, _>(|place| b'a' + (number >> (4 * place) & 15) as u8);
            [&digits[..], &CANCELS.to_le_bytes(), &[0]].concat()
        };
        let hashes: std::collections::HashSet<_> = (0..40_000).map(|number| hash_name(&name(number))).collect();
        assert!(hashes.len() > 39_995, "{}", hashes.len());
    }
}
