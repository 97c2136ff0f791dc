//! JITDylibs as a whole: link orders that change, closing, the text form.
#![cfg_attr(windows, allow(dead_code, unused_imports, reason = "tests of ELF use it"))]

mod assembly;
mod host;

use std::sync::Arc;

use assembly::{Workshop, call, call_in, caller, function, undefined_names};
use linkjit::{DefinitionGenerator, Error, ExecAddr, FunctionGenerator, MatchScope, SymbolLookupSet, WeakJitDylib};

/// Link orders change while what was linked with them stays.
/// B7.36 of docs/coff-cases.md.
#[test]
fn a_link_order_is_changed_while_code_is_in_use() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let [one, two] = [("one", 1), ("two", 2)].map(|(name, value)| {
        let dylib = jit.create_dylib(name).unwrap();
        dylib.add_object(workshop.object(&function("callee", value))).unwrap();
        dylib
    });
    jit.main().add_to_link_order(&one, MatchScope::Exported).unwrap();
    jit.main().add_to_link_order(&two, MatchScope::Exported).unwrap();
    jit.add_object(workshop.object(&caller("first", "callee"))).unwrap();
    assert_eq!(call(&jit, "first").unwrap(), 1);
    jit.main().remove_from_link_order(&one).unwrap();
    jit.add_object(workshop.object(&caller("second", "callee"))).unwrap();
    assert_eq!((call(&jit, "first").unwrap(), call(&jit, "second").unwrap()), (1, 2));
    jit.main().set_link_order(&[(one.clone(), MatchScope::Exported), (two, MatchScope::Exported)]).unwrap();
    jit.add_object(workshop.object(&caller("third", "callee"))).unwrap();
    assert_eq!(call(&jit, "third").unwrap(), 1);
    // Code of `main` is bound to it.
    // SAFETY: it is refused.
    assert!(matches!(unsafe { one.close() }, Err(Error::InUse { .. })));
}

/// Rule 90: those who had it in their link order do not find it any more, and its name is free.
#[test]
fn a_closed_jitdylib_is_gone_from_link_orders() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let other = jit.create_dylib("other").unwrap();
    other.add_object(workshop.object(&function("f", 1))).unwrap();
    jit.main().add_to_link_order(&other, MatchScope::Exported).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 1);
    assert_eq!(jit.session().dylib("other").map(|dylib| dylib.name()).as_deref(), Some("other"));
    // SAFETY: nobody calls it any more.
    unsafe { other.clone().close().unwrap() };
    assert_eq!(undefined_names(jit.lookup("f").unwrap_err()), ["f"]);
    assert_eq!(jit.main().link_order().unwrap().len(), 2);
    assert!(jit.session().dylib("other").is_none());
    assert!(matches!(jit.main().add_to_link_order(&other, MatchScope::All), Err(Error::Closed)));
    assert!(matches!(other.initialize(), Err(Error::Closed)));
    // SAFETY: as above.
    assert!(matches!(unsafe { other.clone().close() }, Err(Error::Closed)));
    assert_eq!(other.dump(), "");
    jit.create_dylib("other").unwrap();
}

/// JITDylibs that need each other can't be closed one by one.
/// B7.40 and B7.49 of docs/coff-cases.md.
#[test]
fn a_session_is_closed_whatever_is_bound_to_what() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let [one, two] = ["one", "two"].map(|name| jit.create_dylib(name).unwrap());
    one.add_to_link_order(&two, MatchScope::Exported).unwrap();
    two.add_to_link_order(&one, MatchScope::Exported).unwrap();
    one.add_object(workshop.object(&(caller("f", "g") + &function("h", 4)))).unwrap();
    two.add_object(workshop.object(&caller("g", "h"))).unwrap();
    assert_eq!(call_in(&one, "f").unwrap(), 4);
    for dylib in [&one, &two] {
        // SAFETY: it is refused.
        assert!(matches!(unsafe { dylib.clone().close() }, Err(Error::InUse { .. })));
    }
    let session = jit.session().clone();
    // SAFETY: nobody calls any of it any more.
    unsafe { jit.close().unwrap() };
    assert!(session.dylibs().is_empty());
    // SAFETY: there is nothing left.
    unsafe { session.close().unwrap() };
}

#[cfg(not(windows))]
#[test]
fn a_dump_tells_who_defines_what_and_whether_it_is_linked() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let (used, unused) = (function("used", 1) + ".weak used\n", function("unused", 2) + ".hidden unused\n");
    let [used, unused] = [used, unused].map(|text| workshop.object(&text));
    jit.add_object(&used).unwrap();
    jit.add_object(&unused).unwrap();
    jit.main().define_absolute("fixed", ExecAddr(0x1234)).unwrap();
    jit.main().define_alias("other", "used").unwrap();
    let interface = linkjit::UnitInterface::new([("later", linkjit::SymbolFlags::FUNCTION)]);
    jit.main().define(linkjit::FunctionUnit::new("the unit", interface, |_| Ok(()))).unwrap();
    let address = jit.lookup("used").unwrap();
    let dump = jit.main().dump();
    let (used, unused) = (used.display(), unused.display());
    for line in [
        "JITDylib 'main'".into(),
        "  link order: main (all), process (exported)".into(),
        format!("    {used}: linked"),
        format!("    {unused}: not linked"),
        "    the unit: not materialized".into(),
        "    fixed: strong, exported, absolute 0x1234".into(),
        "    later: strong, exported, not materialized by the unit".into(),
        "    other: strong, exported, alias for used of main".into(),
        format!("    unused: strong, hidden, not linked by {unused}"),
        format!("    used: weak, exported, linked at {address} by {used}"),
    ] {
        assert!(dump.lines().any(|of| of == line), "no '{line}' in\n{dump}");
    }
    assert!(jit.session().dump().contains("JITDylib 'process'"));
}

#[test]
fn a_removed_generator_is_asked_no_more_and_what_it_has_defined_stays() {
    let jit = host::jit().unwrap();
    let [first, second] = ["first", "second"].map(|name| -> Arc<dyn DefinitionGenerator> {
        Arc::new(FunctionGenerator::new(name, |dylib, names| {
            names.iter().try_for_each(|of| dylib.define_absolute(of.name, ExecAddr(5)))
        }))
    });
    jit.main().add_generator(first.clone()).unwrap();
    assert_eq!(jit.lookup("one").unwrap(), ExecAddr(5));
    jit.main().remove_generator(&first).unwrap();
    assert_eq!(Arc::strong_count(&first), 1);
    assert_eq!(undefined_names(jit.lookup("two").unwrap_err()), ["two"]);
    assert_eq!(jit.lookup("one").unwrap(), ExecAddr(5));
    // One that was never added.
    jit.main().remove_generator(&second).unwrap();
}

/// Looks around in its JITDylib when it is dropped.
struct LooksAround(WeakJitDylib);

impl Drop for LooksAround {
    fn drop(&mut self) {
        self.0.upgrade().unwrap().lookup("abs").unwrap();
    }
}

#[test]
fn a_generator_that_is_refused_is_dropped_with_nothing_locked() {
    let jit = host::jit().unwrap();
    let tracker = jit.create_tracker().unwrap();
    // SAFETY: it has nothing.
    unsafe { tracker.remove() }.unwrap();
    let looks = LooksAround(jit.downgrade());
    let generator = FunctionGenerator::new("refused", move |_, _| {
        let _looks = &looks;
        Ok(())
    });
    assert!(matches!(tracker.add_generator(Arc::new(generator)), Err(Error::TrackerRemoved)));
}

#[test]
fn an_alias_for_what_a_closed_jitdylib_had_is_missing() {
    let jit = host::jit().unwrap();
    let gone = jit.create_dylib("gone").unwrap();
    gone.define_absolute("there", ExecAddr(1)).unwrap();
    jit.main().reexport("here", &gone, "there").unwrap();
    // SAFETY: it has no code.
    unsafe { gone.close() }.unwrap();
    let error = jit.main().link(&["here"]).unwrap_err();
    assert!(matches!(error, Error::Undefined { .. }) && error.to_string().contains("is closed"), "{error}");
    let weak = SymbolLookupSet::default().weak(["here"]);
    assert_eq!(jit.main().lookup_set(&weak).unwrap(), [None]);
}
