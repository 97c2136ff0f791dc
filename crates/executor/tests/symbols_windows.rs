//! Symbols of the process and of DLLs.

#![cfg(windows)]

use linkjit_executor::{
    ExecAddr, Executor, ExecutorError, InProcess, LibraryId, SymbolAddress, SymbolKey, SymbolRequest,
};

fn find(executor: &InProcess, library: LibraryId, keys: &[SymbolKey<'_>]) -> Vec<Option<ExecAddr>> {
    let requests: Vec<_> = keys.iter().map(|&key| SymbolRequest { key, thread_local: false }).collect();
    let found = executor.find_symbols(library, &requests).unwrap();
    let address = |found| match found {
        Some(SymbolAddress::Address(address)) => Some(address),
        Some(other) => panic!("{other:?}"),
        None => None,
    };
    found.into_iter().map(address).collect()
}

#[test]
fn the_process_has_what_its_modules_export() {
    let executor = InProcess::new().unwrap();
    let names = [&b"VirtualAlloc"[..], b"there_is_no_such_function", b"NtClose", b"nul\0byte"].map(SymbolKey::Name);
    let found = find(&executor, LibraryId::PROCESS, &names);
    let kernel = executor.open_library(b"kernel32.dll", false).unwrap();
    assert_eq!(found[0], find(&executor, kernel, &names)[0]);
    assert!(found[0].is_some() && found[2].is_some());
    assert_eq!((found[1], found[3]), (None, None));
}

#[test]
fn modules_that_are_loaded_later_are_of_the_process_too() {
    let executor = InProcess::new().unwrap();
    // Something that nobody has loaded.
    let name = [SymbolKey::Name(b"mciSendStringA")];
    assert_eq!(find(&executor, LibraryId::PROCESS, &name), [None]);
    let library = executor.open_library(b"winmm.dll", false).unwrap();
    let found = find(&executor, library, &name);
    assert!(found[0].is_some());
    assert_eq!(find(&executor, LibraryId::PROCESS, &name), found);
    assert!(executor.find_symbols(LibraryId(library.0 + 1), &[]).is_err());
}

/// B7.42 of docs/coff-cases.md.
#[test]
fn exports_are_found_by_their_numbers_in_one_library() {
    let executor = InProcess::new().unwrap();
    // Windows Sockets: the numbers of its functions are part of its interface; 115 is WSAStartup, 3 closesocket.
    let library = executor.open_library(b"ws2_32.dll", false).unwrap();
    let keys = [
        SymbolKey::Ordinal(115),
        SymbolKey::Name(b"WSAStartup"),
        SymbolKey::Ordinal(3),
        SymbolKey::Name(b"closesocket"),
        SymbolKey::Ordinal(60000),
    ];
    let found = find(&executor, library, &keys);
    assert!(found[0].is_some() && found[2].is_some());
    assert_eq!((found[0], found[2], found[4]), (found[1], found[3], None));
    assert_eq!(find(&executor, LibraryId::PROCESS, &keys[..1]), [None]);
}

/// B7.43 and B7.50 of docs/coff-cases.md.
#[test]
fn a_library_that_is_not_there_is_an_error_with_the_loader_s_words() {
    let executor = InProcess::new().unwrap();
    let error = executor.open_library(b"no_such_library.dll", false).unwrap_err();
    let ExecutorError::Library { library, message } = &error else { panic!("{error}") };
    assert_eq!(library, "no_such_library.dll");
    assert!(message.contains("os error 126"), "{message}");
}

#[test]
fn the_runtime_has_what_is_in_no_library() {
    let executor = InProcess::new().unwrap();
    let names = [
        "_CxxThrowException",
        "__GSHandlerCheck",
        "__GSHandlerCheck_SEH",
        "__chkstk",
        "_Init_thread_header",
        "??2@YAPEAX_K@Z",
        "??3@YAXPEAX_K@Z",
        "_setjmpex",
        "atexit",
        "printf",
    ];
    for name in names {
        assert!(executor.runtime_symbols(&[name.as_bytes()]).unwrap()[0].is_some(), "{name}");
    }
    assert_eq!(executor.runtime_symbols(&[b"VirtualAlloc"]).unwrap()[0], None);
}
