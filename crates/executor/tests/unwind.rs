//! Exceptions pass through linked code.

#![cfg(glibc_x86_64)]

mod support;

use std::ffi::c_void;
use std::panic::{catch_unwind, resume_unwind};

use linkjit_executor::{ExecAddr, ExecRange, Executor, ExecutorError, FinalizeActions, Protection};
use support::{call_with, load, segment, with_window};

/// `sub rsp, 8; call rdi; add rsp, 8; ret`.
const CALLS_ARGUMENT: [u8; 11] = [0x48, 0x83, 0xec, 8, 0xff, 0xd7, 0x48, 0x83, 0xc4, 8, 0xc3];

/// The table that says how to unwind `CALLS_ARGUMENT` at `code`.
fn eh_frame(code: ExecAddr) -> Vec<u8> {
    let mut table = Vec::new();
    // Length, CIE; version 1, no augmentation, code alignment 1, data alignment -8, return address in register 16;
    // the frame's address is rsp + 8, the return address 8 below.
    table.extend(20u32.to_le_bytes());
    table.extend([0, 0, 0, 0, 1, 0, 1, 0x78, 16, 0x0c, 7, 8, 0x90, 1, 0, 0, 0, 0, 0, 0]);
    // Length, distance to the CIE, code; after 4 bytes the frame's address is rsp + 16.
    table.extend(24u32.to_le_bytes());
    table.extend(28u32.to_le_bytes());
    table.extend(code.0.to_le_bytes());
    table.extend((CALLS_ARGUMENT.len() as u64).to_le_bytes());
    table.extend([0x44, 0x0e, 16, 0]);
    table.extend([0; 4]);
    table
}

extern "C-unwind" fn throws() {
    resume_unwind(Box::new(17));
}

unsafe extern "C" {
    fn _Unwind_Find_FDE(address: *const c_void, bases: *mut [*const c_void; 3]) -> *const c_void;
}

fn has_unwind_info(code: ExecAddr) -> bool {
    let mut bases = [std::ptr::null(); 3];
    // SAFETY: a place for the three bases.
    !unsafe { _Unwind_Find_FDE(code.0 as *const c_void, &raw mut bases) }.is_null()
}

#[test]
fn an_exception_passes_through_a_registered_function() {
    let (executor, window) = with_window();
    for _ in 0..3 {
        // The table needs the code's address: the next free page, as a first allocation shows.
        let (first, addresses) =
            load(&executor, &window, &[(Protection::ReadExec, &CALLS_ARGUMENT)], |_| FinalizeActions::default());
        executor.deallocate(first).unwrap();
        let table = eh_frame(addresses[0]);
        let contents: [(Protection, &[u8]); 2] = [(Protection::ReadExec, &CALLS_ARGUMENT), (Protection::Read, &table)];
        let (id, addresses) = load(&executor, &window, &contents, |at| FinalizeActions {
            unwind_tables: vec![ExecRange::new(at[1], table.len() as u64)],
            ..FinalizeActions::default()
        });
        assert!(has_unwind_info(addresses[0].offset(5)));
        let caught = catch_unwind(|| call_with(addresses[0], throws as *const () as u64)).unwrap_err();
        assert_eq!(caught.downcast_ref(), Some(&17));
        executor.deallocate(id).unwrap();
        assert!(!has_unwind_info(addresses[0].offset(5)));
    }
}

#[test]
fn malformed_unwind_tables_are_refused() {
    let (executor, window) = with_window();
    let malformed: [&[u8]; 5] = [
        &[1; 8],
        &[4, 0, 0, 0, 1, 1, 1, 1],
        &[0, 0, 0, 0, 4, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0],
        &[9, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0],
        &[0, 0, 0],
    ];
    for bytes in malformed {
        let mut allocation = executor.allocate(window.id, &[segment(Protection::Read, bytes.len())]).unwrap();
        allocation.bytes(0).copy_from_slice(bytes);
        let unwind_tables = vec![ExecRange::new(allocation.address(0), bytes.len() as u64)];
        let error = allocation.finalize(&FinalizeActions { unwind_tables, ..FinalizeActions::default() }).unwrap_err();
        assert!(matches!(error, ExecutorError::Invalid { .. }), "{bytes:?}: {error}");
    }
}
