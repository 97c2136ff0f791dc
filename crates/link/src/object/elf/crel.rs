//! Compact relocations (`SHT_CREL`): a count and flags, then entries in LEB128, each as differences from the one
//! before.
//!
//! Follows the proposal for the gABI, "CREL relocation format", as LLVM 19 implements it with its experimental section
//! type.

use super::relocations::Relocation;

/// In the header: entries have addends.
const HAS_ADDENDS: u64 = 4;

/// The entries of a section; yields `None` once where the encoding is broken, and ends there.
pub(super) struct Crel<'a> {
    data: &'a [u8],
    left: u64,
    has_addends: bool,
    shift: u32,
    offset: u64,
    symbol: u32,
    kind: u32,
    addend: i64,
}

impl<'a> Crel<'a> {
    /// Reads the header. A broken one makes the first entry a broken one.
    pub(super) fn parse(mut data: &'a [u8]) -> Self {
        let (left, flags) = match unsigned(&mut data) {
            Some(header) => (header >> 3, header & 7),
            None => (1, 0),
        };
        // Only the lowest bits of the flags are the shift.
        let shift = (flags & 3) as u32;
        let has_addends = flags & HAS_ADDENDS != 0;
        Self { data, left, has_addends, shift, offset: 0, symbol: 0, kind: 0, addend: 0 }
    }

    fn entry(&mut self) -> Option<Relocation> {
        // The first byte has flags for the members that change, then the low bits of the offset's difference.
        let (&first, rest) = self.data.split_first()?;
        self.data = rest;
        let flag_bits = if self.has_addends { 3 } else { 2 };
        let low = u64::from(first & 0x7f) >> flag_bits;
        let high = if first & 0x80 == 0 { 0 } else { unsigned(&mut self.data)? << (7 - flag_bits) };
        self.offset = self.offset.wrapping_add(low | high);
        // Numbers are 32 bits wide, and so is the arithmetic on them.
        if first & 1 != 0 {
            self.symbol = self.symbol.wrapping_add(signed(&mut self.data)? as u32);
        }
        if first & 2 != 0 {
            self.kind = self.kind.wrapping_add(signed(&mut self.data)? as u32);
        }
        if first & 4 != 0 && self.has_addends {
            self.addend = self.addend.wrapping_add(signed(&mut self.data)?);
        }
        Some(Relocation {
            offset: self.offset << self.shift,
            symbol: self.symbol,
            kind: self.kind,
            addend: self.has_addends.then_some(self.addend),
        })
    }
}

impl Iterator for Crel<'_> {
    type Item = Option<Relocation>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let entry = self.entry();
        if entry.is_none() {
            self.left = 0;
        }
        Some(entry)
    }
}

/// Reads an unsigned LEB128 number; bits beyond 64 are dropped.
fn unsigned(data: &mut &[u8]) -> Option<u64> {
    Some(leb128(data)?.0)
}

/// Reads a signed LEB128 number.
fn signed(data: &mut &[u8]) -> Option<i64> {
    let (value, bits, negative) = leb128(data)?;
    let extension = if negative && bits < 64 { u64::MAX << bits } else { 0 };
    Some((value | extension).cast_signed())
}

/// The value, how many bits it was written with, and whether the highest of them is set.
fn leb128(data: &mut &[u8]) -> Option<(u64, u32, bool)> {
    let (mut value, mut bits) = (0, 0);
    loop {
        let (&byte, rest) = data.split_first()?;
        *data = rest;
        // A number of 64 bits takes ten bytes.
        if bits > 63 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << bits;
        bits += 7;
        if byte & 0x80 == 0 {
            return Some((value, bits, byte & 0x40 != 0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Offset, symbol, type, addend.
    type Entry = (u64, u32, u32, Option<i64>);

    fn check(data: &[u8], expected: &[Option<Entry>]) {
        let fields = |entry: Relocation| (entry.offset, entry.symbol, entry.kind, entry.addend);
        let entries: Vec<_> = Crel::parse(data).map(|entry| entry.map(fields)).collect();
        assert_eq!(entries, expected);
    }

    #[test]
    fn entries_are_differences() {
        // 3 entries with addends, not shifted. 0x0f: offset 1, all three members.
        let data = [3 * 8 + 4, 0x0f, 5, 2, 0x7c, 0x10, 0x09, 0x7f];
        let entries = [Some((1, 5, 2, Some(-4))), Some((3, 5, 2, Some(-4))), Some((4, 4, 2, Some(-4)))];
        check(&data, &entries);
    }

    #[test]
    fn without_addends_offsets_have_one_bit_more() {
        let data = [2 * 8 + 3, 0x07, 1, 10, 0x80 | 0x7c, 1];
        check(&data, &[Some((8, 1, 10, None)), Some(((1 + 31 + 32) * 8, 1, 10, None))]);
    }

    #[test]
    fn broken_entries_end_the_list() {
        check(&[], &[None]);
        check(&[0x80], &[None]);
        check(&[0xff, 0xff, 0x03, 0x08], &[Some((8, 0, 0, Some(0))), None]);
        check(&[8, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0], &[None]);
    }
}
