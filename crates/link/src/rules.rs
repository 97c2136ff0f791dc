//! The rules of linking: which definition counts if a name has several, and which COMDAT group is kept.
//!
//! | new \ old | strong    | common       | weak      | fallback  |
//! |-----------|-----------|--------------|-----------|-----------|
//! | strong    | error     | replaces it  | replaces  | replaces  |
//! | common    | yields    | larger wins  | replaces  | replaces  |
//! | weak      | yields    | yields       | yields    | replaces  |
//! | fallback  | yields    | yields       | yields    | yields    |
//!
//! A definition that is linked already is not replaced: a strong one beside it is an error, and so is a larger common.

use linkjit_target::ExecAddr;

use crate::graph::{Definition, Group, LinkGraph, Linkage, Protection, Selection, Symbol, SymbolId};

/// The fate of a definition or a COMDAT group that comes second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The new one takes the place of the old one.
    Replaces,
    /// The old one stays, and what refers to the new one is bound to it.
    Yields,
    /// There must not be both.
    Conflicts,
}

/// A definition of a name, as far as the rules ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// See [`Linkage`].
    pub linkage: Linkage,
    /// Size in bytes; 0 if it is not known.
    pub size: u64,
    /// The value that it stands for, wherever the program is: all agree about equal ones.
    pub value: Option<ExecAddr>,
}

impl From<&Symbol> for Candidate {
    fn from(symbol: &Symbol) -> Self {
        let value = match symbol.definition {
            Definition::Absolute(value) => Some(value),
            _ => None,
        };
        Self { linkage: symbol.linkage, size: symbol.size, value }
    }
}

/// Compares a new definition of a name with the one that counts so far, which may be linked already.
#[must_use]
pub fn compare(new: &Candidate, old: &Candidate, is_linked: bool) -> Verdict {
    if new.value.is_some() && new.value == old.value {
        return Verdict::Yields;
    }
    match (new.linkage, old.linkage) {
        (Linkage::Strong, Linkage::Strong) => Verdict::Conflicts,
        (Linkage::Weak, Linkage::Strong | Linkage::Weak | Linkage::Common)
        | (Linkage::Fallback, _)
        | (Linkage::Common, Linkage::Strong) => Verdict::Yields,
        (Linkage::Common, Linkage::Common) if new.size <= old.size => Verdict::Yields,
        _ if is_linked => match new.linkage {
            // A linked weak definition serves a tentative one of no more than its size as well.
            Linkage::Common if new.size <= old.size => Verdict::Yields,
            _ => Verdict::Conflicts,
        },
        _ => Verdict::Replaces,
    }
}

/// Gives two tentative definitions of a name the stricter of their alignments, whichever of them counts.
pub fn share_alignment((one, symbol): (&mut LinkGraph, SymbolId), (other, other_symbol): (&mut LinkGraph, SymbolId)) {
    let (Some(first), Some(second)) = (one.symbol(symbol).block(), other.symbol(other_symbol).block()) else { return };
    let (first, second) = (one.block_mut(first), other.block_mut(second));
    first.align_log2 = first.align_log2.max(second.align_log2);
    second.align_log2 = first.align_log2;
}

/// Returns the order of definitions that have yielded to one that goes: the lowest comes first.
#[must_use]
pub const fn rank(linkage: Linkage) -> u8 {
    match linkage {
        Linkage::Strong => 0,
        Linkage::Common => 1,
        Linkage::Weak => 2,
        Linkage::Fallback => 3,
    }
}

/// A walk along a chain of aliases. It notices a chain that leads back into itself (Brent's algorithm), however long
/// that is.
#[derive(Debug)]
pub struct AliasChain<N> {
    seen: N,
    steps: usize,
    steps_to_next: usize,
}

impl<N: PartialEq> AliasChain<N> {
    /// A chain that begins with this name.
    #[must_use]
    pub const fn new(start: N) -> Self {
        Self { seen: start, steps: 0, steps_to_next: 1 }
    }

    /// Goes on to the name that the last one is an alias for. False if the chain is a circle.
    #[must_use]
    pub fn follow(&mut self, next: N) -> bool {
        if self.seen == next {
            return false;
        }
        self.steps += 1;
        if self.steps == self.steps_to_next {
            *self = Self { seen: next, steps: 0, steps_to_next: self.steps_to_next.saturating_mul(2) };
        }
        true
    }
}

/// Why two COMDAT groups of one name must not both be there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GroupConflict {
    /// There may be one only.
    Duplicate,
    /// They are not alike. The text continues "this one is".
    Differs(&'static str),
}

/// Compares a COMDAT group with the one of its name that is kept so far and not linked yet. Which one is kept does not
/// depend on their order, unless they are alike. A group is as large as its first section; the size of the kept one is
/// asked for only if that matters, and is [`u64::MAX`] if it is not known.
///
/// # Errors
/// If they are not as their selections want them.
pub fn compare_group(
    graph: &LinkGraph,
    group: &Group,
    kept: Selection,
    kept_size: impl FnOnce() -> u64,
) -> Result<Verdict, GroupConflict> {
    let leader = group.blocks.first().map(|&block| graph.block(block));
    // The other one is for the same kind of data.
    let is_written = leader.is_some_and(|block| graph.section(block.section).protection == Protection::ReadWrite);
    compare_selections((group.selection, || leader.map_or(0, |block| block.size)), (kept, kept_size), is_written)
}

/// The size by which COMDAT groups that have yielded come after one another, the largest first; 0 if it does not
/// matter.
#[must_use]
pub const fn size_that_counts(selection: Selection) -> u64 {
    if let Selection::Largest(size) = selection { size } else { 0 }
}

/// The same of selections and sizes; code writes to the data of groups if `is_written`.
fn compare_selections(
    new: (Selection, impl FnOnce() -> u64),
    old: (Selection, impl FnOnce() -> u64),
    is_written: bool,
) -> Result<Verdict, GroupConflict> {
    use Selection::{Any, ExactMatch, Largest, NoDuplicates, SameSize};
    let the_larger = |new: u64, old: u64| if new > old { Verdict::Replaces } else { Verdict::Yields };
    let same_size = |new: u64, old: u64| match new == old {
        true => Ok(Verdict::Yields),
        false => Err(GroupConflict::Differs("size")),
    };
    // GCC pads what is large: of constants the larger serves both. Variables of which one is padded have guards and
    // initializers in two ways that do not go together.
    let maybe_padded = |new: u64, old: u64| match new == old || !is_written {
        true => Ok(the_larger(new, old)),
        false if new == u64::MAX || old == u64::MAX => Ok(Verdict::Yields),
        false => Err(GroupConflict::Differs("size")),
    };
    match (new.0, old.0) {
        (NoDuplicates, _) | (_, NoDuplicates) => Err(GroupConflict::Duplicate),
        (Any, Any) => Ok(Verdict::Yields),
        (Largest(new), Largest(old)) => Ok(the_larger(new, old)),
        // Compilers with and without run-time types select virtual tables so.
        (Largest(new), Any) => Ok(the_larger(new, old.1())),
        (Any, Largest(old)) => Ok(the_larger(new.1(), old)),
        // And so GCC and clang variables that are declared `selectany`, inline variables, names of types.
        (SameSize(new), Any) => maybe_padded(new, old.1()),
        (Any, SameSize(old)) => maybe_padded(new.1(), old),
        (SameSize(new), SameSize(old)) => same_size(new, old),
        (ExactMatch(new), ExactMatch(old)) if new == old => Ok(Verdict::Yields),
        (ExactMatch(_), ExactMatch(_)) => Err(GroupConflict::Differs("content")),
        _ => Err(GroupConflict::Differs("COMDAT selection")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions() {
        use Linkage::{Common, Fallback, Strong, Weak};
        use Verdict::{Conflicts, Replaces, Yields};
        let verdict = |new: (Linkage, u64), old: (Linkage, u64), is_linked| {
            let candidate = |(linkage, size)| Candidate { linkage, size, value: None };
            compare(&candidate(new), &candidate(old), is_linked)
        };
        let table = [
            (Strong, [Conflicts, Replaces, Replaces, Replaces]),
            (Common, [Yields, Replaces, Replaces, Replaces]),
            (Weak, [Yields, Yields, Yields, Replaces]),
            (Fallback, [Yields; 4]),
        ];
        for (new, expected) in table {
            let found = [Strong, Common, Weak, Fallback].map(|old| verdict((new, 8), (old, 4), false));
            assert_eq!(found, expected, "{new:?}");
            let linked = [Strong, Common, Weak, Fallback].map(|old| verdict((new, 8), (old, 4), true));
            assert_eq!(linked, expected.map(|it| if it == Replaces { Conflicts } else { it }), "{new:?}, linked");
        }
        assert_eq!(verdict((Common, 4), (Common, 4), false), Yields);
        assert_eq!(verdict((Common, 4), (Weak, 4), true), Yields);
    }

    #[test]
    fn equal_values_are_no_duplicates() {
        let value = |value| Candidate { linkage: Linkage::Strong, size: 0, value };
        let (five, six) = (value(Some(ExecAddr(5))), value(Some(ExecAddr(6))));
        assert_eq!(compare(&five, &five, true), Verdict::Yields);
        assert_eq!(compare(&five, &six, false), Verdict::Conflicts);
        assert_eq!(compare(&five, &value(None), false), Verdict::Conflicts);
        assert_eq!(compare(&value(None), &value(None), false), Verdict::Conflicts);
    }

    #[test]
    fn circles_of_aliases_are_noticed() {
        let walk = |next: &[usize]| {
            let (mut chain, mut name) = (AliasChain::new(0), 0);
            while let Some(&target) = next.get(name) {
                if !chain.follow(target) {
                    return None;
                }
                name = target;
            }
            Some(name)
        };
        assert_eq!(walk(&[]), Some(0));
        assert_eq!(walk(&[0]), None);
        for length in 1..100 {
            let mut next: Vec<_> = (1..=length).collect();
            assert_eq!(walk(&next), Some(length));
            for back in 0..length {
                next[length - 1] = back;
                assert_eq!(walk(&next), None, "{length} {back}");
            }
        }
    }

    #[test]
    fn the_order_of_groups_makes_no_difference() {
        use Selection::{Any, ExactMatch, Largest, NoDuplicates, SameSize};
        let compare = |new: (Selection, u64), old: (Selection, u64), is_written| {
            compare_selections((new.0, || new.1), (old.0, || old.1), is_written)
        };
        let verdict = |new, old| compare(new, old, false);
        let sizes = [4u64, 8];
        let kinds = |size| [Any, NoDuplicates, SameSize(size), ExactMatch(size), Largest(size)].map(|it| (it, size));
        for first in sizes.into_iter().flat_map(kinds) {
            for second in sizes.into_iter().flat_map(kinds) {
                let (one, other) = (verdict(first, second), verdict(second, first));
                let take_any = matches!((first.0, second.0), (Any, Any));
                match one {
                    Err(conflict) => assert_eq!(other, Err(conflict), "{first:?} {second:?}"),
                    Ok(Verdict::Replaces) => assert_eq!(other, Ok(Verdict::Yields), "{first:?} {second:?}"),
                    _ if first.1 == second.1 || take_any => assert_eq!(other, one, "{first:?} {second:?}"),
                    _ => assert_eq!(other, Ok(Verdict::Replaces), "{first:?} {second:?}"),
                }
            }
        }
        assert_eq!(verdict((Largest(8), 8), (Any, 4)), Ok(Verdict::Replaces));
        assert_eq!(verdict((Any, 8), (Largest(4), 4)), Ok(Verdict::Replaces));
        assert_eq!(verdict((SameSize(8), 8), (Any, 4)), Ok(Verdict::Replaces));
        assert_eq!(verdict((Any, 4), (SameSize(4), 4)), Ok(Verdict::Yields));
        assert_eq!(verdict((Any, 4), (NoDuplicates, 4)), Err(GroupConflict::Duplicate));
        let another_size = Err(GroupConflict::Differs("size"));
        assert_eq!(compare((SameSize(8), 8), (Any, 4), true), another_size);
        assert_eq!(compare((Any, 8), (SameSize(4), 4), true), another_size);
        assert_eq!(compare((Any, 4), (SameSize(4), 4), true), Ok(Verdict::Yields));
        assert_eq!(compare((SameSize(4), 4), (Any, u64::MAX), true), Ok(Verdict::Yields));
    }
}
