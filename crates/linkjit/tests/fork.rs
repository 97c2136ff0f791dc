//! Forks of the process while other threads link, materialize and initialize: what is looked up and called in the child is
//! linked there.

#![cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]

mod assembly;
mod host;

use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use assembly::{Workshop, call, caller, function, source};
use linkjit::{ExecAddr, FunctionUnit, Jit, ResourceTracker, SymbolFlags, UnitInterface};

unsafe extern "C" {
    fn fork() -> c_int;
    fn waitpid(process: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn alarm(seconds: u32) -> u32;
    fn _exit(code: c_int) -> !;
}

/// Forks; the child does `work` and ends well if that is true. It is killed if it hangs.
fn in_child(work: impl FnOnce() -> bool) {
    // SAFETY: the child only does what a process with other threads may do after a fork: that is what is tested.
    let process = unsafe { fork() };
    assert!(process >= 0);
    if process == 0 {
        // SAFETY: no preconditions.
        unsafe { alarm(60) };
        let is_well = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or(false);
        // SAFETY: no preconditions; the test is the parent's.
        unsafe { _exit(c_int::from(!is_well)) };
    }
    let mut status = 0;
    // SAFETY: a place for the status of our own child.
    assert_eq!(unsafe { waitpid(process, &raw mut status, 0) }, process);
    assert_eq!(status, 0, "the child failed, or a signal has ended it");
}

/// A thread that does something again and again until this is dropped.
struct Busy {
    is_over: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Busy {
    fn new(mut work: impl FnMut(usize) + Send + 'static) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let ended = is_over.clone();
        let thread =
            std::thread::spawn(move || (0..).take_while(|_| !ended.load(Ordering::Relaxed)).for_each(&mut work));
        Self { is_over, thread: Some(thread) }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// Functions `f0`, `f1`, ..., of which each is linked when it is wanted, and returns its number.
fn functions(count: i32) -> String {
    (0..count).map(|n| format!(".section .text.f{n},\"ax\"\n{}", function(&format!("f{n}"), n))).collect()
}

/// Adds `name`, links it and removes it.
fn come_and_go(jit: &Jit, workshop: &Workshop, name: &str) -> bool {
    let tracker: ResourceTracker = jit.create_tracker().unwrap();
    tracker.add_object(source(&workshop.object(&function(name, 77)))).unwrap();
    let result = call(jit, name);
    // SAFETY: nobody else knows it.
    unsafe { tracker.remove() }.unwrap();
    matches!(result, Ok(77))
}

#[test]
fn functions_are_linked_in_the_child_whatever_other_threads_do() {
    if host::is_remote() {
        return;
    }
    const FORKS: i32 = 100;
    let (workshop, jit) = (Arc::new(Workshop::new()), Arc::new(host::jit().unwrap()));
    jit.add_object(workshop.object(&functions(FORKS))).unwrap();
    let lazy: String = (0..FORKS).map(|n| function(&format!("lazy{n}"), n)).collect();
    jit.main().add_lazy_object(source(&workshop.object(&lazy))).unwrap();
    let callers: String = (0..FORKS).map(|n| caller(&format!("calls{n}"), &format!("lazy{n}"))).collect();
    jit.add_object(workshop.object(&callers)).unwrap();
    for n in 0..FORKS {
        jit.lookup(format!("calls{n}")).unwrap();
    }
    let template = source(&workshop.object(&function("other", 5)));
    let others: Vec<_> = (0..3)
        .map(|thread| {
            let (jit, template) = (jit.clone(), template.clone());
            let dylib = jit.session().create_dylib(&format!("other{thread}")).unwrap();
            Busy::new(move |_| {
                let tracker = dylib.create_tracker().unwrap();
                tracker.add_object(&template).unwrap();
                dylib.link(&["other"]).unwrap();
                // SAFETY: nobody is in its code.
                unsafe { tracker.remove() }.unwrap();
                let session = host::jit().unwrap();
                session.main().add_object(&template).unwrap();
                assert_eq!(call(&session, "other").unwrap(), 5);
                let _jit = &jit;
            })
        })
        .collect();
    for n in 0..FORKS {
        in_child(|| {
            call(&jit, &format!("f{n}")).unwrap() == n
                && call(&jit, &format!("calls{n}")).unwrap() == n
                && come_and_go(&jit, &workshop, "comes")
                && call(&host::jit().unwrap(), "nobody").is_err()
        });
        // The parent goes on, too.
        if n % 10 == 0 {
            assert_eq!(call(&jit, &format!("f{n}")).unwrap(), n);
        }
    }
    drop(others);
    assert!(come_and_go(&jit, &workshop, "goes"));
}

/// A thread that is not there delivers nothing: that is an error for who needs it, and nothing else.
#[test]
fn what_other_threads_were_at_is_given_up_in_the_child() {
    if host::is_remote() {
        return;
    }
    let (workshop, jit) = (Workshop::new(), Arc::new(host::jit().unwrap()));
    let (begun, go_on) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (begin, wait) = (begun.clone(), go_on.clone());
    let interface = UnitInterface::new([("slow", SymbolFlags::DATA)]);
    let unit = FunctionUnit::new("slow", interface, move |responsibility| {
        begin.wait();
        wait.wait();
        responsibility.define_absolute("slow", ExecAddr(16));
        Ok(())
    });
    jit.main().define(unit).unwrap();
    jit.add_object(workshop.object(&function("quick", 3))).unwrap();
    let other = jit.clone();
    let thread = std::thread::spawn(move || other.lookup("slow").unwrap());
    begun.wait();
    in_child(|| {
        let error = jit.lookup("slow").unwrap_err();
        let is_free = jit.main().define_absolute("slow", ExecAddr(8)).is_ok();
        call(&jit, "quick").unwrap() == 3
            && !error.to_string().is_empty()
            && is_free
            && jit.lookup("slow").unwrap() == ExecAddr(8)
    });
    go_on.wait();
    assert_eq!(thread.join().unwrap(), ExecAddr(16));
    assert_eq!(call(&jit, "quick").unwrap(), 3);
}

/// How many initializers run, and whether they may end.
static RUNNING: AtomicUsize = AtomicUsize::new(0);
static MAY_END: AtomicBool = AtomicBool::new(false);

extern "C" fn initializer() {
    RUNNING.fetch_add(1, Ordering::Relaxed);
    while !MAY_END.load(Ordering::Relaxed) {
        std::thread::yield_now();
    }
}

#[test]
fn initializers_of_other_threads_are_not_waited_for() {
    if host::is_remote() {
        return;
    }
    let (workshop, jit) = (Workshop::new(), Arc::new(host::jit().unwrap()));
    jit.main().define_absolute("initializer", ExecAddr::from_ptr(initializer as *const ())).unwrap();
    let initialized = function("initialized", 4) + ".section .init_array,\"aw\"\n.quad initializer\n";
    jit.add_object(workshop.object(&initialized)).unwrap();
    let other = jit.clone();
    let thread = std::thread::spawn(move || call(&other, "initialized").unwrap());
    while RUNNING.load(Ordering::Relaxed) == 0 {
        std::thread::yield_now();
    }
    in_child(|| {
        let jit = &jit;
        jit.add_object(workshop.object(&(function("late", 6) + ".section .init_array,\"aw\"\n.quad late\n"))).unwrap();
        call(jit, "late").unwrap() == 6 && call(jit, "initialized").unwrap() == 4
    });
    MAY_END.store(true, Ordering::Relaxed);
    assert_eq!(thread.join().unwrap(), 4);
}

/// The thread that forks is itself linking, materializing or initializing: it goes on with that in both processes.
#[test]
fn who_forks_while_it_is_asked_for_a_unit_delivers_it_twice() {
    let jit = Arc::new(host::jit().unwrap());
    let within = jit.clone();
    let interface = UnitInterface::new([("asked", SymbolFlags::DATA)]);
    let unit = FunctionUnit::new("asked", interface, move |responsibility| {
        in_child(|| within.main().define_absolute("defined", ExecAddr(9)).is_ok() && within.lookup("defined").is_ok());
        responsibility.define_absolute("asked", ExecAddr(32));
        Ok(())
    });
    jit.main().define(unit).unwrap();
    assert_eq!(jit.lookup("asked").unwrap(), ExecAddr(32));
}
