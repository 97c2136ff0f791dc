//! Addresses and ranges of them.

use core::fmt;

/// An address in the executor's process, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ExecAddr(pub u64);

impl ExecAddr {
    /// Address zero: what a missing weak symbol resolves to.
    pub const NULL: Self = Self(0);

    /// The address that a pointer of this process has.
    #[must_use]
    pub fn from_ptr<T: ?Sized>(pointer: *const T) -> Self {
        Self(pointer.expose_provenance() as u64)
    }

    /// The address as a pointer, which means something if the executor's process is this one, and points to what is
    /// there: [`ExecAddr`] does not know.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "an address of this process has as many bits as its pointers")]
    pub const fn to_ptr<T>(self) -> *mut T {
        core::ptr::with_exposed_provenance_mut(self.0 as usize)
    }

    /// The address `bytes` further on; wraps, as address arithmetic in a fixup does.
    #[must_use]
    pub const fn offset(self, bytes: u64) -> Self {
        Self(self.0.wrapping_add(bytes))
    }

    /// The signed distance from `from` to `self`, modulo 2^64.
    #[must_use]
    pub const fn distance_from(self, from: Self) -> i64 {
        self.0.wrapping_sub(from.0).cast_signed()
    }

    /// Says whether this is address zero.
    #[must_use]
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Debug for ExecAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for ExecAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::LowerHex for ExecAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(&self.0, f)
    }
}

/// A half-open range of addresses `[start, end)` in the executor's process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ExecRange {
    /// First address.
    pub start: ExecAddr,
    /// One past the last address.
    pub end: ExecAddr,
}

impl ExecRange {
    /// The range of `size` bytes at `start`.
    #[must_use]
    pub const fn new(start: ExecAddr, size: u64) -> Self {
        Self { start, end: start.offset(size) }
    }

    /// Size in bytes.
    #[must_use]
    pub const fn size(self) -> u64 {
        self.end.0.wrapping_sub(self.start.0)
    }

    /// Says whether `address` lies inside.
    #[must_use]
    pub const fn contains(self, address: ExecAddr) -> bool {
        self.start.0 <= address.0 && address.0 < self.end.0
    }

    /// Says whether 32-bit displacements from all of this range reach all of another, with some pages of slack for
    /// addends.
    #[must_use]
    pub fn reaches(self, targets: Self) -> bool {
        let reach = targets.reach();
        reach.start <= self.start && self.end <= reach.end
    }

    /// The addresses from where 32-bit displacements reach all of the range, with some pages of slack for addends.
    #[must_use]
    pub const fn reach(self) -> Self {
        const REACH: u64 = (1 << 31) - 0x4000;
        Self { start: ExecAddr(self.end.0.saturating_sub(REACH)), end: ExecAddr(self.start.0.saturating_add(REACH)) }
    }
}
