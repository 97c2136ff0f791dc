//! Byte orders, as types: what reads and writes fields is compiled for each.

/// The order of the bytes of a number.
pub(crate) trait Endian {
    /// The low `N` bytes, at most eight, of a number.
    fn put<const N: usize>(value: u64) -> [u8; N];
}

/// The least significant byte comes first.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Little {}

impl Endian for Little {
    #[inline]
    fn put<const N: usize>(value: u64) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.iter_mut().zip(value.to_le_bytes()).for_each(|(to, from)| *to = from);
        bytes
    }
}
