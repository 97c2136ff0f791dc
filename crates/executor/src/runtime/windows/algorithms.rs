//! Algorithms of Microsoft's C++ library on ranges of plain elements (`__std_find_trivial_1` and its kin). Its headers
//! call them where vector instructions help, and its import library holds them. A name ends with the elements' size in
//! bytes, then `i` (signed) or `u` (unsigned) if that matters; `f` and `d` are floating-point.
//!
//! Elements may be of any type of that size, with the alignment of the type, which may be smaller than the size.

use std::ops::Range;

use crate::ExecAddr;

/// An element at any address.
#[repr(C, packed)]
#[derive(Clone, Copy, PartialEq, PartialOrd)]
struct Element<T: Copy>(T);

/// This is returned if there is no such position.
const NOWHERE: usize = usize::MAX;

/// The instance of a function for elements of a kind.
macro_rules! instance {
    ($kind:expr, $function:ident: $($name:literal => $($type:ident),+;)*) => {
        match $kind {
            $($name => $function::<$($type),+> as *const (),)*
            _ => return None,
        }
    };
}

/// The instance of a function for elements of a size.
macro_rules! sized {
    ($kind:expr, $function:ident) => {
        instance!($kind, $function: b"1" => u8; b"2" => u16; b"4" => u32; b"8" => u64;)
    };
}

/// The instance of a function for numbers.
macro_rules! number {
    ($kind:expr, $function:ident) => {
        instance!($kind, $function: b"1i" => i8; b"1u" => u8; b"2i" => i16; b"2u" => u16; b"4i" => i32; b"4u" => u32;
            b"8i" => i64; b"8u" => u64; b"f" => f32; b"d" => f64;)
    };
}

/// The instance of a function for numbers that is told whether they are signed.
macro_rules! signed_or_not {
    ($kind:expr, $function:ident) => {
        instance!($kind, $function: b"1" => i8, u8; b"2" => i16, u16; b"4" => i32, u32; b"8" => i64, u64;
            b"f" => f32, f32; b"d" => f64, f64;)
    };
}

pub(super) fn symbol(name: &[u8]) -> Option<ExecAddr> {
    let name = name.strip_prefix(b"__std_")?;
    let address = match name {
        b"rotate" => rotate as *const (),
        b"swap_ranges_trivially_swappable" | b"swap_ranges_trivially_swappable_noalias" => swap_ranges as *const (),
        b"bitset_to_string_1" => bitset_to_string::<u8> as *const (),
        b"bitset_to_string_2" => bitset_to_string::<u16> as *const (),
        b"bitset_from_string_1" => bitset_from_string::<u8> as *const (),
        b"bitset_from_string_2" => bitset_from_string::<u16> as *const (),
        _ => {
            let end = name.iter().rposition(|byte| *byte == b'_')?;
            let (algorithm, kind) = (&name[..end], &name[end + 1..]);
            match algorithm {
                b"find_trivial" => sized!(kind, find),
                b"find_not_ch" => sized!(kind, find_other),
                b"find_trivial_unsized" => sized!(kind, find_unbounded),
                b"find_last_trivial" => sized!(kind, find_last),
                b"find_last_not_ch_pos" => sized!(kind, position_of_last_other),
                b"find_first_of_trivial" => sized!(kind, find_first_of),
                b"find_first_of_trivial_pos" => sized!(kind, position_of_first_of),
                b"find_last_of_trivial_pos" => sized!(kind, position_of_last_of),
                b"find_first_not_of_trivial_pos" => sized!(kind, position_of_first_not_of),
                b"find_last_not_of_trivial_pos" => sized!(kind, position_of_last_not_of),
                b"find_end" => sized!(kind, find_end),
                b"search" => sized!(kind, search),
                b"search_n" => sized!(kind, search_repeated),
                b"adjacent_find" => sized!(kind, find_adjacent),
                b"count_trivial" => sized!(kind, count),
                b"mismatch" => sized!(kind, mismatch),
                b"reverse_trivially_swappable" => sized!(kind, reverse),
                b"reverse_copy_trivially_copyable" => sized!(kind, reverse_copy),
                b"replace" => sized!(kind, replace),
                b"replace_copy" => sized!(kind, replace_copy),
                b"remove" => sized!(kind, remove),
                b"remove_copy" => sized!(kind, remove_copy),
                b"unique" => sized!(kind, unique),
                b"unique_copy" => sized!(kind, unique_copy),
                b"min_element" => signed_or_not!(kind, min_element),
                b"max_element" => signed_or_not!(kind, max_element),
                b"minmax_element" => signed_or_not!(kind, minmax_element),
                b"min" => number!(kind, min),
                b"max" => number!(kind, max),
                b"minmax" => number!(kind, minmax),
                b"is_sorted_until" => number!(kind, is_sorted_until),
                b"includes_less" => number!(kind, includes),
                _ => return None,
            }
        }
    };
    Some(ExecAddr(address as u64))
}

/// The elements of a range.
///
/// # Safety
/// They must be readable, and nobody may write to them meanwhile.
unsafe fn elements<'a, T: Copy>(range: Range<*const Element<T>>) -> &'a [Element<T>] {
    let bytes = (range.end as usize).saturating_sub(range.start as usize);
    // SAFETY: the caller vouches for the range, and elements have no alignment.
    unsafe { counted(range.start, bytes / size_of::<T>()) }
}

/// As [`elements`], by their count.
///
/// # Safety
/// As for [`elements`].
unsafe fn counted<'a, T: Copy>(first: *const Element<T>, count: usize) -> &'a [Element<T>] {
    if count == 0 {
        return &[];
    }
    // SAFETY: the caller vouches for them.
    unsafe { std::slice::from_raw_parts(first, count) }
}

/// As [`elements`], to be written to.
///
/// # Safety
/// Nobody else may use them meanwhile.
unsafe fn elements_mut<'a, T: Copy>(range: Range<*mut Element<T>>) -> &'a mut [Element<T>] {
    let bytes = (range.end as usize).saturating_sub(range.start as usize);
    if bytes == 0 {
        return &mut [];
    }
    // SAFETY: the caller vouches for the range, and elements have no alignment.
    unsafe { std::slice::from_raw_parts_mut(range.start, bytes / size_of::<T>()) }
}

/// Functions on the elements of a range that is only read, or that is changed.
macro_rules! on_ranges {
    ($access:tt $slice:ident: $(
        $(#[$doc:meta])*
        fn $name:ident<$T:ident $(, $U:ident)?>($first:ident, $last:ident $(, $argument:ident: $type:ty)*) -> $result:ty
        |$elements:ident| $body:expr;
    )*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// Ranges must be readable, one that is changed writable, and nobody else may write to them meanwhile.
        unsafe extern "C" fn $name<$T: Copy + PartialOrd $(, $U: Copy + PartialOrd)?>(
            $first: *$access Element<$T>,
            $last: *$access Element<$T>
            $(, $argument: $type)*
        ) -> $result {
            // SAFETY: the caller vouches for the range.
            let $elements = unsafe { $slice($first..$last) };
            $body
        }
    )*};
}

on_ranges! {
    const elements:
    fn find<T>(first, last, value: T) -> *const Element<T>
    |from| at(first, from, from.iter().position(|it| *it == Element(value)));

    fn find_other<T>(first, last, value: T) -> *const Element<T>
    |from| at(first, from, from.iter().position(|it| *it != Element(value)));

    fn find_last<T>(first, last, value: T) -> *const Element<T>
    |from| at(first, from, from.iter().rposition(|it| *it == Element(value)));

    fn position_of_last_other<T>(first, last, value: T) -> usize
    |from| from.iter().rposition(|it| *it != Element(value)).unwrap_or(NOWHERE);

    fn find_adjacent<T>(first, last) -> *const Element<T>
    |from| at(first, from, from.windows(2).position(|pair| pair[0] == pair[1]));

    fn count<T>(first, last, value: T) -> usize
    |from| from.iter().filter(|it| **it == Element(value)).count();

    fn find_first_of<T>(first, last, wanted: *const Element<T>, wanted_end: *const Element<T>) -> *const Element<T>
    |from| {
        // SAFETY: the caller vouches for the range.
        let wanted = unsafe { elements(wanted..wanted_end) };
        at(first, from, from.iter().position(|it| wanted.contains(it)))
    };

    fn search<T>(first, last, wanted: *const Element<T>, count: usize) -> *const Element<T>
    |from| {
        // SAFETY: the caller vouches for the range.
        let wanted = unsafe { counted(wanted, count) };
        at(first, from, if count == 0 { Some(0) } else { from.windows(count).position(|part| part == wanted) })
    };

    fn find_end<T>(first, last, wanted: *const Element<T>, count: usize) -> *const Element<T>
    |from| {
        // SAFETY: the caller vouches for the range.
        let wanted = unsafe { counted(wanted, count) };
        at(first, from, if count == 0 { None } else { from.windows(count).rposition(|part| part == wanted) })
    };

    fn search_repeated<T>(first, last, count: usize, value: T) -> *const Element<T>
    |from| {
        let is_all = |part: &[Element<T>]| part.iter().all(|it| *it == Element(value));
        at(first, from, if count == 0 { Some(0) } else { from.windows(count).position(is_all) })
    };

    /// The first of the smallest.
    fn min_element<S, U>(first, last, is_signed: bool) -> *const Element<S>
    |from| {
        // SAFETY: as above, for numbers of the same size.
        let unsigned = unsafe { elements(first.cast::<Element<U>>()..last.cast()) };
        at(first, from, if is_signed { smallest(from) } else { smallest(unsigned) })
    };

    /// The first of the largest.
    fn max_element<S, U>(first, last, is_signed: bool) -> *const Element<S>
    |from| {
        // SAFETY: as above, for numbers of the same size.
        let unsigned = unsafe { elements(first.cast::<Element<U>>()..last.cast()) };
        at(first, from, if is_signed { largest(from) } else { largest(unsigned) })
    };

    /// The first of the smallest and the last of the largest.
    fn minmax_element<S, U>(first, last, is_signed: bool) -> MinMax<*const Element<S>>
    |from| {
        // SAFETY: as above, for numbers of the same size.
        let unsigned = unsafe { elements(first.cast::<Element<U>>()..last.cast()) };
        let (min, max) = if is_signed {
            (smallest(from), last_largest(from))
        } else {
            (smallest(unsigned), last_largest(unsigned))
        };
        MinMax { min: at(first, from, min), max: at(first, from, max) }
    };

    fn is_sorted_until<T>(first, last, is_descending: bool) -> *const Element<T>
    |from| {
        let breaks = |pair: &[Element<T>]| if is_descending { pair[0] < pair[1] } else { pair[1] < pair[0] };
        at(first, from, from.windows(2).position(breaks).map(|before| before + 1))
    };

    /// Says whether a sorted range has all elements of another, as often as that.
    fn includes<T>(first, last, wanted: *const Element<T>, wanted_end: *const Element<T>) -> bool
    |from| {
        // SAFETY: the caller vouches for the range.
        let mut wanted = unsafe { elements(wanted..wanted_end) }.iter().peekable();
        for it in from {
            wanted.next_if(|next| *next == it);
        }
        wanted.peek().is_none()
    };

    fn min<T>(first, last) -> T
    |from| value(first, smallest(from));

    fn max<T>(first, last) -> T
    |from| value(first, largest(from));

    fn minmax<T>(first, last) -> MinMax<T>
    |from| MinMax { min: value(first, smallest(from)), max: value(first, last_largest(from)) };

    fn reverse_copy<T>(first, last, to: *mut Element<T>) -> ()
    |from| _ = write(to, from.iter().rev().copied());

    fn replace_copy<T>(first, last, to: *mut Element<T>, old: T, new: T) -> ()
    |from| _ = write(to, from.iter().map(|it| if *it == Element(old) { Element(new) } else { *it }));

    fn remove_copy<T>(first, last, to: *mut Element<T>, value: T) -> *mut Element<T>
    |from| write(to, from.iter().filter(|it| **it != Element(value)).copied());

    fn unique_copy<T>(first, last, to: *mut Element<T>) -> *mut Element<T>
    |from| {
        let is_new = |index: &usize| *index == 0 || from[*index] != from[*index - 1];
        write(to, (0..from.len()).filter(is_new).map(|index| from[index]))
    };
}

/// The element at an index, or the end of the range.
fn at<T: Copy, U>(first: *const Element<T>, from: &[U], index: Option<usize>) -> *const Element<T> {
    first.wrapping_add(index.unwrap_or(from.len()))
}

fn smallest<T: Copy + PartialOrd>(from: &[Element<T>]) -> Option<usize> {
    (0..from.len()).reduce(|best, index| if from[index] < from[best] { index } else { best })
}

fn largest<T: Copy + PartialOrd>(from: &[Element<T>]) -> Option<usize> {
    (0..from.len()).reduce(|best, index| if from[best] < from[index] { index } else { best })
}

fn last_largest<T: Copy + PartialOrd>(from: &[Element<T>]) -> Option<usize> {
    (0..from.len()).reduce(|best, index| if from[index] < from[best] { best } else { index })
}

/// The element at an index; nobody asks for the smallest of nothing.
fn value<T: Copy>(first: *const Element<T>, index: Option<usize>) -> T {
    // SAFETY: the caller of the algorithm vouches that its range is not empty.
    unsafe { first.wrapping_add(index.unwrap_or(0)).read() }.0
}

/// Writes elements one behind the other; returns where they end. The caller of the algorithm vouches for the room.
fn write<T: Copy>(mut to: *mut Element<T>, elements: impl Iterator<Item = Element<T>>) -> *mut Element<T> {
    for element in elements {
        // SAFETY: see above.
        unsafe { to.write(element) };
        to = to.wrapping_add(1);
    }
    to
}

#[repr(C)]
struct MinMax<T> {
    min: T,
    max: T,
}

/// # Safety
/// There must be such an element, and all before it must be readable.
unsafe extern "C" fn find_unbounded<T: Copy + PartialEq>(first: *const Element<T>, value: T) -> *const Element<T> {
    let mut place = first;
    // SAFETY: the caller vouches for what is before the element that is sought, and for that.
    while unsafe { place.read() } != Element(value) {
        place = place.wrapping_add(1);
    }
    place
}

/// # Safety
/// Both ranges must be readable.
unsafe extern "C" fn mismatch<T: Copy + PartialEq>(
    one: *const Element<T>,
    other: *const Element<T>,
    count: usize,
) -> usize {
    // SAFETY: the caller vouches for it.
    let one = unsafe { counted(one, count) };
    // SAFETY: as above.
    let other = unsafe { counted(other, count) };
    one.iter().zip(other).position(|(one, other)| one != other).unwrap_or(count)
}

/// Functions that look in a string for one of several characters, or for others.
macro_rules! in_strings {
    ($($name:ident: $search:ident, $is_wanted:literal;)*) => {$(
        /// # Safety
        /// Both strings must be readable.
        unsafe extern "C" fn $name<T: Copy + PartialEq>(
            string: *const Element<T>,
            length: usize,
            wanted: *const Element<T>,
            count: usize,
        ) -> usize {
            // SAFETY: the caller vouches for it.
            let string = unsafe { counted(string, length) };
            // SAFETY: as above.
            let wanted = unsafe { counted(wanted, count) };
            string.iter().$search(|it| wanted.contains(it) == $is_wanted).unwrap_or(NOWHERE)
        }
    )*};
}

in_strings! {
    position_of_first_of: position, true;
    position_of_last_of: rposition, true;
    position_of_first_not_of: position, false;
    position_of_last_not_of: rposition, false;
}

on_ranges! {
    mut elements_mut:
    fn reverse<T>(first, last) -> ()
    |all| all.reverse();

    fn replace<T>(first, last, old: T, new: T) -> ()
    |all| all.iter_mut().filter(|it| **it == Element(old)).for_each(|it| *it = Element(new));

    fn remove<T>(first, last, value: T) -> *mut Element<T>
    |all| first.wrapping_add(keep(all, |_, it| it != Element(value)));

    fn unique<T>(first, last) -> *mut Element<T>
    |all| first.wrapping_add(keep(all, |last, it| last != Some(it)));
}

/// Moves elements that are kept to the front, told which one was kept last; returns how many there are.
fn keep<T: Copy>(elements: &mut [Element<T>], is_kept: impl Fn(Option<Element<T>>, Element<T>) -> bool) -> usize {
    let mut kept = 0;
    let mut last = None;
    for index in 0..elements.len() {
        let element = elements[index];
        if is_kept(last, element) {
            elements[kept] = element;
            last = Some(element);
            kept += 1;
        }
    }
    kept
}

/// Makes what begins at `middle` the beginning.
///
/// # Safety
/// The range must be the caller's, and `middle` in it.
unsafe extern "C" fn rotate(first: *mut Element<u8>, middle: *mut Element<u8>, last: *mut Element<u8>) {
    // SAFETY: the caller vouches for it.
    let bytes = unsafe { elements_mut(first..last) };
    let before = (middle as usize).saturating_sub(first as usize);
    bytes.rotate_left(before.min(bytes.len()));
}

/// Returns where the other range ends.
///
/// # Safety
/// Both ranges must be the caller's, and must not overlap.
unsafe extern "C" fn swap_ranges(
    first: *mut Element<u8>,
    last: *mut Element<u8>,
    other: *mut Element<u8>,
) -> *mut Element<u8> {
    // SAFETY: the caller vouches for it.
    let one = unsafe { elements_mut(first..last) };
    let end = other.wrapping_add(one.len());
    // SAFETY: as above.
    one.swap_with_slice(unsafe { elements_mut(other..end) });
    end
}

/// Writes bits as characters, the highest first.
///
/// # Safety
/// There must be room for as many characters as bits, which must be readable.
unsafe extern "C" fn bitset_to_string<T: Copy>(
    to: *mut Element<T>,
    bits: *const Element<u8>,
    count: usize,
    zero: T,
    one: T,
) {
    // SAFETY: the caller vouches for them.
    let bytes = unsafe { counted(bits, count.div_ceil(8)) };
    let is_set = |bit: usize| bytes[bit / 8].0 >> (bit % 8) & 1 != 0;
    write(to, (0..count).rev().map(|bit| Element(if is_set(bit) { one } else { zero })));
}

/// Reads bits from characters, the highest first; those of a string that is too long are its first. Returns whether all
/// characters are digits.
///
/// # Safety
/// The characters must be readable, and the bytes the caller's.
unsafe extern "C" fn bitset_from_string<T: Copy + PartialEq>(
    to: *mut Element<u8>,
    string: *const Element<T>,
    bytes: usize,
    bits: usize,
    length: usize,
    zero: T,
    one: T,
) -> bool {
    // SAFETY: the caller vouches for it.
    let bytes = unsafe { elements_mut(to..to.wrapping_add(bytes)) };
    // SAFETY: as above.
    let string = unsafe { counted(string, length) };
    bytes.fill(Element(0));
    for (bit, character) in string.iter().take(bits).rev().enumerate() {
        if let Some(byte) = bytes.get_mut(bit / 8).filter(|_| *character == Element(one)) {
            byte.0 |= 1 << (bit % 8);
        }
    }
    string.iter().all(|character| *character == Element(zero) || *character == Element(one))
}
