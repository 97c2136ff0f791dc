//! Sessions that get another executor, because the process of the old one is gone.
#![cfg(unix)]

mod host;
mod support;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use linkjit::executor::{Executor, InProcess};
use linkjit::{
    AbsoluteSymbols, DefinitionGenerator, Error, ErrorKind, ExecAddr, FunctionUnit, Jit, JitDylib, MatchScope,
};
use linkjit::{
    MaterializationResponsibility, MaterializationUnit, Result, Source, SymbolFlags, UnitInterface, Wanted,
    WeakJitDylib,
};
use linkjit_remote::{Child, Remote, Token, Transport};
use support::{compile, compile_file, run, tool};

/// An executor at the other end of a connection, in this process.
fn connected() -> Arc<Remote> {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let theirs = Transport::unix(theirs).unwrap();
    thread::spawn(|| linkjit_remote::serve(theirs, &Token::none(), Arc::new(InProcess::new().unwrap())));
    Arc::new(Remote::connect(Transport::unix(ours).unwrap(), &Token::none()).unwrap())
}

/// An executor in another process.
fn child() -> Arc<Remote> {
    let mut command = Command::new("sh");
    let script = "LINKJIT_TEST_SERVES=$2 exec \"$0\" --exact is_an_executor --nocapture";
    command.args(["-c", script]).arg(std::env::current_exe().unwrap());
    Arc::new(Child::start(command).unwrap())
}

#[test]
fn is_an_executor() {
    // It is the process that other tests start.
    let Ok(fd) = std::env::var("LINKJIT_TEST_SERVES") else { return };
    host::serve(["--fd".to_owned(), fd].into_iter());
}

fn session(remote: &Arc<Remote>) -> Jit {
    Jit::builder().executor(remote.clone()).replaceable().build().unwrap()
}

fn object(name: &str, text: &str) -> Source {
    Source::new(name, compile("-O1 -ffunction-sections -fdata-sections", text))
}

/// Calls a function of no arguments.
fn call(jit: &JitDylib, name: &str) -> Result<u64> {
    let function = jit.lookup(name)?;
    // SAFETY: the functions of these tests take nothing and return an integer.
    Ok(unsafe { jit.session().executor().call(function, &[])? })
}

const COUNTER: &str = "static int count; __attribute__((constructor)) static void begin(void) { count = 10; }
    unsigned long next(void) { return ++count; }";

#[test]
fn a_session_goes_on_in_another_process() {
    let first = child();
    let jit = session(&first);
    jit.add_object(object("counter.o", COUNTER)).unwrap();
    jit.add_object(object("crash.o", "unsigned long crash(void) { return *(volatile int *) 16; }")).unwrap();
    assert_eq!(call(&jit, "next").unwrap(), 11);
    assert_eq!(call(&jit, "next").unwrap(), 12);
    let crash = call(&jit, "crash").unwrap_err();
    assert_eq!(crash.kind(), ErrorKind::Disconnected, "{crash}");
    assert_eq!(call(&jit, "next").unwrap_err().kind(), ErrorKind::Disconnected);

    let second = child();
    let lost = jit.session().replace_executor(second.clone()).unwrap();
    assert_eq!(lost.iter().map(JitDylib::name).collect::<Vec<_>>(), ["main"]);
    assert_ne!(first.process_id(), second.process_id());
    // Constructors have run in the new process, and the count begins anew.
    assert_eq!(call(&jit, "next").unwrap(), 11);
    jit.add_object(object("more.o", "unsigned long next(void); unsigned long more(void) { return next() + 100; }"))
        .unwrap();
    assert_eq!(call(&jit, "more").unwrap(), 112);
    // Again, and before anything is wrong with the process.
    assert_eq!(jit.session().replace_executor(child()).unwrap().len(), 1);
    assert_eq!(call(&jit, "more").unwrap(), 111);
    assert!(second.exit_status().is_some(), "the one before is shut down");
}

#[test]
fn whoever_waits_for_the_old_executor_gets_an_error() {
    let jit = session(&child());
    jit.add_object(object("hang.o", "#include <unistd.h>\nunsigned long hang(void) { for (;;) pause(); }")).unwrap();
    jit.lookup("hang").unwrap();
    let dylib = jit.main().clone();
    let waiting = thread::spawn(move || call(&dylib, "hang"));
    // The call need not have begun: then the next lookup is for the new process, where it would hang as well.
    thread::sleep(std::time::Duration::from_millis(100));
    jit.session().replace_executor(child()).unwrap();
    let error = waiting.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disconnected, "{error}");
}

#[test]
fn link_orders_trackers_and_what_they_own_stay() {
    let jit = session(&connected());
    let (plugin, base) = (jit.create_dylib("plugin").unwrap(), jit.create_dylib("base").unwrap());
    plugin.add_to_link_order(&base, MatchScope::Exported).unwrap();
    base.add_object(object("base.o", "unsigned long size(void) { return 5; }")).unwrap();
    let [kept, removed, given] = [(); 3].map(|()| plugin.create_tracker().unwrap());
    kept.add_object(object("kept.o", "unsigned long size(void); unsigned long twice(void) { return 2 * size(); }"))
        .unwrap();
    removed.add_object(object("removed.o", "unsigned long gone(void) { return 1; }")).unwrap();
    given.add_object(object("given.o", "unsigned long given(void) { return 7; }")).unwrap();
    plugin.define_alias("double", "twice").unwrap();
    plugin.define_absolute("place", ExecAddr(4096)).unwrap();
    given.transfer_to(&kept).unwrap();
    assert_eq!((call(&plugin, "double").unwrap(), call(&plugin, "gone").unwrap()), (10, 1));
    // SAFETY: nobody is in the code.
    unsafe { removed.remove().unwrap() };

    let lost = jit.session().replace_executor(connected()).unwrap();
    assert_eq!(lost.len(), 2, "{lost:?}");
    assert_eq!(call(&plugin, "double").unwrap(), 10);
    assert!(call(&plugin, "gone").is_err());
    // An address of the old process would mean nothing.
    assert!(plugin.lookup("place").is_err());
    plugin.define_absolute("place", ExecAddr(8192)).unwrap();
    assert_eq!(plugin.lookup("place").unwrap(), ExecAddr(8192));
    assert_eq!(call(&plugin, "given").unwrap(), 7);
    // SAFETY: as above.
    unsafe { kept.remove().unwrap() };
    assert!(call(&plugin, "twice").is_err() && call(&plugin, "given").is_err());
    // SAFETY: as above.
    unsafe { plugin.close().unwrap() };
    jit.session().replace_executor(connected()).unwrap();
    assert!(jit.session().dylib("plugin").is_none());
    assert_eq!(call(&base, "size").unwrap(), 5);
}

#[test]
fn lazy_and_updatable_objects_archives_and_discarded_ones() {
    let jit = session(&connected());
    jit.add_lazy_object(object("lazy.o", "unsigned long lazy(void) { return 1; }")).unwrap();
    jit.add_updatable_object(object("up.o", "unsigned long up(void) { return 1; }")).unwrap();
    let member = compile_file("", "unsigned long member(void) { return 3; }");
    let archive = member.with_extension("a");
    run(tool("ar").arg("rcs").args([&archive, &member]));
    jit.add_archive(&archive).unwrap();
    jit.add_object(object(
        "bad.o",
        "void missing(void); __attribute__((constructor)) static void f(void) { missing(); }",
    ))
    .unwrap();
    jit.discard_object("bad.o").unwrap();
    let all = |jit: &Jit| ["lazy", "up", "member"].map(|name| call(jit, name).unwrap());
    assert_eq!(all(&jit), [1, 1, 3]);
    // SAFETY: nobody is in the code.
    let generation =
        unsafe { jit.update().replace(object("up.o", "unsigned long up(void) { return 2; }")).commit().unwrap() };
    assert_eq!(all(&jit), [1, 2, 3]);
    jit.session().replace_executor(connected()).unwrap();
    assert_eq!(all(&jit), [1, 2, 3]);
    // SAFETY: as above.
    assert!(unsafe { generation.rollback() }.is_err());
    // SAFETY: as above.
    let _next =
        unsafe { jit.update().replace(object("up.o", "unsigned long up(void) { return 4; }")).commit().unwrap() };
    assert_eq!(all(&jit), [1, 4, 3]);
}

/// Defines `twelve`, by an address that it has to ask for each time.
#[derive(Debug)]
struct Counted(Arc<AtomicU32>);

impl DefinitionGenerator for Counted {
    fn generate(&self, dylib: &JitDylib, names: &[Wanted<'_>]) -> Result<()> {
        if names.iter().any(|wanted| wanted.name == b"generated") {
            dylib.define_absolute("generated", ExecAddr(u64::from(self.0.fetch_add(1, Ordering::Relaxed)) + 1))?;
        }
        Ok(())
    }

    fn describe(&self) -> String {
        "a counter".into()
    }
}

#[test]
fn units_and_generators_go_on() {
    let jit = session(&connected());
    let generator: Arc<dyn DefinitionGenerator> = Arc::new(Counted(Arc::default()));
    jit.add_generator(generator.clone()).unwrap();
    let made = Arc::new(AtomicU32::new(0));
    for (name, text) in
        [("early", "unsigned long early(void) { return 1; }"), ("late", "unsigned long late(void) { return 2; }")]
    {
        let (made, object) = (made.clone(), object(&format!("{name}.o"), text));
        jit.define(FunctionUnit::new(
            name,
            UnitInterface::new([(name, SymbolFlags::FUNCTION)]),
            move |responsibility| {
                made.fetch_add(1, Ordering::Relaxed);
                responsibility.add_object(&object)
            },
        ))
        .unwrap();
    }
    assert_eq!(call(&jit, "early").unwrap(), 1);
    assert_eq!(jit.lookup("generated").unwrap(), ExecAddr(1));
    for _ in 0..2 {
        jit.session().replace_executor(connected()).unwrap();
        assert_eq!(call(&jit, "early").unwrap(), 1);
    }
    // It is asked again in each process in which somebody wants it.
    assert_eq!(jit.lookup("generated").unwrap(), ExecAddr(2));
    assert_eq!(call(&jit, "late").unwrap(), 2);
    // Each is made once.
    assert_eq!(made.load(Ordering::Relaxed), 2);
    jit.remove_generator(&generator).unwrap();
    jit.session().replace_executor(connected()).unwrap();
    assert!(jit.lookup("generated").is_err());
    assert_eq!(["early", "late"].map(|name| call(&jit, name).unwrap()), [1, 2]);
}

#[test]
fn a_unit_that_is_being_made_is_waited_for() {
    let jit = session(&connected());
    let (begun, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let object = object("slow.o", "unsigned long slow(void) { return 9; }");
    jit.define(FunctionUnit::new(
        "slow",
        UnitInterface::new([("slow", SymbolFlags::FUNCTION)]),
        move |responsibility| {
            begun.send(()).unwrap();
            may_go_on.recv().unwrap();
            responsibility.add_object(&object)
        },
    ))
    .unwrap();
    let dylib = jit.main().clone();
    let asking = thread::spawn(move || dylib.lookup("slow").is_ok());
    has_begun.recv().unwrap();
    let session = jit.session().clone();
    let replacing = thread::spawn(move || session.replace_executor(connected()).is_ok());
    go_on.send(()).unwrap();
    assert!(replacing.join().unwrap());
    // Its lookup may have been for either process.
    let _either = asking.join().unwrap();
    assert_eq!(call(&jit, "slow").unwrap(), 9);
}

/// A step of a unit, for which it waits for the test.
#[derive(Clone, Debug)]
struct Steps {
    told: mpsc::Sender<&'static str>,
    may_go_on: Arc<Mutex<mpsc::Receiver<()>>>,
}

impl Steps {
    fn step(&self, what: &'static str) {
        self.told.send(what).unwrap();
        self.may_go_on.lock().unwrap().recv().unwrap();
    }
}

/// A unit that says when it is begun, and goes on for a while when it has delivered.
#[derive(Debug)]
struct Slow(&'static str, Source, Steps);

impl MaterializationUnit for Slow {
    fn name(&self) -> String {
        self.0.into()
    }

    fn interface(&self) -> UnitInterface {
        UnitInterface::new([(self.0, SymbolFlags::FUNCTION)])
    }

    fn materialize(self: Box<Self>, mut responsibility: MaterializationResponsibility) {
        self.2.step("begun");
        responsibility.add_object(&self.1).unwrap();
        responsibility.complete().unwrap();
        self.2.step("delivered");
    }
}

/// An executor at the other end of a connection that passes nothing on when it is `asked` something with this text for the
/// first time, before it may.
fn hesitant(steps: Steps, text: &str) -> Arc<Remote> {
    let text = text.as_bytes().to_vec();
    let (ours, mut near) = UnixStream::pair().unwrap();
    let (mut far, theirs) = UnixStream::pair().unwrap();
    let theirs = Transport::unix(theirs).unwrap();
    thread::spawn(|| linkjit_remote::serve(theirs, &Token::none(), Arc::new(InProcess::new().unwrap())));
    let (connected, is_connected) = mpsc::channel();
    let (mut back, mut from) = (near.try_clone().unwrap(), far.try_clone().unwrap());
    thread::spawn(move || std::io::copy(&mut from, &mut back));
    thread::spawn(move || {
        let (mut bytes, mut steps, mut is_asked) = ([0; 4096], Some(steps), false);
        while let Ok(count @ 1..) = near.read(&mut bytes) {
            is_asked = is_asked || is_connected.try_recv().is_ok();
            if is_asked
                && bytes[..count].windows(text.len().max(1)).any(|part| part.starts_with(&text))
                && let Some(steps) = steps.take()
            {
                steps.step("asked");
            }
            far.write_all(&bytes[..count]).unwrap();
        }
    });
    let remote = Arc::new(Remote::connect(Transport::unix(ours).unwrap(), &Token::none()).unwrap());
    connected.send(()).unwrap();
    remote
}

#[test]
fn a_unit_that_is_begun_while_the_new_process_is_prepared_is_waited_for() {
    let (told, tells) = mpsc::channel();
    let steps = || {
        let (go_on, may_go_on) = mpsc::channel();
        (Steps { told: told.clone(), may_go_on: Arc::new(Mutex::new(may_go_on)) }, go_on)
    };
    let is_told = |what| assert_eq!(tells.recv().unwrap(), what);
    let jit = Jit::builder().executor(connected()).replaceable().threads(0).build().unwrap();
    let (units, unit) = steps();
    for (name, text) in
        [("one", "unsigned long one(void) { return 1; }"), ("two", "unsigned long two(void) { return 2; }")]
    {
        jit.define(Slow(name, object(name, text), units.clone())).unwrap();
    }
    let dylib = jit.main().clone();
    let asking = thread::spawn(move || dylib.link(&["one", "two"]).is_ok());
    is_told("begun");
    let (executor, new) = steps();
    let executor = hesitant(executor, "");
    let session = jit.session().clone();
    let replacing = thread::spawn(move || session.replace_executor(executor).map(drop));
    unit.send(()).unwrap();
    // In either order.
    let mut both = [tells.recv().unwrap(), tells.recv().unwrap()];
    both.sort_unstable();
    assert_eq!(both, ["asked", "delivered"]);
    // The lookup knows of the other one, and does not have to link to begin it.
    unit.send(()).unwrap();
    is_told("begun");
    new.send(()).unwrap();
    // A replacement that does not wait for it is through by then.
    thread::sleep(std::time::Duration::from_millis(100));
    unit.send(()).unwrap();
    is_told("delivered");
    unit.send(()).unwrap();
    replacing.join().unwrap().unwrap();
    // Its lookup may have been for either process.
    let _either = asking.join().unwrap();
    assert_eq!(["one", "two"].map(|name| call(&jit, name).unwrap()), [1, 2]);
}

#[test]
fn a_lookup_that_had_pulled_something_puts_nothing_of_the_old_process_back() {
    let (told, tells) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let steps = Steps { told, may_go_on: Arc::new(Mutex::new(may_go_on)) };
    let jit = Jit::builder().executor(child()).replaceable().threads(0).build().unwrap();
    let here = compile_file("-fPIC", "unsigned long shared(void) { return 5; }");
    let library = here.with_extension("so");
    run(tool("gcc").arg("-shared").arg("-o").args([&library, &here]));
    jit.add_library(&library).unwrap();
    let before = jit.lookup("shared").unwrap();
    // It takes the place of the library's function.
    let member = compile_file("", "unsigned long shared(void) { return 6; } unsigned long pulled(void) { return 7; }");
    let archive = member.with_extension("a");
    run(tool("ar").arg("rcs").args([&archive, &member]));
    jit.add_archive(&archive).unwrap();
    let unit = object("unit.o", "unsigned long missing(void); unsigned long unit(void) { return missing(); }");
    jit.define(Slow("unit", unit, steps)).unwrap();
    let dylib = jit.main().clone();
    let asking = thread::spawn(move || dylib.link(&["pulled", "unit"]).is_ok());
    for what in ["begun", "delivered"] {
        assert_eq!(tells.recv().unwrap(), what);
        if what == "begun" {
            go_on.send(()).unwrap();
        }
    }
    jit.session().replace_executor(child()).unwrap();
    go_on.send(()).unwrap();
    assert!(!asking.join().unwrap());
    assert_ne!(jit.lookup("shared").unwrap(), before);
    assert_eq!(call(&jit, "shared").unwrap(), 5);
}

#[test]
fn what_the_default_tracker_had_goes_with_it_or_stays_with_another() {
    let jit = session(&connected());
    jit.add_object(object("gone.o", "unsigned long gone(void) { return 1; }")).unwrap();
    let interface = UnitInterface::new([("unit", SymbolFlags::FUNCTION)]);
    let made = object("unit.o", "unsigned long unit(void) { return 2; }");
    jit.define(FunctionUnit::new("unit", interface, move |responsibility| responsibility.add_object(&made))).unwrap();
    jit.lazy_reexports(&jit, &[("lazy", "gone")]).unwrap();
    assert_eq!((call(&jit, "lazy").unwrap(), call(&jit, "unit").unwrap()), (1, 2));
    // SAFETY: nobody is in the code.
    unsafe { jit.default_tracker().unwrap().remove().unwrap() };
    jit.add_object(object("given.o", "unsigned long given(void) { return 3; }")).unwrap();
    let tracker = jit.create_tracker().unwrap();
    jit.default_tracker().unwrap().transfer_to(&tracker).unwrap();
    jit.session().replace_executor(connected()).unwrap();
    for name in ["gone", "unit", "lazy"] {
        assert!(jit.lookup(name).is_err(), "{name}");
    }
    assert_eq!(call(&jit, "given").unwrap(), 3);
    // SAFETY: as above.
    unsafe { tracker.remove().unwrap() };
    assert!(jit.lookup("given").is_err());
}

#[test]
fn a_failed_replacement_changes_nothing_in_the_tables() {
    let jit = session(&connected());
    jit.add_object(object("f.o", "unsigned long f(void) { return 1; }")).unwrap();
    let interface = UnitInterface::new([("unit", SymbolFlags::FUNCTION)]);
    let made = object("unit.o", "unsigned long unit(void) { return 2; }");
    jit.define(FunctionUnit::new("unit", interface, move |responsibility| responsibility.add_object(&made))).unwrap();
    let object = compile_file("-fPIC", "int there;");
    let (library, hidden) = (object.with_extension("so"), object.with_extension("hidden"));
    run(tool("gcc").arg("-shared").arg("-o").args([&library, &object]));
    jit.add_library(&library).unwrap();
    std::fs::rename(&library, &hidden).unwrap();
    // Another process has not loaded it.
    let error = jit.session().replace_executor(child()).unwrap_err();
    assert!(error.to_string().contains(".so"), "{error}");
    std::fs::rename(&hidden, &library).unwrap();
    jit.session().replace_executor(child()).unwrap();
    assert_eq!((call(&jit, "f").unwrap(), call(&jit, "unit").unwrap()), (1, 2));
    jit.lookup("there").unwrap();
}

#[test]
fn only_sessions_that_remember_and_are_elsewhere_can_be_given_another() {
    let why = |jit: Jit, executor: Arc<dyn Executor>| match jit.session().replace_executor(executor) {
        Err(Error::NotReplaceable { why }) => why,
        other => panic!("{other:?}"),
    };
    let forgetful = Jit::builder().executor(connected()).build().unwrap();
    assert!(why(forgetful, connected()).contains("replaceable"));
    let here = Jit::builder().replaceable().build().unwrap();
    assert!(why(here, connected()).contains("this process"));
    let other = host::elsewhere::Elsewhere::of_arch(InProcess::new().unwrap(), linkjit::executor::Arch::AArch64);
    assert!(why(session(&connected()), Arc::new(other)).contains("aarch64"));
}

/// A step of a test, and what lets it go on.
fn steps(told: &mpsc::Sender<&'static str>) -> (Steps, mpsc::Sender<()>) {
    let (go_on, may_go_on) = mpsc::channel();
    (Steps { told: told.clone(), may_go_on: Arc::new(Mutex::new(may_go_on)) }, go_on)
}

/// A library, which a session adds again to its tables with the help of its executor.
fn library() -> std::path::PathBuf {
    let object = compile_file("-fPIC", "int in_library;");
    let library = object.with_extension("so");
    run(tool("gcc").arg("-shared").arg("-o").args([&library, &object]));
    library
}

#[test]
fn a_unit_that_is_taken_up_amid_a_replacement_is_found_again() {
    let (told, tells) = mpsc::channel();
    let jit = Jit::builder().executor(connected()).replaceable().threads(0).build().unwrap();
    jit.add_library(library()).unwrap();
    let (units, unit) = steps(&told);
    jit.define(Slow("one", object("one.o", "unsigned long one(void) { return 1; }"), units)).unwrap();
    let two = object("two.o", "unsigned long two(void) { return 2; }");
    let interface = UnitInterface::new([("two", SymbolFlags::FUNCTION)]);
    jit.define(FunctionUnit::new("two", interface, move |responsibility| responsibility.add_object(&two))).unwrap();
    let dylib = jit.main().clone();
    let asking = thread::spawn(move || dylib.link(&["one", "two"]).map(drop));
    assert_eq!(tells.recv().unwrap(), "begun");
    unit.send(()).unwrap();
    assert_eq!(tells.recv().unwrap(), "delivered");
    // No unit is begun, and the lookup is about to begin the other one.
    let (executor, new) = steps(&told);
    let executor = hesitant(executor, ".so");
    let session = jit.session().clone();
    let replacing = thread::spawn(move || session.replace_executor(executor).map(drop));
    assert_eq!(tells.recv().unwrap(), "asked");
    unit.send(()).unwrap();
    thread::sleep(std::time::Duration::from_millis(50));
    new.send(()).unwrap();
    replacing.join().unwrap().unwrap();
    asking.join().unwrap().unwrap();
    assert_eq!(["one", "two"].map(|name| call(&jit, name).unwrap()), [1, 2]);
}

#[test]
fn of_two_replacements_at_once_the_executor_in_between_is_shut_down() {
    let (told, tells) = mpsc::channel();
    let jit = session(&connected());
    jit.add_object(object("f.o", "unsigned long f(void) { return 1; }")).unwrap();
    let (executor, go_on) = steps(&told);
    // Before the session has it.
    let executors = [hesitant(executor, ""), connected()];
    let replace = |executor: Arc<Remote>| {
        let session = jit.session().clone();
        thread::spawn(move || session.replace_executor(executor).map(drop))
    };
    let first = replace(executors[0].clone());
    assert_eq!(tells.recv().unwrap(), "asked");
    let second = replace(executors[1].clone());
    thread::sleep(std::time::Duration::from_millis(50));
    go_on.send(()).unwrap();
    first.join().unwrap().unwrap();
    second.join().unwrap().unwrap();
    // The other one is the session's now.
    let is_in_use = executors.map(|executor| executor.open_image("any").is_ok());
    assert_ne!(is_in_use[0], is_in_use[1]);
    assert_eq!(call(&jit, "f").unwrap(), 1);
}

#[test]
fn an_object_that_a_unit_has_delivered_stays_discarded() {
    let jit = session(&connected());
    let bad = object(
        "made.o",
        "void missing(void); __attribute__((constructor)) static void f(void) { missing(); } void made(void) {}",
    );
    let interface = UnitInterface::new([("made", SymbolFlags::FUNCTION), ("other", SymbolFlags::FUNCTION)]);
    jit.define(FunctionUnit::new("maker", interface, move |responsibility| {
        responsibility.add_object(&bad)?;
        responsibility.add_object(object("other.o", "unsigned long other(void) { return 2; }"))
    }))
    .unwrap();
    assert!(jit.lookup("made").is_err());
    jit.discard_object("made.o").unwrap();
    jit.session().replace_executor(connected()).unwrap();
    jit.add_object(object("made.o", "unsigned long made(void) { return 1; }")).unwrap();
    assert_eq!(["made", "other"].map(|name| call(&jit, name).unwrap()), [1, 2]);
}

/// A unit of which other processes have no use. When it is dropped, it says whether lookups are possible.
#[derive(Debug)]
struct OfOneProcess(WeakJitDylib, mpsc::Sender<Result<ExecAddr>>);

impl MaterializationUnit for OfOneProcess {
    fn name(&self) -> String {
        "of one process".into()
    }

    fn interface(&self) -> UnitInterface {
        UnitInterface::new([("once", SymbolFlags::FUNCTION)])
    }

    fn materialize(self: Box<Self>, _: MaterializationResponsibility) {}

    fn outlives_executor(&self) -> bool {
        false
    }
}

impl Drop for OfOneProcess {
    fn drop(&mut self) {
        let _gone = self.1.send(self.0.upgrade().unwrap().lookup("f"));
    }
}

#[test]
fn units_of_one_process_are_gone_and_dropped_when_the_session_is_of_use_again() {
    let jit = session(&connected());
    jit.add_object(object("f.o", "unsigned long f(void) { return 1; }")).unwrap();
    let (drops, is_dropped) = mpsc::channel();
    jit.define(OfOneProcess(jit.main().downgrade(), drops)).unwrap();
    jit.define(AbsoluteSymbols::new([("place", ExecAddr(4096), SymbolFlags::DATA)])).unwrap();
    jit.session().replace_executor(connected()).unwrap();
    is_dropped.recv().unwrap().unwrap();
    assert!(jit.lookup("place").is_err() && jit.lookup("once").is_err());
    jit.define_absolute("place", ExecAddr(8192)).unwrap();
    assert_eq!(jit.lookup("place").unwrap(), ExecAddr(8192));
}
