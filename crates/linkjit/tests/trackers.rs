//! What is added through a tracker is the tracker's, whatever it is; and the names of everything may be any bytes.

mod host;
mod support;

use std::ffi::c_int;
use std::sync::Arc;

use linkjit::{
    Error, ExecAddr, FunctionGenerator, FunctionUnit, Jit, ResourceTracker, Source, SymbolFlags, SymbolLookupSet,
    UnitInterface,
};
use support::{compile, run, tool};

fn source(name: &str, text: &str) -> Source {
    Source::new(name, compile("-O1 -fPIC -ffunction-sections -fdata-sections", text))
}

/// Calls the function `name`, which takes nothing and returns an int.
fn call(jit: &Jit, name: &str) -> c_int {
    // SAFETY: all functions of these tests are of this type, and still there.
    let function = unsafe { jit.lookup_fn::<unsafe extern "C" fn() -> c_int>(name).unwrap() };
    // SAFETY: as above.
    unsafe { function() }
}

/// Removes what a tracker owns, of which nothing is used any more.
fn remove(tracker: &ResourceTracker) {
    // SAFETY: as above.
    unsafe { tracker.remove().unwrap() };
}

fn is_undefined(jit: &Jit, name: &str) -> bool {
    matches!(jit.lookup(name), Err(Error::Undefined { .. }))
}

/// An archive, as bytes.
fn archive(name: &str, members: &[(&str, &str)]) -> Source {
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("trackers-{name}"));
    _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).unwrap();
    let archive = directory.join("archive.a");
    let mut ar = tool("ar");
    ar.arg("rcs").arg(&archive);
    for (file, text) in members {
        let file = directory.join(file);
        std::fs::write(&file, source("member.o", text).bytes()).unwrap();
        ar.arg(file);
    }
    run(&mut ar);
    Source::new(name, std::fs::read(archive).unwrap())
}

#[test]
fn archives_come_from_memory_and_go_with_their_tracker() {
    let jit = host::jit().unwrap();
    let one = archive(
        "one.a",
        &[("f.o", "int g(void); int f(void) { return g() + 1; }"), ("g.o", "int g(void) { return 1; }")],
    );
    let other = archive("other.a", &[("f.o", "int f(void) { return 20; }"), ("h.o", "int h(void) { return 30; }")]);
    let [first, second] = [jit.create_tracker().unwrap(), jit.create_tracker().unwrap()];
    first.add_archive(&one).unwrap();
    second.add_archive(&other).unwrap();
    assert_eq!(call(&jit, "f"), 2);
    assert_eq!(call(&jit, "h"), 30);
    assert!(first.memory().unwrap().code > 0);
    remove(&first);
    // The members went, and the archive is searched no more.
    assert!(is_undefined(&jit, "g"));
    assert_eq!(call(&jit, "f"), 20);
    second.transfer_to(&jit.default_tracker().unwrap()).unwrap();
    assert!(matches!(first.add_archive(&one), Err(Error::TrackerRemoved)));
    assert!(matches!(second.add_archive(&one), Err(Error::TrackerRemoved)));
    // What joins an archive of the same owner is found behind it.
    jit.add_archive(&one).unwrap();
    assert_eq!((call(&jit, "f"), call(&jit, "g")), (20, 1));
}

#[test]
fn whole_archives_come_from_memory_and_go_with_their_tracker() {
    let jit = host::jit().unwrap();
    let tracker = jit.create_tracker().unwrap();
    tracker.add_whole_archive(archive("whole.a", &[("f.o", "int f(void) { return 1; }")])).unwrap();
    assert_eq!(call(&jit, "f"), 1);
    remove(&tracker);
    assert!(is_undefined(&jit, "f"));
}

#[test]
fn definitions_go_with_their_tracker() {
    extern "C" fn host_one() -> c_int {
        1
    }
    let jit = host::jit().unwrap();
    let tracker = jit.create_tracker().unwrap();
    tracker.define_ptr("pointer", host_one as *const ()).unwrap();
    tracker.define_absolute("absolute", ExecAddr(4096)).unwrap();
    tracker.define_alias("alias", "pointer").unwrap();
    tracker.define_redirectable("redirectable", ExecAddr::from_ptr(host_one as *const ())).unwrap();
    tracker.lazy_reexports(jit.main(), &[("lazy", "pointer")]).unwrap();
    tracker.add_lazy_object(source("lazy.o", "int lazy_object(void) { return 1; }")).unwrap();
    let interface = UnitInterface::new([("unit", SymbolFlags::DATA)]);
    let unit = FunctionUnit::new("unit", interface, |responsibility| {
        responsibility.define_absolute("unit", ExecAddr(8192));
        Ok(())
    });
    tracker.define(unit).unwrap();
    let generator = FunctionGenerator::new("generator", |dylib, names| {
        names
            .iter()
            .filter(|wanted| wanted.name == b"generated")
            .try_for_each(|_| dylib.define_absolute("generated", ExecAddr(1)))
    });
    tracker.add_generator(Arc::new(generator)).unwrap();
    for name in ["pointer", "alias", "redirectable", "lazy", "lazy_object"] {
        assert_eq!(call(&jit, name), 1, "{name}");
    }
    assert_eq!(jit.link(&["absolute", "unit", "generated"]).unwrap(), [4096, 8192, 1].map(ExecAddr));
    remove(&tracker);
    for name in ["pointer", "alias", "redirectable", "lazy", "lazy_object", "absolute", "unit", "generated"] {
        assert!(is_undefined(&jit, name), "{name}");
    }
    assert!(matches!(tracker.define_absolute("x", ExecAddr(1)), Err(Error::TrackerRemoved)));
}

#[test]
fn updatable_objects_go_with_their_tracker() {
    let jit = host::jit().unwrap();
    for retires in [false, true] {
        let tracker = jit.create_tracker().unwrap();
        tracker.add_updatable_object(source("f.o", "int f(void) { return 1; }")).unwrap();
        assert_eq!(call(&jit, "f"), 1);
        // SAFETY: nobody is in the code.
        drop(unsafe { jit.update().replace(source("f.o", "int f(void) { return 2; }")).commit() }.unwrap());
        assert_eq!(call(&jit, "f"), 2);
        assert!(tracker.memory().unwrap().code > 0);
        if retires {
            // SAFETY: as above.
            unsafe { tracker.retire() }.unwrap();
        } else {
            remove(&tracker);
        }
        assert!(is_undefined(&jit, "f"));
        assert_eq!(jit.session().reclaim().unwrap(), 0);
        assert_eq!(jit.memory().unwrap().code, 0);
    }
    // Its name is free for one that is not the tracker's.
    let tracker = jit.create_tracker().unwrap();
    tracker.add_updatable_object(source("f.o", "int f(void) { return 3; }")).unwrap();
    // SAFETY: as above.
    unsafe { jit.remove_updatable_object("f.o").unwrap() };
    jit.add_updatable_object(source("f.o", "int f(void) { return 4; }")).unwrap();
    remove(&tracker);
    assert_eq!(call(&jit, "f"), 4);
}

#[test]
fn a_weak_definition_comes_back_when_the_address_goes_that_replaced_it() {
    let jit = host::jit().unwrap();
    jit.add_object(source("weak.o", "__attribute__((weak)) int f(void) { return 1; }")).unwrap();
    let tracker = jit.create_tracker().unwrap();
    tracker.define_absolute("f", ExecAddr(4096)).unwrap();
    assert_eq!(jit.lookup("f").unwrap(), ExecAddr(4096));
    remove(&tracker);
    assert_eq!(call(&jit, "f"), 1);
}

#[test]
fn what_was_looked_up_stays_when_all_other_handles_are_gone() {
    let jit = host::jit().unwrap();
    jit.add_object(source("f.o", "int n = 40; int f(void) { return n + 2; }")).unwrap();
    // SAFETY: its type.
    let function = unsafe { jit.lookup_fn::<unsafe extern "C" fn() -> c_int>("f") }.unwrap();
    let variable = jit.lookup_ptr::<c_int>("n").unwrap();
    drop(jit);
    // SAFETY: its type.
    assert_eq!(unsafe { function() }, 42);
    // SAFETY: it is an int, and the only one to use it is this thread.
    assert_eq!(unsafe { **variable }, 40);
}

#[test]
fn names_may_be_any_bytes() {
    const NAME: &[u8] = b"\xff\xfe.name";
    let jit = host::jit().unwrap();
    jit.define_absolute(NAME, ExecAddr(5)).unwrap();
    assert_eq!(jit.lookup(NAME).unwrap(), ExecAddr(5));
    jit.define_alias("alias", NAME).unwrap();
    assert_eq!(jit.link(&[b"alias".as_slice(), NAME]).unwrap(), [ExecAddr(5); 2]);
    let other = jit.create_dylib("other").unwrap();
    let unit = FunctionUnit::new("unit", UnitInterface::new([(NAME, SymbolFlags::DATA)]), |responsibility| {
        assert_eq!(*responsibility.requested()[0], *NAME);
        responsibility.define_absolute(NAME, ExecAddr(6));
        Ok(())
    });
    other.define(unit).unwrap();
    assert_eq!(other.lookup_set(&SymbolLookupSet::new([NAME])).unwrap(), [Some(ExecAddr(6))]);
}
