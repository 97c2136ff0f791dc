//! Which sections hold pointers to initializers and terminators, and in which order they are called.
//!
//! gABI, "Initialization and Termination Functions"; the priorities are GNU ld's (`SORT_BY_INIT_PRIORITY`).

use object::elf;
use object::elf::SectionType;

use crate::graph::InitializerOrder;

/// The priority of a section without one: after all that have one.
const WITHOUT_PRIORITY: u32 = 65536;

/// As [`order`], for a section whose type says nothing.
pub(in crate::object) fn order_of_name(name: &[u8]) -> Option<(InitializerOrder, bool)> {
    order(name, elf::SHT_PROGBITS)
}

/// The order of a section's pointers, and whether they are called from the last to the first; `None` for a section that
/// holds none.
pub(super) fn order(name: &[u8], kind: SectionType) -> Option<(InitializerOrder, bool)> {
    // Most sections are of code and constants, with a name of their own each.
    if kind == elf::SHT_PROGBITS && (name.starts_with(b".text.") || name.starts_with(b".rodata.")) {
        return None;
    }
    let is = |base: &[u8]| name.strip_prefix(base).filter(|rest| matches!(rest, [] | [b'.', ..]));
    if let Some(suffix) = is(b".ctors") {
        return Some((InitializerOrder::Init(reversed(priority(suffix))), true));
    }
    if let Some(suffix) = is(b".dtors") {
        return Some((InitializerOrder::Fini(reversed(priority(suffix))), false));
    }
    if kind == elf::SHT_PREINIT_ARRAY || is(b".preinit_array").is_some() {
        return Some((InitializerOrder::Preinit, false));
    }
    let init = is(b".init_array");
    if kind == elf::SHT_INIT_ARRAY || init.is_some() {
        return Some((InitializerOrder::Init(priority(init.unwrap_or_default())), false));
    }
    let fini = is(b".fini_array");
    if kind == elf::SHT_FINI_ARRAY || fini.is_some() {
        return Some((InitializerOrder::Fini(priority(fini.unwrap_or_default())), true));
    }
    None
}

/// When the code of a section is run, if it is not called but run as part of the program's `_init` or `_fini`.
pub(super) fn order_of_code(name: &[u8]) -> Option<InitializerOrder> {
    match name {
        b".init" => Some(InitializerOrder::Init(0)),
        b".fini" => Some(InitializerOrder::Fini(0)),
        _ => None,
    }
}

/// The number after the dot.
fn priority(suffix: &[u8]) -> u32 {
    let digits = suffix.strip_prefix(b".").unwrap_or_default();
    std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(WITHOUT_PRIORITY)
}

/// `.ctors.N` are sorted so that the highest number is called first.
fn reversed(priority: u32) -> u32 {
    if priority == WITHOUT_PRIORITY { priority } else { 65535u32.saturating_sub(priority) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use InitializerOrder::{Fini, Init, Preinit};

    fn check(name: &str, kind: SectionType, expected: Option<(InitializerOrder, bool)>) {
        assert_eq!(order(name.as_bytes(), kind), expected, "{name}");
    }

    #[test]
    fn names_decide() {
        check(".init_array", elf::SHT_PROGBITS, Some((Init(65536), false)));
        check(".init_array.00099", elf::SHT_PROGBITS, Some((Init(99), false)));
        check(".init_array.later", elf::SHT_PROGBITS, Some((Init(65536), false)));
        check(".fini_array.3", elf::SHT_PROGBITS, Some((Fini(3), true)));
        check(".preinit_array", elf::SHT_PROGBITS, Some((Preinit, false)));
        check(".init_arrays", elf::SHT_PROGBITS, None);
        check(".text", elf::SHT_PROGBITS, None);
    }

    #[test]
    fn types_decide_where_names_do_not() {
        check(".mine", elf::SHT_INIT_ARRAY, Some((Init(65536), false)));
        check(".mine", elf::SHT_FINI_ARRAY, Some((Fini(65536), true)));
        check(".mine", elf::SHT_PREINIT_ARRAY, Some((Preinit, false)));
    }

    #[test]
    fn priorities_of_ctors_count_down() {
        check(".ctors.65535", elf::SHT_PROGBITS, Some((Init(0), true)));
        check(".ctors.00001", elf::SHT_PROGBITS, Some((Init(65534), true)));
        check(".ctors.99999", elf::SHT_PROGBITS, Some((Init(0), true)));
        check(".ctors", elf::SHT_PROGBITS, Some((Init(65536), true)));
        check(".dtors.65534", elf::SHT_PROGBITS, Some((Fini(1), false)));
    }
}
