//! Variables of libraries that are moved into low memory. In a process of its own, for low memory is used up.

#![cfg(glibc_x86_64)]

use std::path::PathBuf;
use std::process::Command;

use linkjit_executor::{ExecAddr, Executor, ExecutorError, InProcess, LibraryId, Nearby, Placement, SymbolAddress};

/// A library with variables, of which the last is larger than the memory that is set aside for the others.
fn library(executor: &InProcess) -> LibraryId {
    let source = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("import_no_room.c");
    std::fs::write(&source, "long first = 1, small = 2; char large[1 << 20] = {3};").unwrap();
    let library = source.with_extension("so");
    let status = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status().unwrap();
    assert!(status.success());
    executor.open_library(library.as_os_str().as_encoded_bytes(), false).unwrap()
}

fn find(executor: &InProcess, library: LibraryId, name: &str) -> ExecAddr {
    let request = linkjit_executor::SymbolRequest {
        key: linkjit_executor::SymbolKey::Name(name.as_bytes()),
        thread_local: false,
    };
    match executor.find_symbols(library, &[request]).unwrap()[..] {
        [Some(SymbolAddress::Address(address))] => address,
        ref other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn a_variable_stays_where_it_is_when_there_is_no_room_for_another() {
    let executor = InProcess::new().unwrap();
    let library = library(&executor);
    let [first, small, large] = ["first", "small", "large"].map(|name| find(&executor, library, name));
    let near = executor.reserve_window(1 << 20, Placement::Low).unwrap().range;
    let imports = executor.bring_near(near, &[first], &[]).unwrap();
    assert_eq!(imports, [Some(Nearby::Moved(find(&executor, library, "first")))]);
    assert_ne!(imports, [Some(Nearby::Moved(first))]);

    for size in (16..31).rev().map(|log2| 1 << log2) {
        while executor.reserve_window(size, Placement::Low).is_ok() {}
    }
    let error = executor.bring_near(near, &[small, large], &[]).unwrap_err();
    assert!(matches!(error, ExecutorError::NoAddressSpace { .. }), "{error}");
    assert_eq!(find(&executor, library, "small"), small);
    assert!(
        matches!(executor.bring_near(near, &[small], &[]).unwrap()[..], [Some(Nearby::Moved(new))] if new != small)
    );
}
