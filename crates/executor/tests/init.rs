//! Images: initializers, terminators, `atexit` and its kin, destructors of thread-local objects, `main`.

#![cfg(glibc_x86_64)]

mod support;

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::process::Command;
use std::sync::Mutex;

use linkjit_executor::{
    ExecAddr, ExecRange, Executor, ExecutorError, FinalizeActions, ImageId, InProcess, InitializerKind, MainForm,
    Placement, PointerArray, Protection, SegmentRequest,
};

type Registered = extern "C-unwind" fn(*mut c_void);

thread_local! {
    /// These were called on this thread, in order.
    static CALLED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

fn note(event: u64) {
    CALLED.with_borrow_mut(|called| called.push(event));
}

fn called() -> Vec<u64> {
    CALLED.take()
}

extern "C-unwind" fn noted(argument: *mut c_void) {
    note(argument as u64);
}

fn runtime(name: &str) -> ExecAddr {
    InProcess::new().unwrap().runtime_symbols(&[name.as_bytes()]).unwrap()[0].unwrap()
}

/// Calls `__cxa_atexit` or `__cxa_thread_atexit` as linked code would.
fn register(by: &str, function: Registered, argument: u64, handle: ExecAddr) {
    let by = runtime(by).0 as *const ();
    // SAFETY: both are of this type.
    let by: extern "C" fn(Registered, u64, u64) -> c_int = unsafe { std::mem::transmute(by) };
    assert_eq!(by(function, argument, handle.0), 0);
}

fn at_exit(argument: u64, handle: ExecAddr) {
    register("__cxa_atexit", noted, argument, handle);
}

fn array(functions: &[usize], backwards: bool) -> PointerArray {
    PointerArray {
        address: ExecAddr(functions.as_ptr() as u64),
        count: functions.len() as u64,
        backwards,
        kind: InitializerKind::Plain,
    }
}

/// An image with a handle of its own.
fn image(executor: &InProcess) -> (ImageId, ExecAddr) {
    let image = executor.open_image("test").unwrap();
    let handle = ExecAddr(Box::leak(Box::new(0u64)) as *const u64 as u64);
    executor.set_dso_handle(image, handle).unwrap();
    (image, handle)
}

fn close(executor: &InProcess, image: ImageId) {
    // SAFETY: the tests register functions of their own.
    unsafe { executor.close_image(image) }.unwrap();
}

fn initialize(executor: &InProcess, image: ImageId, initializers: &[PointerArray], terminators: &[PointerArray]) {
    // SAFETY: arrays of the tests' functions.
    unsafe { executor.run_initializers(image, initializers, terminators) }.unwrap();
}

extern "C" fn first(argc: c_int, argv: *mut *mut c_char, envp: *mut *mut c_char) {
    assert!(argc > 0 && !argv.is_null() && !envp.is_null());
    note(1);
}

extern "C" fn second() {
    note(2);
}

extern "C" fn third() {
    note(3);
}

#[test]
fn initializers_run_in_the_given_order_without_gaps() {
    let executor = InProcess::new().unwrap();
    let (image, _) = image(&executor);
    let functions = [first as *const () as usize, 0, second as *const () as usize, usize::MAX];
    initialize(&executor, image, &[array(&functions, false), array(&functions, true)], &[]);
    assert_eq!(called(), [1, 2, 2, 1]);
    close(&executor, image);
    assert_eq!(called(), []);
}

#[test]
fn closing_runs_atexit_functions_last_first_then_terminators() {
    let executor = InProcess::new().unwrap();
    let (image, handle) = image(&executor);
    let functions = [second as *const () as usize, third as *const () as usize];
    initialize(&executor, image, &[], &[array(&functions, false)]);
    initialize(&executor, image, &[], &[array(&functions, true), array(&functions, false)]);
    at_exit(10, handle);
    at_exit(11, handle);
    close(&executor, image);
    assert_eq!(called(), [11, 10, 3, 2, 2, 3]);
    // SAFETY: nothing is registered any more.
    let again = unsafe { executor.close_image(image) };
    assert!(matches!(again, Err(ExecutorError::NoSuch { what }) if what == "image"));
}

#[test]
fn what_is_registered_while_closing_runs_too() {
    extern "C-unwind" fn registers(handle: *mut c_void) {
        note(20);
        at_exit(21, ExecAddr(handle as u64));
    }
    static HANDLE: Mutex<ExecAddr> = Mutex::new(ExecAddr::NULL);
    extern "C" fn terminator() {
        note(22);
        at_exit(23, *HANDLE.lock().unwrap());
    }
    let executor = InProcess::new().unwrap();
    let (image, handle) = image(&executor);
    *HANDLE.lock().unwrap() = handle;
    let functions = [terminator as *const () as usize, third as *const () as usize];
    initialize(&executor, image, &[], &[array(&functions, false)]);
    at_exit(24, handle);
    register("__cxa_atexit", registers, handle.0, handle);
    close(&executor, image);
    assert_eq!(called(), [20, 21, 24, 22, 23, 3]);
}

#[test]
fn finalizing_a_handle_runs_its_atexit_functions_once() {
    let executor = InProcess::new().unwrap();
    let (one, one_handle) = image(&executor);
    let (other, other_handle) = image(&executor);
    at_exit(30, one_handle);
    at_exit(31, other_handle);
    support::call_with(runtime("__cxa_finalize"), one_handle.0);
    assert_eq!(called(), [30]);
    close(&executor, one);
    assert_eq!(called(), []);
    close(&executor, other);
    assert_eq!(called(), [31]);
}

#[test]
fn an_image_has_one_handle_once_it_is_used() {
    let executor = InProcess::new().unwrap();
    let (of, handle) = image(&executor);
    executor.set_dso_handle(of, ExecAddr(8)).unwrap();
    executor.set_dso_handle(of, handle).unwrap();
    at_exit(50, handle);
    executor.set_dso_handle(of, handle).unwrap();
    assert!(matches!(executor.set_dso_handle(of, ExecAddr(8)), Err(ExecutorError::Invalid { .. })));
    close(&executor, of);
    assert_eq!(called(), [50]);
}

#[test]
fn thread_local_destructors_run_when_their_thread_ends() {
    static SEEN: Mutex<Vec<u64>> = Mutex::new(Vec::new());
    extern "C-unwind" fn destroys(argument: *mut c_void) {
        SEEN.lock().unwrap().push(argument as u64);
    }
    static HANDLE: Mutex<ExecAddr> = Mutex::new(ExecAddr::NULL);
    extern "C-unwind" fn destroys_and_registers(argument: *mut c_void) {
        destroys(argument);
        register("__cxa_thread_atexit", destroys, 43, *HANDLE.lock().unwrap());
    }
    let executor = InProcess::new().unwrap();
    let (open, open_handle) = image(&executor);
    let (closed, closed_handle) = image(&executor);
    *HANDLE.lock().unwrap() = open_handle;
    let thread = |function: Registered, argument, handle| {
        register("__cxa_thread_atexit", function, argument, handle);
    };
    std::thread::scope(|scope| {
        let join = scope.spawn(|| {
            thread(destroys, 40, open_handle);
            thread(destroys, 41, closed_handle);
            thread(destroys_and_registers, 42, open_handle);
        });
        join.join().unwrap();
        assert_eq!(std::mem::take(&mut *SEEN.lock().unwrap()), [42, 43, 41, 40]);

        let (ready, wait) = std::sync::mpsc::channel::<()>();
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let join = scope.spawn(move || {
            thread(destroys, 44, open_handle);
            thread(destroys, 45, closed_handle);
            ready.send(()).unwrap();
            gone.recv().unwrap();
        });
        wait.recv().unwrap();
        thread(destroys, 46, closed_handle);
        thread(destroys, 47, open_handle);
        thread(destroys, 48, closed_handle);
        close(&executor, closed);
        assert_eq!(std::mem::take(&mut *SEEN.lock().unwrap()), [48, 46]);
        go.send(()).unwrap();
        join.join().unwrap();
        assert_eq!(std::mem::take(&mut *SEEN.lock().unwrap()), [44]);
    });
    close(&executor, open);
    assert_eq!(std::mem::take(&mut *SEEN.lock().unwrap()), [47]);
}

extern "C" fn main_function(argc: c_int, argv: *const *const c_char, envp: *const *const c_char) -> c_int {
    assert!(!envp.is_null());
    // SAFETY: what C promises about the arguments of main.
    let args = unsafe { std::slice::from_raw_parts(argv, argc as usize + 1) };
    let (last, args) = args.split_last().unwrap();
    assert!(last.is_null());
    // SAFETY: each is a C string.
    let texts: Vec<_> = args.iter().map(|arg| unsafe { CStr::from_ptr(*arg) }.to_str().unwrap()).collect();
    assert_eq!(texts, ["program", "an argument", ""]);
    33
}

#[test]
fn functions_are_called_with_words_and_memory_is_read() {
    extern "C" fn six(a: u64, b: u64, c: u64, d: u64, e: u64, f: u64) -> u64 {
        a + 10 * (b + 10 * (c + 10 * (d + 10 * (e + 10 * f))))
    }
    extern "C" fn none() {}
    let executor = InProcess::new().unwrap();
    let six = ExecAddr(six as *const () as u64);
    // SAFETY: the functions' types.
    assert_eq!(unsafe { executor.call(six, &[1, 2, 3, 4, 5, 6]) }.unwrap(), 654_321);
    // SAFETY: as above.
    unsafe { executor.call(ExecAddr(none as *const () as u64), &[]) }.unwrap();
    // SAFETY: nothing is called.
    assert!(unsafe { executor.call(six, &[0; 7]) }.is_err());
    // SAFETY: nothing is called.
    assert!(unsafe { executor.call(ExecAddr::NULL, &[]) }.is_err());

    let window = executor.reserve_window(1 << 20, Placement::Anywhere).unwrap();
    let request = SegmentRequest { protection: Protection::Read, size: 8, contents: 8, align: 8 };
    let mut allocation = executor.allocate(window.id, &[request]).unwrap();
    allocation.bytes(0).copy_from_slice(b"contents");
    let at = allocation.address(0);
    assert!(executor.read(ExecRange::new(at, 8)).is_err());
    let id = allocation.finalize(&FinalizeActions::default()).unwrap();
    assert_eq!(executor.read(ExecRange::new(at.offset(1), 6)).unwrap(), b"ontent");
    for range in
        [ExecRange::new(at.offset(0x10_0000), 1), ExecRange::new(ExecAddr::NULL, 8), ExecRange::new(at, 1 << 19)]
    {
        assert!(matches!(executor.read(range), Err(ExecutorError::NoSuch { .. })), "{range:?}");
    }
    executor.deallocate(id).unwrap();
    assert!(executor.read(ExecRange::new(at, 8)).is_err());
}

#[test]
fn main_gets_its_arguments() {
    let executor = InProcess::new().unwrap();
    let main = ExecAddr(main_function as *const () as u64);
    let args = ["program", "an argument", ""].map(|text| text.as_bytes().to_vec());
    executor.set_arguments(&args).unwrap();
    // SAFETY: main's type.
    assert_eq!(unsafe { executor.call_main(main, MainForm::Main) }.unwrap(), 33);
    let error = executor.set_arguments(&[b"nul\0byte".into()]).unwrap_err();
    assert!(matches!(error, ExecutorError::Invalid { .. }));
}

/// Runs one test of this program in a process of its own, in which `CHILD` is set; returns exit code and output.
fn run_in_child(test: &str) -> (Option<i32>, String) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env("LINKJIT_TEST_CHILD", "1")
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn is_child() -> bool {
    std::env::var_os("LINKJIT_TEST_CHILD").is_some()
}

extern "C-unwind" fn prints(argument: *mut c_void) {
    eprint!("<{}>", argument as u64);
}

extern "C-unwind" fn prints_and_exits(argument: *mut c_void) {
    prints(argument);
    // SAFETY: what the test is about.
    unsafe { libc::exit(5) };
}

extern "C" fn prints_3() {
    eprint!("<3>");
}

extern "C" fn prints_4() {
    eprint!("<4>");
}

/// Two images with terminators, the first of which exits within an `atexit` function.
fn exit_with_open_images() {
    let executor = std::mem::ManuallyDrop::new(InProcess::new().unwrap());
    let (one, one_handle) = image(&executor);
    let (two, two_handle) = image(&executor);
    let terminators = [prints_3 as *const () as usize, prints_4 as *const () as usize];
    initialize(&executor, one, &[], &[array(&terminators, false)]);
    initialize(&executor, two, &[], &[array(&terminators[1..], false)]);
    for (argument, handle) in [(10, one_handle), (20, two_handle), (11, one_handle), (22, two_handle)] {
        register("__cxa_atexit", prints, argument, handle);
        if argument == 20 {
            register("__cxa_atexit", prints_and_exits, 21, handle);
        }
    }
    register("__cxa_thread_atexit", prints, 30, one_handle);
    // SAFETY: what the test is about.
    unsafe { libc::exit(4) };
}

#[test]
fn exit_runs_what_was_registered_last_first_across_images() {
    if is_child() {
        exit_with_open_images();
    }
    let (code, output) = run_in_child("exit_runs_what_was_registered_last_first_across_images");
    assert_eq!(code, Some(5), "{output}");
    assert!(output.ends_with("<30><22><11><21><20><10><4><3><4>"), "{output}");
}

#[test]
fn quick_exit_runs_its_own_functions() {
    if is_child() {
        unsafe extern "C" {
            fn quick_exit(code: c_int) -> !;
        }
        let executor = std::mem::ManuallyDrop::new(InProcess::new().unwrap());
        let (_, handle) = image(&executor);
        register("__cxa_atexit", prints, 1, handle);
        let by = runtime("__cxa_at_quick_exit").0 as *const ();
        // SAFETY: its type.
        let by: extern "C" fn(extern "C" fn(), u64) -> c_int = unsafe { std::mem::transmute(by) };
        assert_eq!(by(prints_3, handle.0), 0);
        assert_eq!(by(prints_4, handle.0), 0);
        // SAFETY: what the test is about.
        unsafe { quick_exit(6) };
    }
    let (code, output) = run_in_child("quick_exit_runs_its_own_functions");
    assert_eq!(code, Some(6), "{output}");
    assert!(output.ends_with("<4><3>"), "{output}");
}
