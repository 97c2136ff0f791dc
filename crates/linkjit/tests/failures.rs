//! A link that fails leaves the session as it was, says what is wrong, and a second try succeeds.
#![cfg_attr(windows, allow(dead_code, unused_imports, reason = "tests of ELF use it"))]

mod assembly;
mod host;

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use assembly::{Input, Workshop, call, call_in, caller, function, getter, handles, mappings, resident, source};
use linkjit::{DefinitionGenerator, Error, Jit, JitDylib, LinkPolicy, MatchScope, PassLists, Stage, Wanted};
use linkjit_link::graph::LinkGraph;

/// The tests of this program count what the process has: one at a time, then.
fn alone() -> MutexGuard<'static, ()> {
    static RUNNING: Mutex<()> = Mutex::new(());
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tries `times` times what must fail; statistics and resources of the process must stay as they are.
fn fails(jit: &Jit, times: usize, mut attempt: impl FnMut() -> Error) -> Error {
    let error = attempt();
    (0..times / 10).for_each(|_| drop(attempt()));
    let numbers = |jit: &Jit| {
        let it = jit.session().statistics();
        (it.batches, it.objects, it.blocks, it.edges, it.code_bytes, it.read_only_bytes, it.writable_bytes)
    };
    let before = (numbers(jit), mappings(), handles(), resident());
    (0..times).for_each(|_| drop(attempt()));
    let after = (numbers(jit), mappings(), handles(), resident());
    assert_eq!(after.0, before.0);
    assert!(after.1 <= before.1 + 8, "mappings: {} -> {}", before.1, after.1);
    assert!(after.3 <= before.3 + (64 << 20), "resident: {} -> {}", before.3, after.3);
    error
}

#[test]
fn an_undefined_symbol_and_then_its_definition() {
    let _alone = alone();
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let member = caller("member", "missing");
    workshop.add(&jit, &[Input::Object(caller("f", "member")), Input::Archive(vec![member.clone()])]).unwrap();
    let error = fails(&jit, 1000, || jit.lookup("f").unwrap_err());
    assert!(error.to_string().contains("undefined symbol: missing"), "{error}");
    // The member was forgotten: another definition is no duplicate of it.
    jit.add_object(workshop.object(&function("member", 8))).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 8);
    extern "C" fn missing() -> i32 {
        9
    }
    let jit = host::jit().unwrap();
    workshop.add(&jit, &[Input::Object(caller("f", "member")), Input::Archive(vec![member])]).unwrap();
    jit.lookup("f").unwrap_err();
    jit.define_ptr("missing", missing as *const ()).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 9);
}

/// A member that was pulled and forgotten must not take the definitions with it that it had replaced.
#[cfg(not(windows))]
#[test]
fn what_a_forgotten_member_had_replaced_is_back() {
    let _alone = alone();
    let workshop = Workshop::new();
    for (definition, expected) in [
        (".data\n.weak v\nv: .long 3\n.size v,4\n", 3),
        (".comm v,4,4\n", 0),
        (".section .data.v,\"awG\",@progbits,v,comdat\n.weak v\nv: .long 3\n.size v,4\n", 3),
    ] {
        let jit = host::jit().unwrap();
        let member = caller("member", "missing") + ".data\n.globl v\nv: .long 4\n.size v,4\n";
        let own = ".section .text.own,\"ax\"\n".to_owned() + &getter("own", "v");
        // In one graph with its user, and in another.
        let objects = [Input::Object(caller("f", "member") + &own + definition), Input::Object(getter("other", "v"))];
        workshop.add(&jit, &objects).unwrap();
        jit.add_archive(workshop.archive("rcs", &[&member])).unwrap();
        for _ in 0..3 {
            jit.lookup("f").unwrap_err();
        }
        assert_eq!((call(&jit, "own").unwrap(), call(&jit, "other").unwrap()), (expected, expected));
    }
}

#[cfg(not(windows))]
/// Rule 83: what can't be fixed up gives its memory back, and the lookup fails once, with the place.
#[test]
fn a_relocation_out_of_range_and_then_a_near_definition() {
    let _alone = alone();
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let object = workshop.object(".globl f\nf: mov $1,%eax\n ret\n .byte small\n");
    jit.add_object(&object).unwrap();
    let tracker = jit.create_tracker().unwrap();
    tracker.add_object(source(&workshop.object(".globl small\nsmall = 0x12345\n"))).unwrap();
    let error = fails(&jit, 1000, || jit.lookup("f").unwrap_err()).to_string();
    assert!(error.contains(&*object.to_string_lossy()) && error.contains(".text+0x6"), "{error}");
    assert!(error.contains("small") && error.contains("out of range"), "{error}");
    // SAFETY: nobody uses it.
    unsafe { tracker.remove() }.unwrap();
    jit.add_object(workshop.object(".globl small\nsmall = 0x12\n")).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 1);
}

#[cfg(not(windows))]
#[test]
fn a_malformed_member_is_named() {
    let _alone = alone();
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let archive = workshop.archive("rcs", &[&function("g", 1), &function("h", 2)]);
    let mut bytes = std::fs::read(&archive).unwrap();
    let header = bytes.windows(4).position(|window| window == b"\x7fELF").unwrap();
    // e_shoff.
    bytes[header + 0x28 + 4] = 0x77;
    std::fs::write(&archive, &bytes).unwrap();
    jit.add_object(workshop.object(&caller("f", "g"))).unwrap();
    jit.add_archive(&archive).unwrap();
    let error = fails(&jit, 1000, || jit.lookup("f").unwrap_err()).to_string();
    assert!(error.contains(&*archive.to_string_lossy()) && error.contains("(0.o)") || error.contains(".o)"), "{error}");
    assert_eq!(call(&jit, "h").unwrap(), 2);
    jit.add_object(workshop.object(&function("g", 3))).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 3);
}

#[cfg(not(windows))]
#[test]
fn an_exhausted_reserve_of_thread_local_storage() {
    let _alone = alone();
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let local_exec = |size: u64| {
        format!(
            ".section .tbss,\"awT\",@nobits\n.globl t\nt: .zero {size}\n.text\n.globl f\nf: mov %fs:t@TPOFF,%eax\n ret\n"
        )
    };
    let tracker = jit.create_tracker().unwrap();
    tracker.add_object(source(&workshop.object(&local_exec(1 << 26)))).unwrap();
    let error = fails(&jit, 1000, || jit.lookup("f").unwrap_err());
    assert!(matches!(error, Error::Executor(linkjit::executor::ExecutorError::TlsReserveFull { .. })), "{error}");
    // SAFETY: nobody uses it.
    unsafe { tracker.remove() }.unwrap();
    jit.add_object(workshop.object(&local_exec(64))).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 0);
}

#[cfg(not(windows))]
#[test]
fn an_object_larger_than_the_address_space() {
    let _alone = alone();
    let workshop = Workshop::new();
    let jit = host::builder().window_size(1 << 20).build().unwrap();
    let tracker = jit.create_tracker().unwrap();
    let big = ".bss\n.globl big\nbig: .zero 0x7ff000000000\n".to_owned() + ".text\n" + &getter("f", "big");
    tracker.add_object(source(&workshop.object(&big))).unwrap();
    jit.add_object(workshop.object(&function("g", 1))).unwrap();
    let error = fails(&jit, 1000, || jit.lookup("f").unwrap_err());
    assert!(error.to_string().contains("free address space"), "{error}");
    assert_eq!(call(&jit, "g").unwrap(), 1);
    fails(&jit, 1000, || jit.lookup("f").unwrap_err());
    // SAFETY: nobody uses it.
    unsafe { tracker.remove() }.unwrap();
    jit.add_object(workshop.object(&function("f", 2))).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 2);
}

/// Dependencies are linked in the same batch: all or none.
#[cfg(not(windows))]
#[test]
fn a_failure_in_the_middle_of_several_jitdylibs() {
    let _alone = alone();
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let dylibs: Vec<JitDylib> = ["a", "b", "c"].map(|name| jit.create_dylib(name).unwrap()).into();
    for pair in dylibs.windows(2) {
        pair[0].add_to_link_order(&pair[1], MatchScope::Exported).unwrap();
    }
    let init = |name: &str| format!(".data\n.long 0\n.globl {name}_data\n{name}_data: .long 5\n");
    for (dylib, (name, callee)) in dylibs.iter().zip([("fa", "fb"), ("fb", "fc"), ("fc", "bad")]) {
        dylib.add_object(workshop.object(&(caller(name, callee) + &init(name)))).unwrap();
    }
    // In the last one: found, but out of range.
    let bad = dylibs[1].create_tracker().unwrap();
    dylibs[2].add_to_link_order(&dylibs[1], MatchScope::Exported).unwrap();
    let text = function("bad", 6) + ".data\n.byte fa_data\n";
    bad.add_object(source(&workshop.object(&(text + ".text\n lea .data(%rip),%rax\n")))).unwrap();
    fails(&jit, 500, || dylibs[0].link(&["fa"]).unwrap_err());
    // SAFETY: nobody uses it.
    unsafe { bad.remove() }.unwrap();
    fails(&jit, 500, || dylibs[0].link(&["fa"]).unwrap_err());
    dylibs[2].add_object(workshop.object(&function("bad", 7))).unwrap();
    for (dylib, name) in dylibs.iter().zip(["fa", "fb", "fc"]) {
        assert_eq!(call_in(dylib, name).unwrap(), 7);
    }
}

#[test]
fn all_undefined_symbols_are_reported_at_once_with_their_users() {
    let _alone = alone();
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let text = ".globl f\nf: nop\n call _ZN5space4goneEi\n call also_gone\n call calculate_totl\n ret\n";
    let object = workshop.object(text);
    jit.add_object(&object).unwrap();
    jit.add_object(workshop.object(&function("calculate_total", 1))).unwrap();
    let archive = workshop.archive("rcs", &[&function("unrelated", 1)]);
    jit.add_archive(&archive).unwrap();
    let error = jit.lookup("f").unwrap_err();
    let text = error.to_string();
    let Error::Undefined { symbols, .. } = error else { panic!("{text}") };
    let names: Vec<_> = symbols.iter().map(|symbol| symbol.name.as_str()).collect();
    assert_eq!(names.len(), 3, "{text}");
    for expected in [
        "undefined symbol: space::gone(int) (_ZN5space4goneEi)",
        &format!("referenced by {}:.text+0x2", object.display()),
        "undefined symbol: also_gone",
        "undefined symbol: calculate_totl",
        "did you mean calculate_total?",
        "JITDylib 'main'",
        "JITDylib 'process'",
        &archive.to_string_lossy(),
        "the process",
    ] {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
}

/// More than a window holds: another window is opened, and code and data of one are reached from the other.
#[test]
fn windows_follow_one_another() {
    let _alone = alone();
    let workshop = Workshop::new();
    for policy in [LinkPolicy::Demand, LinkPolicy::Whole] {
        let jit = host::builder().window_size(1 << 20).policy(policy).build().unwrap();
        let object = |n: i32| {
            let text = format!(
                "int f{p}(void); extern int v{p}; int v{n} = {n}; static char filler[200000] = {{ 1 }};\n\
                 int f{n}(void) {{ return f{p}() + v{p} + filler[0]; }}",
                p = n - 1
            );
            workshop.compile("c", &text, &["-fPIC", "-O1"])
        };
        jit.add_object(workshop.compile("c", "int v0 = 0; int f0(void) { return v0; }", &["-fPIC"])).unwrap();
        let mut expected = 0;
        for n in 1..20 {
            jit.add_object(object(n)).unwrap();
            expected += n; // v of the one before, and the filler
            assert_eq!(call(&jit, &format!("f{n}")).unwrap(), expected);
        }
        // Some memory of the kind above is back, so that another one fits.
        let error = jit.lookup("nothing").unwrap_err();
        assert!(matches!(error, Error::Undefined { .. }));
    }
}

#[cfg(not(windows))]
#[test]
fn a_variable_of_the_wrong_kind_is_explained() {
    let _alone = alone();
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.add_object(workshop.object(&getter("f", "variable"))).unwrap();
    let variable = ".section .tdata,\"awT\",@progbits\n.globl variable\n.type variable,@object\nvariable: .long 3\n";
    jit.add_object(workshop.object(variable)).unwrap();
    let error = jit.lookup("f").unwrap_err().to_string();
    assert!(error.contains("to 'variable': the target is a thread-local variable, but this code"), "{error}");
    // A load that can't be relaxed, and a pointer: any address would fit.
    let load = ".globl g\ng: push variable@GOTPCREL(%rip)\n pop %rax\n ret\n";
    let pointer = ".globl h\nh: mov pointer(%rip),%rax\n ret\n.data\npointer: .quad variable\n";
    for (name, text) in [("g", load), ("h", pointer)] {
        jit.add_object(workshop.object(text)).unwrap();
        let error = jit.lookup(name).unwrap_err().to_string();
        assert!(error.contains("to 'variable': the target is a thread-local variable, but this code"), "{error}");
    }
}

/// A reference with hidden visibility makes the definition hidden, as long as the object is there that refers to it so.
#[cfg(not(windows))]
#[test]
fn what_a_forgotten_member_had_hidden_is_visible_again() {
    let _alone = alone();
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let own = ".section .text.own,\"ax\"\n".to_owned() + &function("own", 7);
    jit.add_object(workshop.object(&(caller("f", "member") + &own))).unwrap();
    let member = caller("member", "missing") + ".hidden own\n.data\n.quad own\n";
    jit.add_archive(workshop.archive("rcs", &[&member])).unwrap();
    let other = jit.create_dylib("other").unwrap();
    other.add_to_link_order(jit.main(), MatchScope::Exported).unwrap();
    jit.lookup("f").unwrap_err();
    assert_eq!(call_in(&other, "own").unwrap(), 7);
}

/// There is nothing to place then, but the member was linked all the same.
#[test]
fn a_member_of_absolute_symbols_stays_when_a_later_lookup_fails() {
    let _alone = alone();
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.add_archive(workshop.archive("rcs", &[".globl absolute\nabsolute = 4096\n"])).unwrap();
    assert_eq!(jit.main().link(&["absolute"]).unwrap()[0].0, 4096);
    jit.lookup("missing").unwrap_err();
    let error = jit.add_object(workshop.object(".globl absolute\nabsolute = 5\n")).unwrap_err();
    assert!(matches!(error, Error::Duplicate { .. }), "{error}");
}

/// Panics when it is asked for something, the first time.
#[derive(Debug)]
struct Panics(AtomicBool);

impl Panics {
    fn panic_once(&self) {
        assert!(self.0.swap(true, Ordering::Relaxed), "as the test wants it");
    }
}

impl DefinitionGenerator for Panics {
    fn generate(&self, _: &JitDylib, _: &[Wanted<'_>]) -> linkjit::Result<()> {
        self.panic_once();
        Ok(())
    }

    fn describe(&self) -> String {
        "what panics".into()
    }
}

#[test]
fn a_panic_of_a_generator_or_a_pass() {
    let _alone = alone();
    let workshop = Workshop::new();
    let panics = Arc::new(Panics(AtomicBool::new(false)));
    let generated = host::jit().unwrap();
    generated.main().add_generator(panics).unwrap();
    let stages = [Stage::PrePrune, Stage::PostPrune, Stage::PostAllocation, Stage::PreFixup, Stage::PostFixup];
    let passed = stages.map(|stage| {
        let (jit, panics) = (host::jit().unwrap(), Arc::new(Panics(AtomicBool::new(false))));
        jit.session().add_plugin(Arc::new(move |_: &LinkGraph, passes: &mut PassLists| {
            let panics = panics.clone();
            passes.add(stage, move |_, _| {
                panics.panic_once();
                Ok(())
            });
        }));
        jit
    });
    for jit in passed.into_iter().chain([generated]) {
        jit.add_object(workshop.object(&caller("f", "later"))).unwrap();
        jit.add_archive(workshop.archive("rcs", &[&function("later", 4)])).unwrap();
        std::panic::catch_unwind(AssertUnwindSafe(|| jit.lookup("f"))).unwrap_err();
        assert_eq!(jit.session().statistics().batches, 0);
        assert_eq!(call(&jit, "f").unwrap(), 4);
    }
}

#[cfg(not(windows))]
#[test]
fn a_missing_name_says_where_it_was_searched_and_who_has_it() {
    let _alone = alone();
    let workshop = Workshop::new();
    let jit = host::jit().unwrap();
    let [searched, unrelated] = ["searched", "unrelated"].map(|name| jit.session().create_dylib(name).unwrap());
    jit.main().add_to_link_order(&searched, MatchScope::Exported).unwrap();
    let hidden = function("hidden_there", 1) + ".hidden hidden_there\n" + &caller("there", "nowhere");
    searched.add_object(workshop.object(&hidden)).unwrap();
    unrelated.add_object(workshop.object(&function("not_searched", 1))).unwrap();
    let text = caller("f", "hidden_there") + &caller("g", "not_searched") + &caller("h", "there");
    jit.add_object(workshop.object(&text)).unwrap();
    let error = jit.main().link(&["f", "g", "h"]).unwrap_err();
    let text = error.to_string();
    let Error::Undefined { symbols, searched } = error else { panic!("{text}") };
    let of = |name: &str| symbols.iter().find(|symbol| symbol.name == name).unwrap();
    assert_eq!(of("hidden_there").elsewhere, ["JITDylib 'searched' hides it"]);
    assert_eq!(of("not_searched").elsewhere, ["JITDylib 'unrelated' defines it, but is not searched"]);
    assert_eq!(of("hidden_there").searched[..3], ["JITDylib 'main'", "JITDylib 'process'", "JITDylib 'searched'"]);
    // Code of the other JITDylib is bound in the link order of that.
    assert_eq!(of("nowhere").searched, ["JITDylib 'searched'"]);
    assert!(searched.len() > 3 && text.contains("\n    searched JITDylib 'searched'"), "{text}");
}
