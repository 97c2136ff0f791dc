//! Which names loaded objects may export: a look at the filters of their hash tables.
//!
//! `dlsym` takes microseconds to say that nobody has a name. Most names that linked code defines weakly nobody has, and the
//! filters say so within nanoseconds (Bloom filters in `DT_GNU_HASH`; "GNU hash ELF sections", binutils and glibc).

use super::objects::{Object, for_each_object};

/// Whether any loaded object may export each of `names`.
pub(crate) fn may_export(names: &[&[u8]]) -> Vec<bool> {
    let hashes: Vec<u32> = names.iter().map(|name| hash(name)).collect();
    let mut may = vec![false; names.len()];
    for_each_object(&mut |object| {
        if object.is_vdso {
            return;
        }
        match Filter::of(object) {
            Some(filter) => {
                for (may, &hash) in may.iter_mut().zip(&hashes) {
                    *may |= filter.may_have(hash);
                }
            }
            // It has another table, or one that we don't understand.
            None if object.dynamic().hash != 0 || object.dynamic().gnu_hash != 0 => may.fill(true),
            None => {}
        }
    });
    may
}

/// The hash of a name; a version behind it is none of the name.
fn hash(name: &[u8]) -> u32 {
    let name = name.iter().take_while(|&&byte| byte != b'@');
    name.fold(5381, |hash: u32, &byte| hash.wrapping_mul(33).wrapping_add(u32::from(byte)))
}

/// The filter of an object's hash table.
struct Filter<'a> {
    /// Pairs of words: 64 bits each, little-endian.
    words: &'a [u32],
    shift: u32,
}

impl<'a> Filter<'a> {
    fn of(object: &'a Object<'_>) -> Option<Self> {
        let table = object.dynamic().gnu_hash;
        // Number of buckets, first symbol, number of words of the filter, second shift.
        let &[_, _, count, shift] = object.words(table, 4)? else { return None };
        let words = object.words(table.checked_add(16)?, count.checked_mul(2)?)?;
        count.is_power_of_two().then_some(Self { words, shift })
    }

    fn may_have(&self, hash: u32) -> bool {
        let word = (hash as usize / 64) & (self.words.len() / 2 - 1);
        let is_set = |bit: u32| self.words[2 * word + (bit as usize / 32)] >> (bit % 32) & 1 != 0;
        is_set(hash % 64) && is_set(hash.checked_shr(self.shift).unwrap_or(0) % 64)
    }
}

#[cfg(test)]
mod tests {
    use super::may_export;

    #[test]
    fn what_a_library_exports_passes_and_most_of_the_rest_does_not() {
        let names: Vec<String> = (0..1000).map(|number| format!("_ZN7nobody_{number}E")).collect();
        let names: Vec<&[u8]> = names.iter().map(String::as_bytes).collect();
        let passed = may_export(&names).into_iter().filter(|passed| *passed).count();
        assert!(passed < 300, "{passed} of 1000");
        assert_eq!(may_export(&[b"malloc", b"printf", b"memcpy@GLIBC_2.14"]), [true; 3]);
    }
}
