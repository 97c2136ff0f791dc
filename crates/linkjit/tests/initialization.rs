//! Which initializers are linked and run by a lookup: those of all that was added, whoever adds it meanwhile. (In which
//! order: `initializers.rs`.)
#![cfg(not(windows))]

mod assembly;
mod host;

use std::ffi::c_int;
use std::sync::{Arc, Mutex, OnceLock};

use assembly::{Workshop, call, call_at, caller, function, source};
use linkjit::Source;
use linkjit::{Error, FunctionUnit, Jit, JitDylib, SymbolFlags, SymbolLookupSet, UnitInterface};

/// What initializers have told, by session: its log's address is what they get.
type Log = Mutex<Vec<c_int>>;

extern "C" fn note(log: &Log, what: c_int) {
    log.lock().unwrap().push(what);
}

/// A session whose code may call `note`, with a log for it.
fn session() -> (Workshop, Jit, Arc<Log>) {
    let (workshop, jit, log) = (Workshop::new(), host::jit().unwrap(), Arc::new(Log::default()));
    jit.define_ptr("note", note as *const ()).unwrap();
    jit.define_ptr("log", Arc::as_ptr(&log)).unwrap();
    (workshop, jit, log)
}

fn take(log: &Log) -> Vec<c_int> {
    std::mem::take(&mut log.lock().unwrap())
}

/// The text of an object whose initializer notes a number and then calls `callee`.
fn text(number: c_int, callee: &str) -> String {
    let call = if callee.is_empty() { String::new() } else { format!("call {callee}@PLT\n") };
    format!(
        "{}.section .init_array,\"aw\"\n.quad 1f\n.text\n1: sub $8,%rsp\nmov log@GOTPCREL(%rip),%rdi\n\
         mov ${number},%esi\ncall note@PLT\n{call}add $8,%rsp\nret\n",
        function(&format!("f{number}"), number)
    )
}

fn initialized(workshop: &Workshop, number: c_int, callee: &str) -> Source {
    source(&workshop.object(&text(number, callee)))
}

/// Rules 26 and 28: initializers are no names that are wanted. What finds addresses only leaves those of others alone; that
/// an object's own are linked with it does not run them.
#[test]
fn a_lookup_without_initializing_runs_none_and_links_no_others() {
    let (workshop, jit, log) = session();
    for number in 1..=3 {
        jit.main().add_object(initialized(&workshop, number, "")).unwrap();
    }
    let address = jit.main().link(&["f2"]).unwrap()[0];
    assert_eq!((call_at(address), jit.session().statistics().objects, take(&log)), (2, 1, vec![]));
    // Nothing but the names is in the result, whatever had to be linked for them.
    let set = SymbolLookupSet::new(["f2"]).weak(["$.1.o.__inits.0"]);
    assert_eq!(jit.main().lookup_set(&set).unwrap(), [Some(address), None]);
    jit.main().initialize().unwrap();
    assert_eq!((jit.session().statistics().objects, take(&log)), (3, vec![1, 2, 3]));
    jit.main().initialize().unwrap();
    assert_eq!(take(&log), []);
}

/// Rule 29: what is materialized to be initialized may add more that is, and pull members that are.
#[test]
fn initializers_that_come_while_units_are_materialized_are_run_too() {
    let (workshop, jit, log) = session();
    jit.add_archive(workshop.archive("rcs", &[&text(9, "")])).unwrap();
    let interface = || UnitInterface::new(Vec::<(&str, SymbolFlags)>::new()).with_initializers();
    let [one, two, three, four] =
        [(1, ""), (2, "f9"), (3, ""), (4, "")].map(|(number, callee)| initialized(&workshop, number, callee));
    let outer = FunctionUnit::new("outer", interface(), move |responsibility| {
        responsibility.dylib().add_object(&four)?;
        let inner = FunctionUnit::new("inner", interface(), move |responsibility| responsibility.add_object(&three));
        responsibility.dylib().define(inner)?;
        responsibility.add_object(&one)
    });
    jit.main().define(outer).unwrap();
    jit.main().define(FunctionUnit::new("two", interface(), move |of| of.add_object(&two))).unwrap();
    jit.main().initialize().unwrap();
    // Those that came while others were made are behind them; the member came last.
    assert_eq!(take(&log), [1, 2, 4, 3, 9]);
}

/// Rule 29, at run time: an initializer adds an object, which is initialized when it is looked up, and at the latest with
/// the next lookup.
#[test]
fn an_initializer_may_add_what_has_initializers() {
    static LATE: OnceLock<(JitDylib, Source)> = OnceLock::new();
    extern "C" fn adds() {
        let (dylib, object) = LATE.get().unwrap();
        dylib.add_object(object).unwrap();
        // Re-entrant: this thread is initializing already.
        dylib.initialize().unwrap();
        assert_eq!(call_at(dylib.link(&["f2"]).unwrap()[0]), 2);
    }
    let (workshop, jit, log) = session();
    jit.define_ptr("adds", adds as *const ()).unwrap();
    LATE.set((jit.main().clone(), initialized(&workshop, 2, ""))).unwrap();
    jit.main().add_object(initialized(&workshop, 1, "adds")).unwrap();
    jit.main().add_object(initialized(&workshop, 3, "")).unwrap();
    assert_eq!(call(&jit, "f1").unwrap(), 1);
    // The one that was added is initialized for the lookup that was made of it, before those that were to come.
    assert_eq!(take(&log), [1, 2, 3]);
}

/// An object whose initializers miss something is not linked, and neither is what is looked up with them; without them it
/// is.
#[test]
fn what_initializers_miss_is_missing() {
    let (workshop, jit, log) = session();
    jit.main().add_object(initialized(&workshop, 1, "missing")).unwrap();
    jit.add_object(workshop.object(&caller("calls", "f5"))).unwrap();
    jit.add_object(workshop.object(&function("f5", 5))).unwrap();
    for _ in 0..2 {
        assert!(matches!(jit.lookup("calls"), Err(Error::Undefined { .. })));
    }
    assert_eq!(call_at(jit.main().link(&["calls"]).unwrap()[0]), 5);
    jit.add_object(workshop.object(&function("missing", 0))).unwrap();
    assert_eq!(call(&jit, "calls").unwrap(), 5);
    assert_eq!(take(&log), [1]);
}
