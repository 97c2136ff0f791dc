//! Symbols of the process and of libraries.

#![cfg(glibc)]

use linkjit_executor::{
    ExecAddr, Executor, ExecutorError, InProcess, LibraryId, SymbolAddress, SymbolKey, SymbolRequest,
};

fn find(executor: &InProcess, library: LibraryId, names: &[&str]) -> Vec<Option<SymbolAddress>> {
    let request = |name: &&'static str| SymbolRequest { key: SymbolKey::Name(name.as_bytes()), thread_local: false };
    let names: Vec<&'static str> = names.iter().map(|name| &*String::from(*name).leak()).collect();
    executor.find_symbols(library, &names.iter().map(request).collect::<Vec<_>>()).unwrap()
}

#[test]
fn symbols_come_in_the_order_of_their_requests() {
    let executor = InProcess::new().unwrap();
    let found = find(&executor, LibraryId::PROCESS, &["getpid", "there_is_no_such_function", "write", "nul\0byte"]);
    assert_eq!(found[0], Some(SymbolAddress::Address(ExecAddr(libc::getpid as *const () as u64))));
    assert_eq!(found[2], Some(SymbolAddress::Address(ExecAddr(libc::write as *const () as u64))));
    assert_eq!((found[1], found[3]), (None, None));
}

#[test]
fn functions_that_the_c_library_links_statically_are_found() {
    let executor = InProcess::new().unwrap();
    let names = ["stat", "fstat64", "lstat", "fstatat", "mknod", "mknodat", "__stack_chk_fail_local", "pthread_atfork"];
    assert!(find(&executor, LibraryId::PROCESS, &names).iter().all(Option::is_some));
    // Those that need the caller's own __dso_handle are not ours to give.
    assert_eq!(find(&executor, LibraryId::PROCESS, &["atexit", "at_quick_exit"]), [None, None]);
}

#[test]
fn a_local_library_is_searched_only_by_its_id() {
    let executor = InProcess::new().unwrap();
    let library = executor.open_library(b"libstdc++.so.6", false).unwrap();
    assert!(find(&executor, library, &["_ZSt9terminatev"])[0].is_some());
    assert_eq!(find(&executor, LibraryId::PROCESS, &["_ZSt9terminatev"]), [None]);
    let library = executor.open_library(b"libstdc++.so.6", true).unwrap();
    assert!(find(&executor, LibraryId::PROCESS, &["_ZSt9terminatev"])[0].is_some());
    assert!(executor.find_symbols(LibraryId(library.0 + 1), &[]).is_err());
}

#[test]
fn a_library_that_is_not_there_is_an_error_with_the_loader_s_words() {
    let executor = InProcess::new().unwrap();
    let error = executor.open_library(b"/no/such/library.so", false).unwrap_err();
    let ExecutorError::Library { library, message } = &error else { panic!("{error}") };
    assert_eq!(library, "/no/such/library.so");
    assert!(message.contains("No such file"), "{message}");
}
