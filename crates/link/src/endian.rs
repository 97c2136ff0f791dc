//! Byte orders, as types: code that reads and writes fields is compiled for each of them.

/// The order of the bytes of a number.
pub(crate) trait Endian {
    /// The number that `bytes`, at most eight, are.
    fn get<const N: usize>(bytes: [u8; N]) -> u64;

    /// The low `N` bytes, at most eight, of a number.
    fn put<const N: usize>(value: u64) -> [u8; N];
}

/// The least significant byte comes first.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Little {}

impl Endian for Little {
    #[inline]
    fn get<const N: usize>(bytes: [u8; N]) -> u64 {
        let mut word = [0; 8];
        word.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        u64::from_le_bytes(word)
    }

    #[inline]
    fn put<const N: usize>(value: u64) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.iter_mut().zip(value.to_le_bytes()).for_each(|(to, from)| *to = from);
        bytes
    }
}
