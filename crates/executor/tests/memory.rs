//! Windows, allocations, protections, and that memory is given back.

#![cfg(all(any(target_os = "linux", windows), target_arch = "x86_64"))]

mod support;

use linkjit_executor::{
    ExecAddr, ExecRange, Executor, ExecutorError, FinalizeActions, InProcess, IndirectSlot, Placement, Protection,
    SegmentRequest,
};
use support::{call, handles, load, load_code, mappings, permissions, read, resident, returns, segment, with_window};

#[test]
fn code_runs_once_finalized() {
    let (executor, window) = with_window();
    let (id, address) = load_code(&executor, &window, &returns(42));
    assert!(window.range.contains(address));
    assert_eq!(call(address), 42);
    executor.deallocate(id).unwrap();
}

#[test]
fn segments_get_their_protection_and_none_is_writable_and_executable() {
    let (executor, window) = with_window();
    let requests =
        [segment(Protection::Read, 100), segment(Protection::ReadExec, 100), segment(Protection::ReadWrite, 100)];
    let allocation = executor.allocate(window.id, &requests).unwrap();
    let addresses: Vec<_> = (0..3).map(|index| allocation.address(index)).collect();
    let now = || addresses.iter().map(|address| permissions(*address)).collect::<Vec<_>>();
    assert_eq!(now(), ["rw-p", "rw-p", "rw-p"]);
    allocation.finalize(&FinalizeActions::default()).unwrap();
    assert_eq!(now(), ["r--p", "r-xp", "rw-p"]);
    let within = |range: &std::ops::Range<u64>| window.range.contains(ExecAddr(range.start));
    assert!(mappings().iter().filter(|(range, _)| within(range)).all(|(_, permissions)| permissions != "rwxp"));
}

#[test]
fn code_that_is_executable_before_the_rest_is_final_is_not_written_any_more() {
    let (executor, window) = with_window();
    let requests = [segment(Protection::ReadExec, 16), segment(Protection::ReadWrite, 16)];
    let mut allocation = executor.allocate(window.id, &requests).unwrap();
    let address = allocation.address(0);
    allocation.bytes(0)[..6].copy_from_slice(&returns(42)[..6]);
    for _ in 0..2 {
        allocation.make_executable().unwrap();
        assert_eq!(call(address), 42);
        assert_eq!((allocation.bytes(0).len(), allocation.bytes(1).len()), (0, 16));
    }
    executor.deallocate(allocation.finalize(&FinalizeActions::default()).unwrap()).unwrap();
    // It is written to again by who gets it next.
    let mut next = executor.allocate(window.id, &requests).unwrap();
    assert_eq!((next.address(0), &*next.bytes(0)), (address, [0; 16].as_slice()));
    next.make_executable().unwrap();
    drop(next);
    let mut last = executor.allocate(window.id, &requests).unwrap();
    last.bytes(0).fill(1);
}

#[test]
fn low_windows_end_below_2_gib() {
    let executor = InProcess::new().unwrap();
    for size in [1 << 20, 64 << 20, 256 << 20] {
        let window = executor.reserve_window(size, Placement::Low).unwrap();
        assert!(window.range.end.0 <= 0x8000_0000 && window.range.start.0 >= 0x1_0000);
        let (_, address) = load_code(&executor, &window, &returns(7));
        assert_eq!(call(address), 7);
    }
    let error = executor.reserve_window(4 << 30, Placement::Low).unwrap_err();
    assert!(matches!(error, ExecutorError::NoAddressSpace { .. }));
}

#[test]
fn alignment_may_exceed_the_page_size() {
    let (executor, window) = with_window();
    let request = SegmentRequest { protection: Protection::ReadWrite, size: 10, contents: 10, align: 1 << 16 };
    let first = executor.allocate(window.id, &[request, request]).unwrap();
    assert!(first.address(0).0.is_multiple_of(1 << 16) && first.address(1).0.is_multiple_of(1 << 16));
    assert_ne!(first.address(0), first.address(1));
    let request = SegmentRequest { align: 24, ..request };
    assert!(matches!(executor.allocate(window.id, &[request]), Err(ExecutorError::Invalid { .. })));
}

#[test]
fn empty_segments_take_no_memory() {
    let (executor, window) = with_window();
    let requests = [segment(Protection::ReadExec, 0), segment(Protection::ReadExec, 1)];
    let mut allocation = executor.allocate(window.id, &requests).unwrap();
    assert!(allocation.bytes(0).is_empty());
    assert_eq!(allocation.bytes(1), [0]);
    let id = allocation.finalize(&FinalizeActions::default()).unwrap();
    executor.deallocate(id).unwrap();
}

/// B7.55 of docs/coff-cases.md.
#[test]
fn freed_memory_is_zero_and_used_again() {
    let (executor, window) = with_window();
    for protection in [Protection::Read, Protection::ReadExec, Protection::ReadWrite] {
        let (id, before) = load(&executor, &window, &[(protection, &[0xcc; 5000])], |_| FinalizeActions::default());
        executor.deallocate(id).unwrap();
        let mut again = executor.allocate(window.id, &[segment(protection, 5000)]).unwrap();
        assert_eq!(again.address(0), before[0]);
        assert!(again.bytes(0).iter().all(|byte| *byte == 0));
        again.bytes(0).fill(0xdd);
        drop(again);
        let mut abandoned = executor.allocate(window.id, &[segment(protection, 5000)]).unwrap();
        assert!(abandoned.bytes(0).iter().all(|byte| *byte == 0));
    }
}

#[test]
fn a_full_window_says_what_is_full() {
    let executor = InProcess::new().unwrap();
    let window = executor.reserve_window(1 << 20, Placement::Anywhere).unwrap();
    let error = executor.allocate(window.id, &[segment(Protection::ReadExec, 1 << 20)]).unwrap_err();
    assert!(
        matches!(&error, ExecutorError::WindowFull { protection, size: 0x10_0000, .. } if protection == "executable"),
        "{error}"
    );
    // What was taken for the other segments was given back.
    let most = segment(Protection::Read, (1 << 18) - 4096);
    for _ in 0..2 {
        executor.allocate(window.id, &[most, segment(Protection::ReadExec, 1 << 20)]).unwrap_err();
    }
    executor.allocate(window.id, &[most]).unwrap();
}

#[test]
fn handles_that_were_given_back_are_refused() {
    let (executor, window) = with_window();
    let (id, _) = load_code(&executor, &window, &returns(1));
    let (within, _) = load_code(&executor, &window, &returns(2));
    executor.deallocate(id).unwrap();
    assert!(matches!(executor.deallocate(id), Err(ExecutorError::NoSuch { what }) if what == "allocation"));
    let pending = executor.allocate(window.id, &[segment(Protection::Read, 1)]).unwrap();
    executor.release_window(window.id).unwrap();
    assert!(matches!(executor.release_window(window.id), Err(ExecutorError::NoSuch { what }) if what == "window"));
    assert!(executor.deallocate(within).is_err());
    assert!(pending.finalize(&FinalizeActions::default()).is_err());
    assert!(executor.allocate(window.id, &[]).is_err());
}

#[test]
fn an_indirect_slot_holds_what_its_resolver_returns() {
    let (executor, window) = with_window();
    let contents: [(Protection, &[u8]); 2] = [(Protection::ReadExec, &returns(0x1234)), (Protection::Read, &[0; 16])];
    let (_, addresses) = load(&executor, &window, &contents, |at| FinalizeActions {
        indirect_slots: vec![IndirectSlot { slot: at[1].offset(8), resolver: at[0] }],
        ..FinalizeActions::default()
    });
    assert_eq!(read(addresses[1]), 0);
    assert_eq!(read(addresses[1].offset(8)), 0x1234);
    assert_eq!(permissions(addresses[1]), "r--p");
}

#[test]
fn actions_outside_the_allocation_are_refused() {
    let (executor, window) = with_window();
    let place = [0u64; 2];
    let outside = ExecAddr(&raw const place as u64);
    let actions = [
        FinalizeActions { unwind_tables: vec![ExecRange::new(outside, 16)], ..FinalizeActions::default() },
        FinalizeActions {
            indirect_slots: vec![IndirectSlot { slot: outside, resolver: outside }],
            ..FinalizeActions::default()
        },
    ];
    for actions in actions {
        let allocation = executor.allocate(window.id, &[segment(Protection::Read, 16)]).unwrap();
        let error = allocation.finalize(&actions).unwrap_err();
        assert!(matches!(error, ExecutorError::Invalid { .. }), "{error}");
    }
}

#[test]
fn ten_thousand_cycles_leave_memory_and_mappings_flat() {
    let (executor, window) = with_window();
    let code = returns(5);
    let data = vec![1u8; 3000];
    let cycle = || {
        let contents: [(Protection, &[u8]); 3] =
            [(Protection::Read, &data), (Protection::ReadExec, &code), (Protection::ReadWrite, &data)];
        let (id, _) = load(&executor, &window, &contents, |_| FinalizeActions::default());
        executor.deallocate(id).unwrap();
    };
    let state = || (mappings().len(), handles());
    (0..100).for_each(|_| cycle());
    let (before, resident_before) = (state(), resident());
    (0..10_000).for_each(|_| cycle());
    let (after, resident_after) = (state(), resident());
    // Other tests of this program run at the same time, each with a few windows.
    assert!(after.0 < before.0 + 50 && after.1 < before.1 + 10, "{before:?} -> {after:?}");
    assert!(resident_after < resident_before + (8 << 20), "{resident_before} -> {resident_after}");
}

#[test]
fn live_allocations_of_one_protection_share_mappings() {
    let (executor, window) = with_window();
    let code = returns(5);
    let ids: Vec<_> = (0..2000).map(|_| load_code(&executor, &window, &code).0).collect();
    let within = || mappings().iter().filter(|(range, _)| window.range.contains(ExecAddr(range.start))).count();
    assert!(within() < 12, "{}", within());
    for id in ids {
        executor.deallocate(id).unwrap();
    }
    assert!(within() < 12, "{}", within());
}

#[test]
fn threads_share_a_window() {
    let (executor, window) = &with_window();
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            scope.spawn(move || {
                let mut live = std::collections::VecDeque::new();
                for round in 0..500 {
                    let value = thread << 16 | round;
                    let (id, address) = load_code(executor, window, &returns(value));
                    live.push_back((id, address, value));
                    if live.len() > 10 {
                        let (id, address, value) = live.pop_front().unwrap();
                        assert_eq!(call(address), u64::from(value));
                        executor.deallocate(id).unwrap();
                    }
                }
            });
        }
    });
}

#[test]
fn threads_that_reserve_low_windows_at_once_all_get_one() {
    let executor = InProcess::new().unwrap();
    let ranges: Vec<ExecRange> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let windows = (0..16).map(|_| executor.reserve_window(1 << 20, Placement::Low).unwrap().range);
                    windows.collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    for (index, range) in ranges.iter().enumerate() {
        assert!(range.end.0 <= 1 << 31);
        assert!(ranges[..index].iter().all(|other| !other.contains(range.start)), "{range:?}");
    }
}

#[cfg(windows)]
#[test]
fn windows_lie_within_reach_of_the_systems_libraries() {
    let executor = InProcess::new().unwrap();
    let kernel = linkjit_executor::SymbolRequest {
        key: linkjit_executor::SymbolKey::Name(b"VirtualAlloc"),
        thread_local: false,
    };
    let found = executor.find_symbols(linkjit_executor::LibraryId::PROCESS, &[kernel]).unwrap()[0];
    let Some(linkjit_executor::SymbolAddress::Address(function)) = found else { panic!("{found:?}") };
    for size in [16 << 20, 256 << 20, 1 << 30] {
        let range = executor.reserve_window(size, Placement::Anywhere).unwrap().range;
        assert!(
            range.start.0.abs_diff(function.0) < 1 << 31 && range.end.0.abs_diff(function.0) < 1 << 31,
            "{range:?}"
        );
    }
}
