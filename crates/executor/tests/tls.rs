//! Thread-local storage of linked code, and of the process's libraries.

#![cfg(glibc_x86_64)]

mod support;

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;

use linkjit_executor::{
    ExecAddr, ExecRange, Executor, ExecutorError, FinalizeActions, ImageId, InProcess, LibraryId, Protection,
    RuntimeFunction, SymbolAddress, SymbolKey, SymbolRequest, TlsAddress, TlsBlock, TlsId, TlsImage, TlsRequest,
    Window,
};
use support::{call_with, load, with_window};

/// `__tls_get_addr`'s argument.
#[repr(C)]
struct Index {
    module: u64,
    offset: u64,
}

/// A finalized block of `size` bytes that begins with `image`.
fn block(executor: &InProcess, window: &Window, image: ImageId, request: TlsRequest, bytes: &[u8]) -> TlsBlock {
    let block = executor.reserve_tls(image, request).unwrap();
    publish(executor, window, block.id, bytes);
    block
}

fn publish(executor: &InProcess, window: &Window, id: TlsId, bytes: &[u8]) {
    let actions = |at: &[ExecAddr]| FinalizeActions {
        tls_image: Some(TlsImage { id, bytes: ExecRange::new(at[0], bytes.len() as u64) }),
        ..FinalizeActions::default()
    };
    let (allocation, _) = load(executor, window, &[(Protection::Read, bytes)], actions);
    // The block outlives the bytes.
    executor.deallocate(allocation).unwrap();
}

fn thread_pointer() -> u64 {
    let pointer;
    // SAFETY: the x86-64 ABI.
    unsafe { std::arch::asm!("mov {}, fs:0", out(reg) pointer) };
    pointer
}

/// Address of the calling thread's copy, by way of the runtime's `__tls_get_addr`.
fn own_copy(executor: &InProcess, module: u64, offset: u64) -> *mut u8 {
    let function = executor.runtime_symbols(&[b"__tls_get_addr"]).unwrap()[0].unwrap();
    let index = Index { module, offset };
    call_with(function, &raw const index as u64) as *mut u8
}

/// The calling thread's copy.
fn content<'a>(executor: &InProcess, module: u64, size: usize) -> &'a mut [u8] {
    // SAFETY: the tests keep the block and look at one copy at a time.
    unsafe { std::slice::from_raw_parts_mut(own_copy(executor, module, 0), size) }
}

fn padded(bytes: &[u8], size: usize) -> Vec<u8> {
    let mut all = bytes.to_vec();
    all.resize(size, 0);
    all
}

#[test]
fn threads_from_before_and_after_start_with_the_image() {
    for (size, fixed_offset) in [(64, true), (64, false), (20_000, false)] {
        let (executor, window) = &with_window();
        let image = executor.open_image("test").unwrap();
        let (to_old, for_old) = channel::<u64>();
        let expected = padded(b"thread-local", size);
        std::thread::scope(|scope| {
            let old = scope.spawn(move || {
                let module = for_old.recv().unwrap();
                content(executor, module, size).to_vec()
            });
            let request = TlsRequest { size: size as u64, align: 64, fixed_offset };
            let block = block(executor, window, image, request, b"thread-local");
            assert_eq!(block.start.thread_offset.is_some(), fixed_offset);
            if let Some(offset) = block.start.thread_offset {
                let address = thread_pointer().wrapping_add_signed(offset);
                assert_eq!(address, own_copy(executor, block.start.module, 0) as u64);
            }
            assert!((own_copy(executor, block.start.module, 0) as usize).is_multiple_of(64));
            assert!(content(executor, block.start.module, size) == expected);
            content(executor, block.start.module, size).fill(0xff);
            to_old.send(block.start.module).unwrap();
            assert!(old.join().unwrap() == expected);
            let new = scope.spawn(move || content(executor, block.start.module, size).to_vec());
            assert!(new.join().unwrap() == expected);
            assert!(content(executor, block.start.module, size) == vec![0xff; size]);
        });
    }
}

#[test]
fn reused_bytes_are_zero_in_all_threads() {
    let (executor, window) = with_window();
    let image = executor.open_image("test").unwrap();
    let request = TlsRequest { size: 3000, align: 16, fixed_offset: true };
    let (to_old, for_old) = channel::<u64>();
    let (to_test, from_old) = channel::<Vec<u8>>();
    std::thread::scope(|scope| {
        let executor = &executor;
        scope.spawn(move || {
            for module in for_old {
                let before = content(executor, module, 3000).to_vec();
                content(executor, module, 3000).fill(0xee);
                to_test.send(before).unwrap();
            }
        });
        for round in 0..20u8 {
            let bytes = [round; 100];
            let block = executor.reserve_tls(image, request).unwrap();
            assert!(content(executor, block.start.module, 3000) == vec![0; 3000]);
            if round % 2 == 0 {
                publish(executor, &window, block.id, &bytes);
            }
            let expected = if round % 2 == 0 { padded(&bytes, 3000) } else { vec![0; 3000] };
            assert!(content(executor, block.start.module, 3000) == expected);
            to_old.send(block.start.module).unwrap();
            assert!(from_old.recv().unwrap() == expected);
            executor.release_tls(block.id).unwrap();
        }
        drop(to_old);
    });
}

#[test]
fn a_released_dynamic_block_is_not_taken_for_its_successor() {
    let (executor, window) = with_window();
    let image = executor.open_image("test").unwrap();
    let request = TlsRequest { size: 10_000, align: 8, fixed_offset: false };
    let mut modules = Vec::new();
    for round in 0..10u8 {
        let block = block(&executor, &window, image, request, &[round; 10]);
        assert!(!modules.contains(&block.start.module));
        modules.push(block.start.module);
        assert!(content(&executor, block.start.module, 10_000) == padded(&[round; 10], 10_000));
        content(&executor, block.start.module, 10_000).fill(0xaa);
        executor.release_tls(block.id).unwrap();
        assert!(executor.release_tls(block.id).is_err());
    }
}

#[test]
fn blocks_are_published_while_threads_come_and_go() {
    let (executor, window) = &with_window();
    let image = executor.open_image("test").unwrap();
    let done = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    std::thread::spawn(std::thread::yield_now).join().unwrap();
                }
            });
        }
        for round in 0..100u8 {
            let fixed_offset = round % 2 == 0;
            let size = if fixed_offset { 200 } else { 10_000 };
            let request = TlsRequest { size, align: 8, fixed_offset };
            let block = block(executor, window, image, request, &[round; 100]);
            let is_there = move || content(executor, block.start.module, 100) == [round; 100];
            assert!(is_there());
            assert!(scope.spawn(is_there).join().unwrap());
            executor.release_tls(block.id).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn an_exhausted_reserve_says_so_and_dynamic_blocks_still_work() {
    let executor = InProcess::new().unwrap();
    let image = executor.open_image("test").unwrap();
    let request = TlsRequest { size: 1 << 30, align: 8, fixed_offset: true };
    let error = executor.reserve_tls(image, request).unwrap_err();
    assert!(matches!(error, ExecutorError::TlsReserveFull { .. }), "{error}");
    let block = executor.reserve_tls(image, TlsRequest { fixed_offset: false, ..request }).unwrap();
    assert_eq!(block.start.thread_offset, None);
    assert!(executor.reserve_tls(ImageId(u32::MAX), request).is_err());
}

#[test]
fn blocks_of_threads_that_end_are_freed() {
    let executor = InProcess::new().unwrap();
    let image = executor.open_image("test").unwrap();
    let request = TlsRequest { size: 1 << 20, align: 8, fixed_offset: false };
    let block = executor.reserve_tls(image, request).unwrap();
    let before = support::resident();
    for _ in 0..200 {
        std::thread::scope(|scope| {
            scope.spawn(|| content(&executor, block.start.module, 1 << 20).fill(1)).join().unwrap();
        });
    }
    assert!(support::resident() < before + (64 << 20));
}

/// Calls a descriptor's resolver with known values in the other registers, and returns the offset if all are kept.
fn resolve(resolver: ExecAddr, argument: u64) -> i64 {
    let descriptor = [resolver.0, argument];
    let vectors: [u64; 8] = [1, 2, 3, 4, 5, 6, 7, 8];
    let mut after = [0u64; 8];
    let mut registers = [0u64; 8];
    let offset: i64;
    // SAFETY: the resolver's convention; what it might change in spite of it is declared.
    unsafe {
        std::arch::asm!(
            "movups xmm0, [{vectors}]", "movups xmm1, [{vectors} + 16]",
            "movups xmm14, [{vectors} + 32]", "movups xmm15, [{vectors} + 48]",
            "push {after}", "push {registers}",
            "mov rcx, 11", "mov rdx, 12", "mov rsi, 13", "mov rdi, 14",
            "mov r8, 15", "mov r9, 16", "mov r10, 17", "mov r11, 18",
            "call [rax]",
            "xchg r12, [rsp]",
            "mov [r12], rcx", "mov [r12 + 8], rdx", "mov [r12 + 16], rsi", "mov [r12 + 24], rdi",
            "mov [r12 + 32], r8", "mov [r12 + 40], r9", "mov [r12 + 48], r10", "mov [r12 + 56], r11",
            "pop r12",
            "pop rcx",
            "movups [rcx], xmm0", "movups [rcx + 16], xmm1", "movups [rcx + 32], xmm14", "movups [rcx + 48], xmm15",
            vectors = in(reg) &vectors,
            after = in(reg) &mut after,
            registers = in(reg) &mut registers,
            inout("rax") &descriptor => offset,
            out("rcx") _, out("rdx") _, out("rsi") _, out("rdi") _,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            out("xmm0") _, out("xmm1") _, out("xmm14") _, out("xmm15") _,
        );
    }
    assert_eq!(registers, [11, 12, 13, 14, 15, 16, 17, 18]);
    assert_eq!(after, vectors);
    offset
}

#[test]
fn dropping_an_executor_releases_its_blocks_and_images() {
    let (executor, window) = with_window();
    let image = executor.open_image("test").unwrap();
    let request = TlsRequest { size: 30_000, align: 8, fixed_offset: false };
    let block = block(&executor, &window, image, request, &[1; 10]);
    content(&executor, block.start.module, 10).fill(2);
    let other = InProcess::new().unwrap();
    drop(executor);
    assert!(other.release_tls(block.id).is_err());
    assert!(other.set_dso_handle(image, ExecAddr(8)).is_err());
}

#[test]
fn descriptors_keep_all_registers() {
    let executor = InProcess::new().unwrap();
    let image = executor.open_image("test").unwrap();
    let fixed = executor.runtime_function(RuntimeFunction::TlsDescriptorFixed).unwrap();
    assert_eq!(resolve(fixed, 0x1234), 0x1234);
    let dynamic = executor.runtime_function(RuntimeFunction::TlsDescriptorDynamic).unwrap();
    let request = TlsRequest { size: 10_000, align: 8, fixed_offset: false };
    let block = executor.reserve_tls(image, request).unwrap();
    let index = Index { module: block.start.module, offset: 24 };
    // The first call makes the block, the second finds it.
    for _ in 0..2 {
        let offset = resolve(dynamic, &raw const index as u64);
        let address = own_copy(&executor, block.start.module, 24) as u64;
        assert_eq!(thread_pointer().wrapping_add_signed(offset), address);
    }
    // Its successor in the same slot has another number.
    executor.release_tls(block.id).unwrap();
    let block = executor.reserve_tls(image, TlsRequest { size: 50_000, ..request }).unwrap();
    let index = Index { module: block.start.module, offset: 40_000 };
    let offset = resolve(dynamic, &raw const index as u64);
    let address = own_copy(&executor, block.start.module, 40_000) as u64;
    assert_eq!(thread_pointer().wrapping_add_signed(offset), address);
    // The system's modules are within reach, too.
    let found = find_one(&executor, LibraryId::PROCESS, "errno");
    let Some(SymbolAddress::ThreadLocal(TlsAddress { module, offset, .. })) = found else { panic!("{found:?}") };
    let index = Index { module, offset };
    let offset = resolve(dynamic, &raw const index as u64);
    // SAFETY: no preconditions.
    let errno = unsafe { libc::__errno_location() } as u64;
    assert_eq!(thread_pointer().wrapping_add_signed(offset), errno);
}

fn find_one(executor: &InProcess, library: LibraryId, name: &str) -> Option<SymbolAddress> {
    let request = SymbolRequest { key: SymbolKey::Name(name.as_bytes()), thread_local: true };
    executor.find_symbols(library, &[request]).unwrap()[0]
}

#[test]
fn errno_is_a_thread_local_symbol_of_the_process() {
    let executor = InProcess::new().unwrap();
    let found = find_one(&executor, LibraryId::PROCESS, "errno");
    let Some(SymbolAddress::ThreadLocal(TlsAddress { module, offset, thread_offset })) = found else {
        panic!("{found:?}")
    };
    // SAFETY: no preconditions.
    let errno = unsafe { libc::__errno_location() } as u64;
    assert_eq!(own_copy(&executor, module, offset) as u64, errno);
    assert_eq!(thread_pointer().wrapping_add_signed(thread_offset.unwrap()), errno);
}

/// The loader knows modules by name, and a file descriptor's number is used again.
#[test]
fn modules_that_were_loaded_from_descriptors_are_not_taken_for_ours() {
    let executor = InProcess::new().unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut paths = maps.lines().filter_map(|line| line.split_whitespace().last());
    let module = std::fs::read(paths.find(|path| path.contains("/libgcc_s")).unwrap()).unwrap();
    let mut files = Vec::new();
    for _ in 0..8 {
        // SAFETY: a C string.
        let file = unsafe { libc::memfd_create(c"module".as_ptr(), libc::MFD_CLOEXEC) };
        // SAFETY: new, and nobody else's.
        let mut file = unsafe { File::from_raw_fd(file) };
        file.write_all(&module).unwrap();
        let name = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
        executor.open_library(name.as_bytes(), false).unwrap();
        files.push(file);
    }
    drop(files);
    let found = find_one(&executor, LibraryId::PROCESS, "errno");
    let Some(SymbolAddress::ThreadLocal(TlsAddress { module, offset, .. })) = found else { panic!("{found:?}") };
    // SAFETY: no preconditions.
    let errno = unsafe { libc::__errno_location() } as u64;
    assert_eq!(own_copy(&executor, module, offset) as u64, errno);
}

#[test]
fn what_is_not_thread_local_or_not_there_is_not_found() {
    let executor = InProcess::new().unwrap();
    for name in ["no_such_variable", "printf", "stdout", "", "nul\0byte"] {
        assert_eq!(find_one(&executor, LibraryId::PROCESS, name), None, "{name}");
    }
}

#[test]
fn a_late_library_gets_static_storage_if_there_is_room() {
    let executor = InProcess::new().unwrap();
    let library = executor.open_library(b"libstdc++.so.6", false).unwrap();
    let found = find_one(&executor, library, "_ZSt15__once_callable");
    let Some(SymbolAddress::ThreadLocal(TlsAddress { module, offset, thread_offset: Some(thread_offset) })) = found
    else {
        panic!("{found:?}")
    };
    let check = || {
        let address = thread_pointer().wrapping_add_signed(thread_offset);
        assert_eq!(own_copy(&executor, module, offset) as u64, address);
    };
    check();
    std::thread::scope(|scope| scope.spawn(check).join().unwrap());
    assert_eq!(find_one(&executor, LibraryId::PROCESS, "_ZSt15__once_callable"), None);
}

#[test]
fn a_late_library_with_much_storage_is_dynamic() {
    let directory = std::env::temp_dir().join(format!("linkjit-tls-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let source = directory.join("large.c");
    let library = directory.join("liblarge.so");
    std::fs::write(&source, "__thread char large[100000] = {1, 2}; __thread int errno_of_mine = 7;").unwrap();
    let status = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status().unwrap();
    assert!(status.success());
    let executor = InProcess::new().unwrap();
    let library = executor.open_library(library.as_os_str().as_encoded_bytes(), false).unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    let found = find_one(&executor, library, "errno_of_mine");
    let Some(SymbolAddress::ThreadLocal(TlsAddress { module, offset, thread_offset: None })) = found else {
        panic!("{found:?}")
    };
    // SAFETY: an int.
    assert_eq!(unsafe { *own_copy(&executor, module, offset).cast::<i32>() }, 7);
}
