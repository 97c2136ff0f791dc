//! Records which memory belongs to the program: the memory that its allocator may hand out.
//!
//! The record is a tree like page tables: four levels of 512 entries. An entry says nothing, says that all memory below
//! belongs to the program, or leads to the next level. A page that belongs to the program in part has a bit for every
//! 16 bytes, the unit of the C library's heap. Reading takes no lock, because every `free` in the process reads.
//! Writing takes none either: only one caller has the memory that it marks or clears, so threads share only tables, and
//! tables are never removed. This file maps the memory for tables itself, because it must not allocate.

use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use crate::{ExecAddr, ExecRange};

/// The unit of memory: a chunk of the C library's heap begins at a multiple of it.
const GRANULE: u64 = 16;

const PAGE_BITS: u32 = 12;
const PAGE: u64 = 1 << PAGE_BITS;

/// Each level decides on that many bits of an address.
const LEVEL_BITS: u32 = 9;

/// An entry of the first level stands for two to this power of bytes: 512 GiB.
const TOP_SHIFT: u32 = PAGE_BITS + 3 * LEVEL_BITS;

/// User space ends here.
const END: u64 = 1 << 47;

const NOTHING: u64 = 0;
const ALL: u64 = 1;

type Table = [AtomicU64; 1 << LEVEL_BITS];

/// The bits of a page.
type Bits = [AtomicU64; (PAGE / GRANULE / 64) as usize];

static TOP: Table = [const { AtomicU64::new(NOTHING) }; 1 << LEVEL_BITS];

/// Says that a range is the program's.
pub(super) fn mark(range: ExecRange) {
    set(range, ALL);
}

/// Says that a range is nobody's any more: before it is given back.
pub(super) fn clear(range: ExecRange) {
    set(range, NOTHING);
}

/// Says whether an address is the program's.
pub(super) fn contains(address: u64) -> bool {
    if address >= END {
        return false;
    }
    let mut table = &TOP;
    let mut shift = TOP_SHIFT;
    loop {
        let entry = table[index(address, shift)].load(Ordering::Acquire);
        if entry == NOTHING || entry == ALL {
            return entry == ALL;
        }
        if shift == PAGE_BITS {
            let (word, bit) = place(address);
            return bits(entry)[word].load(Ordering::Acquire) & bit != 0;
        }
        table = table_at(entry);
        shift -= LEVEL_BITS;
    }
}

fn index(address: u64, shift: u32) -> usize {
    (address >> shift) as usize & ((1 << LEVEL_BITS) - 1)
}

/// The word and the bit of an address within its page.
fn place(address: u64) -> (usize, u64) {
    let granule = (address % PAGE) / GRANULE;
    ((granule / 64) as usize, 1 << (granule % 64))
}

/// Whatever contains a byte of the range gets the value, for nobody else has the rest of a granule.
fn set(range: ExecRange, value: u64) {
    let start = range.start.0 & !(GRANULE - 1);
    let end = range.end.0.min(END).next_multiple_of(GRANULE);
    if start < end {
        set_in(&TOP, TOP_SHIFT, start, end, value);
    }
}

fn set_in(table: &Table, shift: u32, start: u64, end: u64, value: u64) {
    let size = 1 << shift;
    let mut at = start;
    while at < end {
        let next = ((at & !(size - 1)) + size).min(end);
        let entry = &table[index(at, shift)];
        let is_whole = next - at == size;
        if !(is_whole && settle(entry, value))
            && let Some(below) = below(entry, shift, value)
        {
            if shift == PAGE_BITS {
                set_bits(bits(below), at, next, value);
            } else {
                set_in(table_at(below), shift - LEVEL_BITS, at, next, value);
            }
        }
        at = next;
    }
}

/// Sets a whole entry, unless it leads on.
fn settle(entry: &AtomicU64, value: u64) -> bool {
    let old = entry.load(Ordering::Acquire);
    old <= ALL && (old == value || entry.compare_exchange(old, value, Ordering::AcqRel, Ordering::Acquire).is_ok())
}

/// Returns what an entry leads to, made if need be. `None` if all below has the value already, or if there is no
/// memory: then the program's memory is taken for what it is not known to be, as [`super::heap`] says.
fn below(entry: &AtomicU64, shift: u32, value: u64) -> Option<u64> {
    loop {
        let old = entry.load(Ordering::Acquire);
        if old > ALL {
            return Some(old);
        }
        if old == value {
            return None;
        }
        let new = if shift == PAGE_BITS {
            let new = take(size_of::<Bits>())?;
            bits(new).iter().for_each(|word| word.store(0u64.wrapping_sub(old), Ordering::Relaxed));
            new
        } else {
            let new = take(size_of::<Table>())?;
            table_at(new).iter().for_each(|entry| entry.store(old, Ordering::Relaxed));
            new
        };
        // If another thread was faster, its table is as good, and this one is lost.
        if entry.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            return Some(new);
        }
    }
}

fn set_bits(bits: &Bits, start: u64, end: u64, value: u64) {
    let (first, _) = place(start);
    let (last, _) = place(end - 1);
    for (index, word) in bits.iter().enumerate().take(last + 1).skip(first) {
        let mut mask = u64::MAX;
        if index == first {
            mask &= u64::MAX << (start % PAGE / GRANULE % 64);
        }
        if index == last {
            mask &= u64::MAX >> (63 - (end - 1) % PAGE / GRANULE % 64);
        }
        if value == ALL {
            word.fetch_or(mask, Ordering::AcqRel);
        } else {
            word.fetch_and(!mask, Ordering::AcqRel);
        }
    }
}

fn table_at(entry: u64) -> &'static Table {
    // SAFETY: an entry above `ALL` of a level above the pages' is the address of a table, made by `take`, which is
    // aligned, was zero, and stays.
    unsafe { &*(entry as *const Table) }
}

fn bits(entry: u64) -> &'static Bits {
    // SAFETY: as for `table_at`, of the pages' level.
    unsafe { &*(entry as *const Bits) }
}

/// This much is mapped at once for tables.
const PIECE: usize = 1 << 20;

/// Zeroed memory that stays: `size` bytes, which is a power of two of at least 32.
fn take(size: usize) -> Option<u64> {
    /// The piece of which is taken, and what is taken of it. Threads that find it used up race for a new one; those
    /// that lose give theirs back.
    static CURRENT: AtomicPtr<Piece> = AtomicPtr::new(std::ptr::null_mut());
    loop {
        let current = CURRENT.load(Ordering::Acquire);
        // SAFETY: null, or a piece that was published below, and stays.
        if let Some(piece) = unsafe { current.as_ref() } {
            let before = piece.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
                let end = used.next_multiple_of(size) + size;
                (end <= PIECE).then_some(end)
            });
            if let Ok(used) = before {
                return Some(current as u64 + used.next_multiple_of(size) as u64);
            }
        }
        let new = map_piece()?;
        if CURRENT.compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // SAFETY: mapped just now, and nobody else has seen it.
            unsafe { libc::munmap(new.cast(), PIECE) };
        }
    }
}

/// The beginning of a piece.
struct Piece {
    /// Bytes that are taken, this header's included.
    used: AtomicUsize,
}

fn map_piece() -> Option<*mut Piece> {
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new anonymous mapping.
    let piece = unsafe { libc::mmap(std::ptr::null_mut(), PIECE, protection, flags, -1, 0) };
    if piece == libc::MAP_FAILED {
        return None;
    }
    let piece = piece.cast::<Piece>();
    // SAFETY: large enough, aligned to a page, and nobody else's yet.
    unsafe { piece.write(Piece { used: AtomicUsize::new(size_of::<Piece>()) }) };
    Some(piece)
}

/// A range of `size` bytes; what does not fit into the address space is cut off.
pub(super) fn range(start: u64, size: u64) -> ExecRange {
    ExecRange { start: ExecAddr(start), end: ExecAddr(start.saturating_add(size)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses that nothing else in the process has.
    const BASE: u64 = 0x1234_0000_0000;

    #[test]
    fn chunks_side_by_side_are_told_apart() {
        let base = BASE;
        mark(range(base + 0x20, 0x18));
        mark(range(base + 0x60, 0x30));
        let marked: Vec<u64> = (0..0x100).step_by(16).filter(|offset| contains(base + offset)).collect();
        assert_eq!(marked, [0x20, 0x30, 0x60, 0x70, 0x80]);
        clear(range(base + 0x60, 0x30));
        assert!(contains(base + 0x2f) && !contains(base + 0x60) && !contains(base + 0x80));
    }

    #[test]
    fn huge_ranges_have_holes() {
        let base = BASE + (1 << 40);
        mark(range(base, 1 << 40));
        assert!(contains(base) && contains(base + (1 << 40) - 1) && !contains(base - 1) && !contains(base + (1 << 40)));
        clear(range(base + (5 << 30) + 0x1230, 0x10));
        clear(range(base + (7 << 30), 3 << 30));
        for (offset, expected) in [
            ((5 << 30) + 0x1220, true),
            ((5 << 30) + 0x1230, false),
            ((5 << 30) + 0x1240, true),
            ((7 << 30) - 1, true),
            (7 << 30, false),
            ((10 << 30) - 1, false),
            (10 << 30, true),
        ] {
            assert_eq!(contains(base + offset), expected, "{offset:#x}");
        }
        mark(range(base + (7 << 30), 3 << 30));
        assert!(contains(base + (9 << 30)));
    }

    #[test]
    fn ends_of_user_space() {
        clear(range(0, 0x1000));
        mark(range(END - 0x1000, u64::MAX));
        assert!(contains(END - 1) && !contains(END) && !contains(u64::MAX) && !contains(0));
        clear(range(END - 0x1000, 0x1000));
        assert!(!contains(END - 1));
    }

    #[test]
    fn threads_that_share_tables() {
        let base = BASE + (3 << 40);
        std::thread::scope(|scope| {
            for thread in 0..4u64 {
                scope.spawn(move || {
                    for round in 0..1000 {
                        let own = range(base + thread * 0x40 + round % 7 * 0x1000, 0x40);
                        mark(own);
                        assert!(contains(own.start.0) && contains(own.end.0 - 1));
                        clear(own);
                        assert!(!contains(own.start.0));
                    }
                });
            }
        });
        assert!(!contains(base));
    }
}
