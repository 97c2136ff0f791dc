//! Fields of structures in files: little-endian numbers, and strings that end with a NUL.

/// The `N` bytes at a constant place of a structure that is long enough.
#[inline]
pub(in crate::object) fn field<const N: usize>(structure: &[u8], at: usize) -> [u8; N] {
    structure.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
}

/// See [`field`].
#[inline]
pub(in crate::object) fn u16_at(structure: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(field(structure, at))
}

/// See [`field`].
#[inline]
pub(in crate::object) fn u32_at(structure: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(field(structure, at))
}

/// The string at `offset` of a string table; `None` if it does not end inside.
pub(in crate::object) fn string(table: &[u8], offset: u32) -> Option<&[u8]> {
    let rest = table.get(offset as usize..)?;
    rest.get(..terminator(rest)?)
}

/// Returns the position of the first zero byte. Most names are short: starting a general search costs more than looking
/// at two words.
fn terminator(bytes: &[u8]) -> Option<usize> {
    const LOW_BITS: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH_BITS: u64 = u64::from_ne_bytes([0x80; 8]);
    let words = bytes.as_chunks::<8>().0.get(..2).unwrap_or_default();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // The lowest bit that is set belongs to the first zero byte: borrows only go upwards from there.
        let zeros = word.wrapping_sub(LOW_BITS) & !word & HIGH_BITS;
        if zeros != 0 {
            return Some(index * 8 + zeros.trailing_zeros() as usize / 8);
        }
    }
    let start = words.len() * 8;
    memchr::memchr(0, bytes.get(start..)?).map(|at| start + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_end_at_the_first_zero() {
        let mut table = b"a\0abcdefg\0abcdefgh\0\x01\x80\xff\0last name".to_vec();
        let check = |table: &[u8], offset, expected: Option<&[u8]>| assert_eq!(string(table, offset), expected);
        check(&table, 0, Some(b"a"));
        check(&table, 1, Some(b""));
        check(&table, 2, Some(b"abcdefg"));
        check(&table, 10, Some(b"abcdefgh"));
        check(&table, 12, Some(b"cdefgh"));
        check(&table, 19, Some(b"\x01\x80\xff"));
        check(&table, 23, None);
        check(&table, 32, None);
        check(&table, 33, None);
        check(&table, u32::MAX, None);
        table.push(0);
        check(&table, 23, Some(b"last name"));
    }
}
