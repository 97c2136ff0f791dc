//! Callbacks of the user that do what nobody expects of them: they panic, close what calls them, or drop the last handle of
//! a session. Errors, not hangs, and the session goes on where there still is one.
#![cfg(not(windows))]

mod assembly;
mod host;

use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use assembly::{Workshop, call, call_at, caller, function, source};
use linkjit::executor::{ExecRange, MemoryProvider, Placement, Protection, Result, SystemMemory};
use linkjit::{
    Error, ExecAddr, ExecutionSession, FunctionGenerator, FunctionUnit, JitDylib, MaterializationResponsibility,
    MaterializationUnit, ResourceTracker, SymbolFlags, SymbolLookupSet, SymbolName, UnitInterface,
};

fn unit(
    name: &str,
    make: impl FnOnce(&mut MaterializationResponsibility) -> linkjit::Result<()> + Send + 'static,
) -> impl MaterializationUnit + 'static {
    FunctionUnit::new(name.to_owned(), UnitInterface::new([(name.to_owned(), SymbolFlags::FUNCTION)]), make)
}

fn remove(tracker: &ResourceTracker) -> linkjit::Result<()> {
    // SAFETY: nobody is in its code, or it is refused.
    unsafe { tracker.remove() }
}

fn close(dylib: &JitDylib) -> linkjit::Result<()> {
    // SAFETY: as above.
    unsafe { dylib.clone().close() }
}

fn close_all(session: &ExecutionSession) -> linkjit::Result<()> {
    // SAFETY: as above.
    unsafe { session.close() }
}

fn panicking<T>(action: impl FnOnce() -> T) {
    assert!(catch_unwind(AssertUnwindSafe(action)).is_err());
}

/// The system's memory; asking for it panics when the count comes to zero.
#[derive(Debug, Default)]
struct Panicking(AtomicU64);

impl Panicking {
    fn ask(&self) {
        let left = self.0.load(Ordering::Relaxed);
        self.0.store(left.saturating_sub(1), Ordering::Relaxed);
        assert_ne!(left, 1, "on purpose");
    }
}

// SAFETY: all is the system's memory.
unsafe impl MemoryProvider for Panicking {
    fn reserve(&self, size: u64, placement: Placement) -> Result<ExecRange> {
        self.ask();
        SystemMemory.reserve(size, placement)
    }

    fn commit(&self, pages: ExecRange) -> Result<()> {
        self.ask();
        SystemMemory.commit(pages)
    }

    fn protect(&self, pages: ExecRange, protection: Protection) -> Result<()> {
        self.ask();
        SystemMemory.protect(pages, protection)
    }

    fn recycle(&self, pages: ExecRange, was: Protection) -> Result<()> {
        self.ask();
        SystemMemory.recycle(pages, was)
    }

    fn release(&self, window: ExecRange) {
        SystemMemory.release(window);
    }
}

#[test]
fn a_memory_provider_may_panic_whenever_it_is_asked() {
    let workshop = Workshop::new();
    let text = format!("{}.data\n.globl v\nv: .long 7\n", function("f", 1) + &caller("g", "f"));
    let object = source(&workshop.object(&text));
    let mut panics = 0;
    for at in 1..12 {
        let memory = Arc::new(Panicking::default());
        let jit = host::builder().memory(memory.clone()).window_size(1 << 20).build().unwrap();
        let tracker = jit.create_tracker().unwrap();
        tracker.add_object(&object).unwrap();
        memory.0.store(at, Ordering::Relaxed);
        let found = catch_unwind(AssertUnwindSafe(|| jit.main().link(&["g", "v"])));
        if found.is_ok() {
            let removed = catch_unwind(AssertUnwindSafe(|| remove(&tracker)));
            panics += u32::from(removed.is_err());
            memory.0.store(0, Ordering::Relaxed);
        } else {
            panics += 1;
            memory.0.store(0, Ordering::Relaxed);
            assert_eq!(call(&jit, "g").unwrap(), 1);
            remove(&tracker).unwrap();
        }
        assert!(matches!(jit.lookup("g"), Err(Error::Undefined { .. })), "{at}");
        jit.main().add_object(&object).unwrap();
        assert_eq!(call(&jit, "g").unwrap(), 1);
    }
    assert!(panics > 5, "{panics}");
}

/// What code tries that is told to end all it is of.
static ENDING: Mutex<Option<ResourceTracker>> = Mutex::new(None);
static OUTCOMES: Mutex<Vec<linkjit::Result<()>>> = Mutex::new(Vec::new());

extern "C" fn ends_all() {
    let tracker = ENDING.lock().unwrap().clone().unwrap();
    let dylib = tracker.dylib();
    OUTCOMES.lock().unwrap().extend([remove(&tracker), close(&dylib), close_all(dylib.session())]);
}

/// Nobody could go back to it.
#[test]
fn initializers_and_terminators_can_not_end_what_they_are_of() {
    for (array, at_close) in [("init_array", false), ("fini_array", false), ("fini_array", true)] {
        let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
        jit.define_ptr("ends_all", ends_all as *const ()).unwrap();
        let tracker = jit.create_tracker().unwrap();
        *ENDING.lock().unwrap() = Some(tracker.clone());
        let text = format!("{}.section .{array},\"aw\"\n.quad end\n.text\nend: jmp ends_all@PLT\n", function("f", 1));
        tracker.add_object(source(&workshop.object(&text))).unwrap();
        assert_eq!(call(&jit, "f").unwrap(), 1);
        if at_close { close_all(jit.session()) } else { remove(&tracker) }.unwrap();
        let outcomes = std::mem::take(&mut *OUTCOMES.lock().unwrap());
        assert_eq!(outcomes.len(), 3, "{array}");
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(Error::Reentrant))), "{array}: {outcomes:?}");
        *ENDING.lock().unwrap() = None;
    }
}

#[test]
fn a_unit_may_ask_for_the_end_of_what_it_is_of() {
    for threads in [0, 2] {
        for which in 0..4 {
            let (workshop, jit) = (Workshop::new(), host::builder().threads(threads).build().unwrap());
            let tracker = jit.create_tracker().unwrap();
            let removed = tracker.clone();
            let object = source(&workshop.object(&function("f", 1)));
            let (sender, told) = mpsc::channel();
            let define = unit("f", move |responsibility| {
                let result = match which {
                    0 => remove(&removed),
                    // SAFETY: there is no code yet.
                    1 => unsafe { removed.retire() },
                    2 => close(&removed.dylib()),
                    _ => close_all(removed.dylib().session()),
                };
                sender.send(result.is_ok()).unwrap();
                responsibility.add_object(&object)
            });
            tracker.define(define).unwrap();
            let result = jit.main().lookup_future(&SymbolLookupSet::new(["f"])).wait();
            assert!(matches!(result, Err(Error::TrackerRemoved)), "{threads} {which} {result:?}");
            assert!(told.recv().unwrap(), "{threads} {which}");
        }
    }
}

#[test]
fn a_generator_may_close_its_jitdylib() {
    let jit = host::jit().unwrap();
    let other = jit.create_dylib("other").unwrap();
    let closing = FunctionGenerator::new("closing", |dylib: &JitDylib, _: &[linkjit::Wanted<'_>]| close(dylib));
    other.add_generator(Arc::new(closing)).unwrap();
    jit.main().add_to_link_order(&other, linkjit::MatchScope::Exported).unwrap();
    assert!(matches!(jit.lookup("anything"), Err(Error::Undefined { .. })));
    assert!(matches!(other.link(&["anything"]), Err(Error::Closed)));
    assert!(jit.lookup("abs").is_ok());
}

#[test]
fn the_last_handle_may_go_while_something_is_made() {
    for threads in [0, 1] {
        let jit = host::builder().threads(threads).build().unwrap();
        let handle = Arc::new(Mutex::new(None));
        let (taken, (sender, told)) = (handle.clone(), mpsc::channel());
        let define = unit("f", move |responsibility| {
            drop(taken.lock().unwrap().take());
            responsibility.define_absolute("f", ExecAddr(1));
            sender.send(()).unwrap();
            Ok(())
        });
        jit.main().define(define).unwrap();
        let future = jit.main().lookup_future(&SymbolLookupSet::new(["f"]));
        *handle.lock().unwrap() = Some(jit);
        if threads == 0 {
            assert_eq!(future.wait().unwrap(), [Some(ExecAddr(1))]);
        } else {
            told.recv().unwrap();
            drop(future);
        }
    }
}

struct DropPanics;

impl Drop for DropPanics {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("on purpose");
        }
    }
}

#[test]
fn a_unit_may_panic_when_it_is_dropped() {
    for threads in [0, 2] {
        let jit = host::builder().threads(threads).build().unwrap();
        let define = |tracker: &ResourceTracker, name: &str| {
            let held = DropPanics;
            let unit = unit(name, move |responsibility| {
                let _held = held;
                responsibility.define_absolute("f", ExecAddr(1));
                Ok(())
            });
            tracker.define(unit)
        };
        let tracker = jit.create_tracker().unwrap();
        define(&tracker, "f").unwrap();
        panicking(|| remove(&tracker));
        assert!(matches!(jit.lookup("f"), Err(Error::Undefined { .. })));
        let tracker = jit.create_tracker().unwrap();
        define(&tracker, "f").unwrap();
        let result = catch_unwind(AssertUnwindSafe(|| jit.main().lookup_future(&SymbolLookupSet::new(["f"])).wait()));
        assert!(!matches!(result, Ok(Ok(_))), "{threads}");
        assert!(jit.lookup("abs").is_ok(), "{threads}");
    }
}

#[test]
fn a_handler_of_lazy_failures_may_panic() {
    if host::is_remote() {
        return;
    }
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.session().set_lazy_failure_handler(Arc::new(|_| panic!("on purpose")));
    let other = jit.create_dylib("other").unwrap();
    jit.main().lazy_reexports(&other, &[("f", "not_there")]).unwrap();
    let f = jit.lookup("f").unwrap();
    fn call_it(f: ExecAddr) -> c_int {
        // SAFETY: its type.
        let function: extern "C-unwind" fn() -> c_int = unsafe { std::mem::transmute(f.0 as *const ()) };
        function()
    }
    panicking(|| call_it(f));
    other.add_object(workshop.object(&function("not_there", 5))).unwrap();
    assert_eq!(call_at(f), 5);
}

#[test]
fn a_jitdylib_is_closed_while_lookups_wait_for_its_units() {
    let jit = host::builder().threads(2).build().unwrap();
    let other = jit.create_dylib("other").unwrap();
    let (begun, has_begun) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let define = unit("f", move |responsibility| {
        begun.send(()).unwrap();
        may_go.recv().unwrap();
        responsibility.define_absolute("f", ExecAddr(1));
        Ok(())
    });
    other.define(define).unwrap();
    let futures: Vec<_> = (0..5).map(|_| other.lookup_future(&SymbolLookupSet::new(["f"]))).collect();
    has_begun.recv().unwrap();
    close(&other).unwrap();
    go.send(()).unwrap();
    for future in futures {
        let result = future.wait();
        assert!(matches!(result, Err(Error::TrackerRemoved | Error::Closed)), "{result:?}");
    }
}

/// A unit of which one method panics.
#[derive(Debug)]
struct Panics(&'static str);

impl Panics {
    fn at(&self, method: &str) {
        assert_ne!(self.0, method, "on purpose");
    }
}

impl MaterializationUnit for Panics {
    fn name(&self) -> String {
        self.at("name");
        "a unit".into()
    }

    fn interface(&self) -> UnitInterface {
        self.at("interface");
        UnitInterface::new([("f", SymbolFlags::FUNCTION.weak()), ("g", SymbolFlags::FUNCTION)])
    }

    fn materialize(self: Box<Self>, mut responsibility: MaterializationResponsibility) {
        self.at("materialize");
        responsibility.define_absolute("g", ExecAddr(2));
        let _told = responsibility.complete();
    }

    fn discard(&mut self, _: &SymbolName) {
        self.at("discard");
    }
}

#[test]
fn any_method_of_a_unit_may_panic() {
    for method in ["name", "interface", "discard", "materialize"] {
        let jit = host::jit().unwrap();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            jit.main().define(Panics(method)).unwrap();
            jit.main().define_absolute("f", ExecAddr(1)).unwrap();
            jit.lookup("g").unwrap();
        }));
        assert!(outcome.is_err(), "{method}");
        // Whatever it was in the midst of, names can be defined and found.
        let _taken = jit.main().define_absolute("f", ExecAddr(1));
        assert_eq!(jit.lookup("f").unwrap(), ExecAddr(1), "{method}");
        let _taken = jit.main().define_absolute("g", ExecAddr(2));
        assert_eq!(jit.lookup("g").unwrap(), ExecAddr(2), "{method}");
    }
}
