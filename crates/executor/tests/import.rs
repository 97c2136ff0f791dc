//! Variables of shared libraries that are moved into low memory, and functions that a stub may stand for.

#![cfg(glibc_x86_64)]

mod support;

use std::ffi::{c_char, c_int};

use linkjit_executor::{
    ExecAddr, ExecRange, Executor, FinalizeActions, InProcess, LibraryId, Nearby, Placement, Protection, SymbolAddress,
    SymbolKey, SymbolRequest,
};

fn find(executor: &InProcess, library: LibraryId, name: &str) -> ExecAddr {
    let request = SymbolRequest { key: SymbolKey::Name(name.as_bytes()), thread_local: false };
    match executor.find_symbols(library, &[request]).unwrap()[0] {
        Some(SymbolAddress::Address(address)) => address,
        other => panic!("{name}: {other:?}"),
    }
}

fn low_window(executor: &InProcess) -> ExecRange {
    executor.reserve_window(1 << 20, Placement::Low).unwrap().range
}

/// A variable's value.
fn value(variable: ExecAddr) -> c_int {
    // SAFETY: the tests pass addresses of variables of that type, which no other thread writes meanwhile.
    unsafe { (variable.0 as *const c_int).read_volatile() }
}

#[test]
fn the_library_uses_the_copy_of_its_variable() {
    let executor = InProcess::new().unwrap();
    let low = low_window(&executor);
    let old = find(&executor, LibraryId::PROCESS, "optind");
    let imports = executor.bring_near(low, &[old], &[]).unwrap();
    let [Some(Nearby::Moved(new))] = imports[..] else { panic!("{imports:?}") };
    assert!(new.0 < 1 << 31 && new.0.is_multiple_of(4), "{new}");
    assert_eq!(value(new), 1);

    let mut arguments = [c"program", c"-a", c"rest"].map(|argument| argument.as_ptr().cast_mut());
    // SAFETY: three C strings, of which none is written to.
    let option = unsafe { libc::getopt(3, arguments.as_mut_ptr(), c"a".as_ptr()) };
    assert_eq!((option, value(new), value(old)), (c_int::from(b'a'), 2, 1));

    // Once for the process, and known to whoever asks.
    let other = InProcess::new().unwrap();
    assert_eq!(find(&other, LibraryId::PROCESS, "optind"), new);
    assert_eq!(other.bring_near(low, &[old], &[]).unwrap(), [Some(Nearby::Moved(new))]);
    drop(executor);
    assert_eq!(value(new), 2);
}

#[test]
fn variables_that_point_to_each_other_move_together() {
    let executor = InProcess::new().unwrap();
    let low = low_window(&executor);
    let library = executor.open_library(b"libstdc++.so.6", false).unwrap();
    // Type information begins with a pointer into the virtual table of its class.
    let old = ["_ZTIi", "_ZTVN10__cxxabiv123__fundamental_type_infoE"].map(|name| find(&executor, library, name));
    assert_eq!(support::read(old[0]), old[1].0 + 16);
    let imports = executor.bring_near(low, &old, &[]).unwrap();
    let [Some(Nearby::Moved(info)), Some(Nearby::Moved(table))] = imports[..] else { panic!("{imports:?}") };
    assert_eq!(support::read(info), table.0 + 16);
}

#[test]
fn only_low_windows_have_variables_moved() {
    let executor = InProcess::new().unwrap();
    let high = executor.reserve_window(1 << 20, Placement::Anywhere).unwrap().range;
    let addresses = ["opterr", "getpid", "strcmp"].map(|name| find(&executor, LibraryId::PROCESS, name));
    // The loader has no name for the `strcmp` that it chose for this processor.
    let imports = executor.bring_near(high, &addresses, &[]).unwrap();
    assert_eq!(imports, [None, Some(Nearby::Function), Some(Nearby::Function)]);
    assert_eq!(find(&executor, LibraryId::PROCESS, "opterr"), addresses[0]);
}

#[test]
fn what_no_library_defines_is_not_moved() {
    static OF_THE_PROGRAM: c_int = 5;
    extern "C" fn function() {}
    let executor = InProcess::new().unwrap();
    let low = low_window(&executor);
    let on_the_heap = Box::new(c_char::default());
    let addresses = [
        &raw const OF_THE_PROGRAM as u64,
        &raw const *on_the_heap as u64,
        low.start.0,
        8,
        function as *const () as u64,
    ];
    let imports = executor.bring_near(low, &addresses.map(ExecAddr), &[]).unwrap();
    let [None, None, None, None, Some(Nearby::Moved(stub))] = imports[..] else { panic!("{imports:?}") };
    // A stub stands for a function, whoever has it, and for all who ask.
    assert!(stub.0 < 1 << 31);
    assert_eq!(executor.bring_near(low, &[ExecAddr(addresses[4])], &[]).unwrap(), [Some(Nearby::Moved(stub))]);
}

#[test]
fn slots_of_linked_code_follow() {
    let executor = InProcess::new().unwrap();
    let low = executor.reserve_window(1 << 20, Placement::Low).unwrap();
    let old = find(&executor, LibraryId::PROCESS, "optopt");
    let table = [old.0, 77].map(u64::to_le_bytes).concat();
    let contents = [(Protection::Read, &table[..])];
    let (_, addresses) = support::load(&executor, &low, &contents, |_| FinalizeActions::default());
    let slots = [addresses[0], addresses[0].offset(8)];
    let imports = executor.bring_near(low.range, &[old], &slots).unwrap();
    let [Some(Nearby::Moved(new))] = imports[..] else { panic!("{imports:?}") };
    assert_eq!(slots.map(support::read), [new.0, 77]);
    assert!(support::permissions(slots[0]).starts_with("r--"));

    // What is not ours is not written to.
    let mut elsewhere = Box::new(old.0);
    assert!(executor.bring_near(low.range, &[old], &[ExecAddr(&raw mut *elsewhere as u64)]).is_err());
    assert_eq!(*elsewhere, old.0);
}
