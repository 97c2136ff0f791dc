//! What an image has called on Windows when threads start and end. One test: it sees all threads of its process.

#![cfg(windows_x86_64)]

mod support;

use std::ffi::c_void;
use std::sync::{Barrier, Mutex};
use std::thread;

use linkjit_executor::{
    ExecAddr, Executor, FinalizeActions, InProcess, InitializerKind, PointerArray, Protection, TlsRequest,
};
use support::{load, place, with_window};

static EVENTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn note(event: impl Into<String>) {
    EVENTS.lock().unwrap().push(event.into());
}

fn events() -> Vec<String> {
    std::mem::take(&mut *EVENTS.lock().unwrap())
}

extern "C" fn callback(_image: u64, reason: u32, _: *mut c_void) {
    note(format!("callback {reason}"));
}

extern "C" fn initializes() {
    note("initializer");
}

extern "C" fn initializes_too() {
    note("another initializer");
}

extern "C-unwind" fn destroys(argument: *mut c_void) {
    note(format!("destructor {}", argument as u64));
}

fn runtime<F: Copy>(executor: &InProcess, name: &str) -> F {
    let address = executor.runtime_symbols(&[name.as_bytes()]).unwrap()[0].unwrap().0 as usize;
    // SAFETY: the callers name the function's type.
    unsafe { std::mem::transmute_copy(&address) }
}

/// B7.30 and B7.51 of docs/coff-cases.md.
#[test]
fn callbacks_initializers_and_destructors_run_on_threads_that_start_and_end() {
    let (executor, window) = with_window();
    let image = executor.open_image("test").unwrap();
    executor.set_dso_handle(image, window.range.start).unwrap();
    let functions: [usize; 2] = [callback as *const () as usize, 0];
    let initializers = [initializes as *const () as usize];
    let array = |functions: &[usize], kind| PointerArray {
        address: ExecAddr(functions.as_ptr() as u64),
        count: functions.len() as u64,
        backwards: false,
        kind,
    };
    let arrays =
        [array(&functions, InitializerKind::ThreadCallback), array(&initializers, InitializerKind::ThreadInitializer)];
    let guard = |module| {
        let (_, offset) = *executor.runtime_thread_locals().iter().find(|(name, _)| *name == "__tls_guard").unwrap();
        // SAFETY: a byte of each image's storage.
        unsafe { place(module, offset).cast::<u8>().read() }
    };
    let module =
        executor.reserve_tls(image, TlsRequest { size: 0, align: 1, fixed_offset: false }).unwrap().start.module;
    let barrier = Barrier::new(2);
    thread::scope(|scope| {
        let existing = scope.spawn(|| {
            barrier.wait();
            barrier.wait();
            // Code that finds the guard unset asks for the initializers.
            assert_eq!(guard(module), 0);
            let on_demand = load(
                &executor,
                &window,
                // sub rsp, 40; call rcx; add rsp, 40; ret
                &[(Protection::ReadExec, &[0x48, 0x83, 0xec, 40, 0xff, 0xd1, 0x48, 0x83, 0xc4, 40, 0xc3])],
                |_| FinalizeActions::default(),
            );
            let function = executor.runtime_symbols(&[b"__dyn_tls_on_demand_init"]).unwrap()[0].unwrap();
            support::call_with(on_demand.1[0], function.0);
            support::call_with(on_demand.1[0], function.0);
            assert_eq!(guard(module), 1);
            barrier.wait();
            barrier.wait();
        });
        barrier.wait();
        // SAFETY: the functions are of the right types.
        unsafe { executor.run_initializers(image, &arrays, &[]) }.unwrap();
        assert_eq!(guard(module), 1);
        assert_eq!(events(), ["callback 1", "initializer"]);
        barrier.wait();
        barrier.wait();
        assert_eq!(events(), ["initializer"]);
        let later = [initializes_too as *const () as usize];
        // SAFETY: as above.
        unsafe { executor.run_initializers(image, &[array(&later, InitializerKind::ThreadInitializer)], &[]) }.unwrap();
        assert_eq!(events(), ["another initializer"]);
        barrier.wait();
        existing.join().unwrap();
        assert_eq!(events(), ["callback 3"]);
    });
    type Register = extern "C" fn(extern "C-unwind" fn(*mut c_void), u64, u64) -> i32;
    let register: Register = runtime(&executor, "__cxa_thread_atexit");
    let handle = window.range.start.0;
    thread::spawn(move || {
        assert_eq!(register(destroys, 1, handle), 0);
        assert_eq!(register(destroys, 2, handle), 0);
        assert_ne!(register(destroys, 3, handle + 8), 0);
    })
    .join()
    .unwrap();
    let expected = ["callback 2", "initializer", "another initializer", "destructor 2", "destructor 1", "callback 3"];
    assert_eq!(events(), expected);
    register(destroys, 4, handle);
    // SAFETY: as above.
    unsafe { executor.close_image(image) }.unwrap();
    assert_eq!(events(), ["destructor 4", "callback 0"]);
    thread::spawn(|| ()).join().unwrap();
    assert!(events().is_empty());
}
