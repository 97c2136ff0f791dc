//! Windows unwinds linked code by its function tables: exceptions pass and are caught, and removal leaves nothing.

#![cfg(windows_x86_64)]

mod support;

use std::panic::{catch_unwind, resume_unwind};
use std::sync::Mutex;

use linkjit_executor::{
    AllocationId, ExecAddr, ExecRange, Executor, ExecutorError, FinalizeActions, InProcess, Protection, Window,
};
use support::{call_with, segment, with_window};
use windows_sys::Win32::System::Diagnostics::Debug::{EXCEPTION_POINTERS, RtlLookupFunctionEntry};

/// `sub rsp, 40; call rcx; nop; add rsp, 40; ret`, padded to 16 bytes.
const CALLS_ARGUMENT: [u8; 16] =
    [0x48, 0x83, 0xec, 40, 0xff, 0xd1, 0x90, 0x48, 0x83, 0xc4, 40, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc];
/// Version 1, a prologue of 4 bytes, one code: at 4, 40 bytes are allocated.
const UNWIND_INFO: [u8; 8] = [1, 4, 1, 0, 4, 0x42, 0, 0];

fn offset(window: &Window, address: ExecAddr) -> u32 {
    u32::try_from(address.0 - window.range.start.0).unwrap()
}

fn entry(begin: u32, end: u32, info: u32) -> [u8; 12] {
    let mut entry = [0; 12];
    for (place, value) in entry.chunks_exact_mut(4).zip([begin, end, info]) {
        place.copy_from_slice(&value.to_le_bytes());
    }
    entry
}

/// Loads `count` functions that call their argument, with a table that `arrange` has arranged.
fn load(
    executor: &InProcess,
    window: &Window,
    count: usize,
    arrange: impl FnOnce(&mut Vec<[u8; 12]>),
) -> Result<(AllocationId, Vec<ExecAddr>), ExecutorError> {
    let table_size = (count + 1) * 12;
    let requests =
        [segment(Protection::ReadExec, count * 16), segment(Protection::Read, UNWIND_INFO.len() + table_size)];
    let mut allocation = executor.allocate(window.id, &requests).unwrap();
    let (code, data) = (allocation.address(0), allocation.address(1));
    allocation.bytes(0).copy_from_slice(&CALLS_ARGUMENT.repeat(count));
    let functions: Vec<ExecAddr> = (0..count as u64).map(|index| code.offset(index * 16)).collect();
    let begins = functions.iter().map(|function| offset(window, *function));
    let mut table: Vec<_> = begins.map(|begin| entry(begin, begin + 12, offset(window, data))).collect();
    table.push([0; 12]);
    arrange(&mut table);
    allocation.bytes(1)[..UNWIND_INFO.len()].copy_from_slice(&UNWIND_INFO);
    allocation.bytes(1)[UNWIND_INFO.len()..].copy_from_slice(&table.concat());
    let function_tables = vec![ExecRange::new(data.offset(UNWIND_INFO.len() as u64), table_size as u64)];
    let id = allocation.finalize(&FinalizeActions { function_tables, ..FinalizeActions::default() })?;
    Ok((id, functions))
}

fn is_known(code: ExecAddr) -> bool {
    let mut base = 0;
    // SAFETY: a place for the base; there is no history.
    let entry = unsafe { RtlLookupFunctionEntry(code.0, &raw mut base, std::ptr::null_mut()) };
    !entry.is_null()
}

extern "C-unwind" fn throws() {
    resume_unwind(Box::new(17));
}

fn passes(function: ExecAddr) {
    let caught = catch_unwind(|| call_with(function, throws as *const () as u64)).unwrap_err();
    assert_eq!(caught.downcast_ref(), Some(&17));
}

/// B7.32 of docs/coff-cases.md.
#[test]
fn eight_threads_throw_through_ten_thousand_functions() {
    let (executor, window) = with_window();
    // As a hundred batches, whose tables come in any order.
    let batches: Vec<_> = (0..100).map(|_| load(&executor, &window, 100, |table| table.reverse()).unwrap()).collect();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let batches = &batches;
            scope.spawn(move || (0..100).for_each(|throw| passes(batches[throw].1[(throw + thread) % 100])));
        }
    });
    for (id, functions) in batches {
        executor.deallocate(id).unwrap();
        assert!(!is_known(functions[50]));
    }
}

/// B7.35 of docs/coff-cases.md.
#[test]
fn functions_are_known_until_they_are_removed() {
    let (executor, window) = with_window();
    for _ in 0..1000 {
        let (id, functions) = load(&executor, &window, 3, |_| ()).unwrap();
        assert!(functions.iter().all(|function| is_known(*function) && is_known(function.offset(11))));
        assert!(!is_known(functions[0].offset(12)) && !is_known(functions[2].offset(16)));
        executor.deallocate(id).unwrap();
        assert!(!functions.iter().any(|function| is_known(*function)));
    }
    let (_, functions) = load(&executor, &window, 3, |_| ()).unwrap();
    executor.release_window(window.id).unwrap();
    assert!(!is_known(functions[0]));
}

#[test]
fn tables_of_functions_elsewhere_are_refused() {
    let (executor, window) = with_window();
    let spoil: [fn(&mut Vec<[u8; 12]>); 4] = [
        |table| table[0] = entry(0, 12, 0),
        |table| table[0] = entry(u32::MAX, u32::MAX, 0),
        |table| table[0][4..8].copy_from_slice(&[0; 4]),
        |table| table[0][4..8].copy_from_slice(&[0xff; 4]),
    ];
    for spoil in spoil {
        let error = load(&executor, &window, 2, spoil).unwrap_err();
        assert!(matches!(error, ExecutorError::Invalid { .. }), "{error}");
    }
}

static ARGUMENTS: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// Notes the arguments of the exception, and has it handled.
extern "C" fn filter(pointers: *const EXCEPTION_POINTERS, _frame: u64) -> i32 {
    // SAFETY: the system passes valid pointers.
    let record = unsafe { *pointers }.ExceptionRecord;
    // SAFETY: as above.
    let record = unsafe { &*record };
    *ARGUMENTS.lock().unwrap() = record.ExceptionInformation[..record.NumberParameters as usize].to_vec();
    1
}

/// Throws what is described at the address that it is called with.
extern "C-unwind" fn throws_described() {
    let throw = InProcess::new().unwrap().runtime_symbols(&[b"_CxxThrowException"]).unwrap()[0].unwrap();
    // SAFETY: the function has this type.
    let throw: extern "C-unwind" fn(u64, u64) = unsafe { std::mem::transmute(throw.0 as *const ()) };
    let description = *DESCRIPTION.lock().unwrap();
    throw(0x1234, description);
}

static DESCRIPTION: Mutex<u64> = Mutex::new(0);

/// B7.33 of docs/coff-cases.md.
#[test]
fn exceptions_of_cxx_are_thrown_relative_to_their_window_and_handled() {
    let (executor, window) = with_window();
    let ntdll = executor.open_library(b"ntdll.dll", false).unwrap();
    let request = linkjit_executor::SymbolRequest {
        key: linkjit_executor::SymbolKey::Name(b"__C_specific_handler"),
        thread_local: false,
    };
    let found = executor.find_symbols(ntdll, &[request]).unwrap()[0];
    let Some(linkjit_executor::SymbolAddress::Address(handler)) = found else { panic!("{found:?}") };

    let mut code = CALLS_ARGUMENT.to_vec();
    // At 16: mov eax, 77; add rsp, 40; ret.
    code.extend([0xb8, 77, 0, 0, 0, 0x48, 0x83, 0xc4, 40, 0xc3]);
    code.resize(32, 0xcc);
    // At 32 and 48: jmp [rip], with the address behind.
    for target in [handler.0, filter as *const () as u64] {
        code.extend([0xff, 0x25, 0, 0, 0, 0]);
        code.extend(target.to_le_bytes());
        code.extend([0xcc; 2]);
    }
    let requests = [segment(Protection::ReadExec, code.len()), segment(Protection::Read, 64)];
    let mut allocation = executor.allocate(window.id, &requests).unwrap();
    let (function, data) = (allocation.address(0), allocation.address(1));
    let begin = offset(&window, function);
    let mut tables = entry(begin, begin + 26, offset(&window, data) + 16).to_vec();
    tables.extend([0; 4]);
    // Version 1 with an exception handler; the handler; the table of scopes: one, from the call to what follows it.
    tables.extend([9, 4, 1, 0, 4, 0x42, 0, 0]);
    for word in [begin + 32, 1, begin + 4, begin + 7, begin + 48, begin + 16] {
        tables.extend(word.to_le_bytes());
    }
    allocation.bytes(0).copy_from_slice(&code);
    allocation.bytes(1)[..tables.len()].copy_from_slice(&tables);
    let function_tables = vec![ExecRange::new(data, 12)];
    allocation.finalize(&FinalizeActions { function_tables, ..FinalizeActions::default() }).unwrap();

    *DESCRIPTION.lock().unwrap() = data.0 + 48;
    assert_eq!(call_with(function, throws_described as *const () as u64) as u32, 77);
    let expected = [0x1993_0520, 0x1234, data.0 + 48, window.range.start.0].map(|word| word as usize);
    assert_eq!(*ARGUMENTS.lock().unwrap(), expected);
    // What is thrown again has no description, and so belongs to no image.
    *DESCRIPTION.lock().unwrap() = 0;
    assert_eq!(call_with(function, throws_described as *const () as u64) as u32, 77);
    assert_eq!(ARGUMENTS.lock().unwrap()[2..], [0, 0]);
}

/// The table of functions that an image's header names.
fn table_of(window: &Window) -> &'static [[u8; 12]] {
    let word = |offset: u64| {
        // SAFETY: within the header, which is readable.
        unsafe { (window.range.start.offset(offset).0 as *const u32).read() }
    };
    // The optional header is 24 bytes behind the signature, its data directories are 112 behind that; this is the
    // fourth.
    let directory = u64::from(word(0x3c)) + 24 + 112 + 3 * 8;
    let (start, size) = (word(directory), word(directory + 4));
    let start = window.range.start.offset(u64::from(start)).0 as *const [u8; 12];
    // SAFETY: the header says so, and nobody changes it meanwhile.
    unsafe { std::slice::from_raw_parts(start, size as usize / 12) }
}

/// A header has an image's resources as long as they are there.
#[test]
fn a_header_says_where_resources_are() {
    let (executor, window) = with_window();
    executor.make_image_header(window.id, false).unwrap();
    let directory = || {
        // The optional header is 24 bytes behind the signature, its data directories are 112 behind that; this is the
        // third.
        let at = window.range.start.offset(0x80 + 24 + 112 + 2 * 8).0 as *const [u32; 2];
        // SAFETY: in the header, which is there as long as the window.
        unsafe { at.read() }
    };
    assert_eq!(directory(), [0, 0]);
    let allocation = executor.allocate(window.id, &[segment(Protection::Read, 32)]).unwrap();
    let start = allocation.address(0);
    let resources = Some(ExecRange::new(start, 16));
    let id = allocation.finalize(&FinalizeActions { resources, ..FinalizeActions::default() }).unwrap();
    assert_eq!(directory(), [offset(&window, start), 16]);
    executor.deallocate(id).unwrap();
    assert_eq!(directory(), [0, 0]);

    let allocation = executor.allocate(window.id, &[segment(Protection::Read, 32)]).unwrap();
    let resources = Some(ExecRange::new(start.offset(1 << 20), 16));
    let error = allocation.finalize(&FinalizeActions { resources, ..FinalizeActions::default() }).unwrap_err();
    assert!(error.to_string().contains("directory of resources"), "{error}");
}

#[test]
fn a_header_that_is_kept_lists_the_functions_there_are() {
    let (executor, window) = with_window();
    executor.make_image_header(window.id, false).unwrap();
    let (first, functions) = load(&executor, &window, 2, |_| ()).unwrap();
    assert!(table_of(&window).is_empty());
    executor.make_image_header(window.id, true).unwrap();
    let begins = |functions: &[ExecAddr]| functions.iter().map(|it| offset(&window, *it)).collect::<Vec<_>>();
    let listed = || table_of(&window).iter().map(|it| u32::from_le_bytes([it[0], it[1], it[2], it[3]]));
    assert!(listed().eq(begins(&functions)));
    let mut batches = Vec::new();
    for _ in 0..300 {
        batches.push(load(&executor, &window, 3, |table| table.reverse()).unwrap());
    }
    assert_eq!(listed().len(), 902);
    assert!(listed().is_sorted());
    executor.deallocate(first).unwrap();
    for (id, functions) in batches {
        assert!(begins(&functions).iter().all(|begin| listed().any(|it| it == *begin)));
        executor.deallocate(id).unwrap();
    }
    assert!(table_of(&window).is_empty());
}
