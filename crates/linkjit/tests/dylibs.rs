//! What lookups find, rule by rule (numbers are those of docs/rules.md): definitions, JITDylibs, link
//! order, aliases, generators, archives.
#![cfg_attr(windows, allow(dead_code, unused_imports, reason = "tests of ELF use it"))]

mod assembly;
mod host;

use std::sync::{Arc, Mutex};

use assembly::{Input, Workshop, call, call_at, call_in, caller, function, getter, source, undefined_names};
use linkjit::{DefinitionGenerator, Error, ExecAddr, Jit, JitDylib, MatchScope, Wanted};

/// Defines names as addresses, and remembers what it was asked for.
#[derive(Debug, Default)]
struct Recorder {
    defines: Vec<(&'static str, u64)>,
    asked: Mutex<Vec<String>>,
}

impl DefinitionGenerator for Recorder {
    fn generate(&self, dylib: &JitDylib, names: &[Wanted<'_>]) -> linkjit::Result<()> {
        for wanted in names {
            let name = String::from_utf8_lossy(wanted.name).into_owned();
            if let Some((_, address)) = self.defines.iter().find(|(defined, _)| *defined == name) {
                dylib.define_absolute(&name, ExecAddr(*address))?;
            }
            self.asked.lock().unwrap().push(name);
        }
        Ok(())
    }

    fn describe(&self) -> String {
        "the recorder".into()
    }
}

fn recorder(defines: &[(&'static str, u64)]) -> Arc<Recorder> {
    Arc::new(Recorder { defines: defines.to_vec(), ..Recorder::default() })
}

/// Rule 1.
#[test]
fn a_duplicate_strong_definition_installs_nothing_of_its_object() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.add_object(workshop.object(&function("f", 1))).unwrap();
    let second = workshop.object(&(function("g", 2) + &function("f", 2)));
    let error = jit.add_object(&second).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Duplicate { ref name, .. } if name == "f"), "{text}");
    assert!(text.contains(&*second.to_string_lossy()), "{text}");
    assert_eq!(call(&jit, "f").unwrap(), 1);
    assert_eq!(undefined_names(jit.lookup("g").unwrap_err()), ["g"]);
    jit.add_object(workshop.object(&function("g", 3))).unwrap();
    assert_eq!(call(&jit, "g").unwrap(), 3);
}

/// Rules 2 and 3.
#[test]
fn a_weak_definition_is_replaced_until_it_is_linked() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let weak = |name: &str| function(name, 1).replace(".globl", ".weak");
    jit.add_object(workshop.object(&(weak("f") + &caller("calls_f", "f")))).unwrap();
    jit.add_object(workshop.object(&weak("g"))).unwrap();
    assert_eq!(call(&jit, "g").unwrap(), 1);
    jit.add_object(workshop.object(&function("f", 2))).unwrap();
    assert_eq!(call(&jit, "calls_f").unwrap(), 2);
    let error = jit.add_object(workshop.object(&function("g", 2))).unwrap_err();
    assert!(matches!(error, Error::Duplicate { .. }), "{error}");
    assert_eq!(call(&jit, "g").unwrap(), 1);
}

/// Rules 4 and 5.
#[test]
fn an_object_whose_definitions_all_yield_is_no_error() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.add_object(workshop.object(&function("f", 1))).unwrap();
    jit.add_object(workshop.object(&function("f", 2).replace(".globl", ".weak"))).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 1);
}

/// Rules 9 to 11.
#[test]
fn the_losers_own_code_goes_to_the_winner_and_the_loser_is_not_linked() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let object = |value| {
        let weak = format!(".section .text.f,\"ax\"\n.weak f\nf: mov ${value},%eax\n call missing{value}\n ret\n");
        weak + ".text\n" + &caller(&format!("calls{value}"), "f")
    };
    jit.add_object(workshop.object(&(object(2) + &function("missing2", 0)))).unwrap();
    jit.add_object(workshop.object(&object(1))).unwrap();
    // Nobody defines missing1, which only the loser needs.
    assert_eq!(call(&jit, "calls1").unwrap(), call(&jit, "calls2").unwrap());
}

/// Rule 12.
#[cfg(not(windows))]
#[test]
fn a_group_is_dropped_whole() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let group = |value: i32, more: &str| {
        format!(
            ".section .text.f,\"axG\",@progbits,f,comdat\n{}.section .text.g,\"axG\",@progbits,f,comdat\n{more}",
            function("f", value)
        )
    };
    jit.add_object(workshop.object(&group(1, ""))).unwrap();
    let second = group(2, &function("g", 2)) + ".text\n" + &caller("calls_g", "g");
    jit.add_object(workshop.object(&second)).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 1);
    // Only the dropped group had it.
    assert_eq!(undefined_names(jit.lookup("calls_g").unwrap_err()), ["g"]);
}

/// Rule 13.
#[test]
fn weak_definitions_are_unified_within_a_jitdylib_only() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let other = jit.create_dylib("other").unwrap();
    jit.add_object(workshop.object(&function("f", 1).replace(".globl", ".weak"))).unwrap();
    other.add_object(workshop.object(&function("f", 2).replace(".globl", ".weak"))).unwrap();
    assert_eq!((call(&jit, "f").unwrap(), call_in(&other, "f").unwrap()), (1, 2));
}

/// Rule 14.
#[cfg(not(windows))]
#[test]
fn a_common_variable_has_the_largest_size_and_alignment() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1]] {
        let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
        let objects = [".comm v,4,4\n", ".comm v,64,8\n", ".comm v,16,256\n"];
        for index in order {
            jit.add_object(workshop.object(objects[index])).unwrap();
        }
        jit.add_object(workshop.object(".globl size\nsize: mov $v@SIZE,%eax\n ret\n")).unwrap();
        assert_eq!(call(&jit, "size").unwrap(), 64, "{order:?}");
        assert_eq!(jit.lookup("v").unwrap().0 % 256, 0, "{order:?}");
    }
}

/// Rule 15.
#[test]
fn a_missing_weak_function_is_null_and_a_call_of_it_links() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let text = ".weak missing\n".to_owned() + &getter("get", "missing") + &caller("never", "missing");
    jit.add_object(workshop.object(&text)).unwrap();
    assert_eq!(call(&jit, "get").unwrap(), 0);
    jit.lookup("never").unwrap();
}

/// Rule 16.
#[test]
fn absolute_symbols_of_objects_may_be_weak_and_are_found() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.add_object(workshop.object(".weak a\na = 0x1234\n.globl b\nb = 0x1111\n")).unwrap();
    jit.add_object(workshop.object(".globl a\na = 0x4321\n")).unwrap();
    jit.add_object(workshop.object(".globl get\nget: mov $a,%eax\n add $b,%eax\n ret\n")).unwrap();
    assert_eq!(jit.lookup("b").unwrap(), ExecAddr(0x1111));
    assert_eq!(call(&jit, "get").unwrap(), 0x4321 + 0x1111);
}

/// Rule 31.
#[test]
fn the_first_jitdylib_of_the_link_order_wins() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let [one, two] = ["one", "two"].map(|name| jit.create_dylib(name).unwrap());
    for dylib in [&two, &one] {
        jit.main().add_to_link_order(dylib, MatchScope::Exported).unwrap();
    }
    one.add_object(workshop.object(&function("f", 1))).unwrap();
    two.add_object(workshop.object(&function("f", 2))).unwrap();
    jit.add_object(workshop.object(&caller("calls_f", "f"))).unwrap();
    assert_eq!(call(&jit, "calls_f").unwrap(), 2);
    let order: Vec<_> = jit.main().link_order().unwrap().iter().map(|(dylib, _)| dylib.name()).collect();
    assert_eq!(order, ["main", "process", "two", "one"]);
}

/// Rules 32 and 41.
#[cfg(not(windows))]
#[test]
fn hidden_symbols_are_skipped_and_not_offered_to_their_jitdylibs_generators() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let [one, two] = ["one", "two"].map(|name| jit.create_dylib(name).unwrap());
    for dylib in [&one, &two] {
        jit.main().add_to_link_order(dylib, MatchScope::Exported).unwrap();
    }
    let recorder = recorder(&[("f", 1), ("g", 2)]);
    one.add_generator(recorder.clone()).unwrap();
    one.add_object(workshop.object(&(function("f", 1) + ".hidden f\n" + &caller("calls_f", "f")))).unwrap();
    two.add_object(workshop.object(&function("f", 2))).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 2);
    assert_eq!(call(&jit, "calls_f").unwrap(), 1, "its own JITDylib sees it");
    assert_eq!(jit.lookup("g").unwrap(), ExecAddr(2));
    assert_eq!(*recorder.asked.lock().unwrap(), ["g"]);
    assert_eq!(call_in(&one, "f").unwrap(), 1);
}

/// The most constraining visibility of all that mention a name counts, references included.
#[cfg(not(windows))]
#[test]
fn visibility_is_merged_as_by_the_native_linker() {
    let workshop = Workshop::new();
    let kinds = [".globl", ".weak"];
    let visibilities = ["", ".hidden", ".protected", ".internal"];
    let definition = |kind: &str, visibility: &str, value: i32| {
        let visibility = if visibility.is_empty() { String::new() } else { format!("{visibility} f\n") };
        function("f", value).replace(".globl", kind) + &visibility
    };
    for kind in kinds {
        for first in visibilities {
            for second in visibilities {
                let definition = |value| definition(kind, if value == 1 { first } else { second }, value);
                let reference =
                    caller("other", "f") + &if second.is_empty() { String::new() } else { format!("{second} f\n") };
                let mut cases = vec![[definition(1), reference.clone()], [reference, definition(1)]];
                if kind == ".weak" {
                    cases.push([definition(1), definition(2)]);
                }
                for [one, two] in cases {
                    let inputs = [Input::Object(one), Input::Object(two)];
                    let natively = workshop.native_exports(&inputs).contains(&"f".to_owned());
                    let jit = host::jit().unwrap();
                    let user = jit.create_dylib("user").unwrap();
                    user.add_to_link_order(jit.main(), MatchScope::Exported).unwrap();
                    workshop.add(&jit, &inputs).unwrap();
                    assert_eq!(user.link(&["f"]).is_ok(), natively, "{kind} {first} {second}: {inputs:?}");
                    assert_eq!(call(&jit, "f").unwrap(), 1);
                }
            }
        }
    }
}

/// Rule 33.
#[test]
fn a_jitdylibs_generators_come_before_the_next_jitdylib() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let [one, two] = ["one", "two"].map(|name| jit.create_dylib(name).unwrap());
    one.add_to_link_order(&two, MatchScope::Exported).unwrap();
    two.add_object(workshop.object(&(function("f", 2) + &function("g", 2)))).unwrap();
    assert_eq!(call_in(&two, "f").unwrap(), 2);
    let (first, second) = (recorder(&[("h", 0x10)]), recorder(&[("h", 0x20), ("i", 0x30)]));
    one.add_generator(first.clone()).unwrap();
    one.add_generator(second.clone()).unwrap();
    one.add_archive(workshop.archive("rcs", &[&function("f", 1)])).unwrap();
    assert_eq!(one.link(&["h", "i"]).unwrap(), [ExecAddr(0x10), ExecAddr(0x30)]);
    assert_eq!(*second.asked.lock().unwrap(), ["i"], "what the first one defined is not asked for");
    assert_eq!(call_in(&one, "f").unwrap(), 1, "an archive of the first JITDylib beats what the second has linked");
    assert_eq!(call_in(&one, "g").unwrap(), 2);
}

/// Rule 42.
#[test]
fn aliases_lead_to_what_is_linked_archived_or_in_the_process() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let main = jit.main();
    main.define_alias("early", "late").unwrap();
    main.define_alias("archived", "member").unwrap();
    main.define_alias("my_abs", "abs").unwrap();
    jit.add_object(workshop.object(&function("late", 5))).unwrap();
    jit.add_archive(workshop.archive("rcs", &[&function("member", 6)])).unwrap();
    assert_eq!(call(&jit, "early").unwrap(), 5);
    assert_eq!(call(&jit, "archived").unwrap(), 6);
    assert_eq!(jit.lookup("my_abs").unwrap(), jit.lookup("abs").unwrap());
    jit.add_object(workshop.object(&caller("through", "archived"))).unwrap();
    assert_eq!(call(&jit, "through").unwrap(), 6);

    let other = jit.create_dylib("other").unwrap();
    other.reexport("again", main, "archived").unwrap();
    other.add_object(workshop.object(&caller("from_other", "again"))).unwrap();
    assert_eq!(call_in(&other, "from_other").unwrap(), 6);

    main.define_alias("dangling", "nowhere").unwrap();
    assert_eq!(undefined_names(jit.lookup("dangling").unwrap_err()), ["nowhere"]);
    jit.add_object(workshop.object(&function("nowhere", 7))).unwrap();
    assert_eq!(call(&jit, "dangling").unwrap(), 7);
}

/// Rule 42.
#[test]
fn alias_circles_are_errors_and_long_chains_are_not() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let main = jit.main();
    assert!(matches!(main.define_alias("self", "self"), Err(Error::AliasCycle { .. })));
    for (name, target) in [("a", "b"), ("b", "c"), ("c", "a"), ("into", "a")] {
        main.define_alias(name, target).unwrap();
    }
    for name in ["a", "into"] {
        assert!(matches!(jit.lookup(name), Err(Error::AliasCycle { .. })));
    }
    jit.add_object(workshop.object(&caller("uses", "a"))).unwrap();
    jit.add_object(workshop.object(&function("n5000", 9))).unwrap();
    assert!(matches!(jit.lookup("uses"), Err(Error::AliasCycle { .. })));
    for n in 0..5000 {
        main.define_alias(format!("n{n}"), format!("n{}", n + 1)).unwrap();
    }
    assert_eq!(call(&jit, "n0").unwrap(), 9);
    assert_eq!(call(&jit, "n0").unwrap(), 9);
}

/// Rules 43 and 44.
#[test]
fn all_missing_names_are_listed_once() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.add_object(workshop.object(&function("here", 1))).unwrap();
    let error = jit.main().link(&["absent_one", "here", "absent_two", "absent_one", "here"]).unwrap_err();
    let mut names = undefined_names(error);
    names.sort();
    assert_eq!(names, ["absent_one", "absent_two"]);
    assert_eq!(jit.session().statistics().objects, 0, "what was found is not linked");
    let twice = jit.main().link(&["here", "here"]).unwrap();
    assert_eq!(twice[0], twice[1]);
}

#[cfg(not(windows))]
#[test]
fn thread_local_variables_have_no_address() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.add_object(workshop.object(".section .tdata,\"awT\"\n.globl t\n.type t,@object\nt: .long 1\n")).unwrap();
    for _ in 0..2 {
        assert!(matches!(jit.lookup("t"), Err(Error::ThreadLocal { ref name }) if name == "t"));
    }
}

/// B7.46 and B7.49 of docs/coff-cases.md.
#[test]
fn initializers_of_dependencies_run_first_and_atexit_runs_per_jitdylib() {
    let workshop = Workshop::new();
    let jit = host::jit().unwrap();
    let trace = "extern int trace[], traced;\n";
    jit.add_object(workshop.compile("c", "int trace[16], traced;", &["-fPIC", "-fno-common"])).unwrap();
    let object = |n: i32| {
        let text = format!(
            "{trace}int atexit(void(*)(void));\n\
             static void bye(void) {{ trace[traced++] = {n} + 200; }}\n\
             static void late(void) {{ trace[traced++] = {n} + 100; }}\n\
             __attribute__((constructor)) static void plain(void) {{ trace[traced++] = {n} + 1; atexit(late); }}\n\
             __attribute__((constructor(101))) static void early(void) {{ trace[traced++] = {n}; }}\n\
             __attribute__((destructor)) static void end(void) {{ bye(); }}\n\
             int f{n}(void) {{ return {n}; }}"
        );
        workshop.compile("c", &text, &["-fPIC"])
    };
    let [base, user] = ["base", "user"].map(|name| jit.create_dylib(name).unwrap());
    for dylib in [&base, &user] {
        dylib.add_to_link_order(jit.main(), MatchScope::Exported).unwrap();
    }
    // A circle: it is cut where it closes.
    user.add_to_link_order(&base, MatchScope::Exported).unwrap();
    base.add_to_link_order(&user, MatchScope::Exported).unwrap();
    user.add_object(object(20)).unwrap();
    base.add_object(object(10)).unwrap();
    user.initialize().unwrap();
    user.initialize().unwrap();
    let trace = |jit: &Jit| {
        let addresses = jit.main().link(&["traced", "trace"]).unwrap();
        // SAFETY: `int traced`.
        let count = unsafe { *(addresses[0].0 as *const i32) };
        // SAFETY: `int trace[16]`.
        let values = unsafe { *(addresses[1].0 as *const [i32; 16]) };
        values[..usize::try_from(count).unwrap()].to_vec()
    };
    assert_eq!(trace(&jit), [10, 11, 20, 21]);
    // SAFETY: nothing of it is used any more.
    unsafe { user.clone().close() }.unwrap();
    assert_eq!(trace(&jit)[4..], [120, 220]);
    assert!(matches!(user.link(&["f20"]), Err(Error::Closed)));
    assert!(matches!(user.add_object(object(20)), Err(Error::Closed)));
    assert!(matches!(user.initialize(), Err(Error::Closed)));
    // SAFETY: as above.
    assert!(matches!(unsafe { user.close() }, Err(Error::Closed)));
    assert_eq!(call_in(&base, "f10").unwrap(), 10);
    // SAFETY: as above.
    unsafe { base.close() }.unwrap();
    assert_eq!(trace(&jit)[6..], [110, 210]);
}

#[test]
fn a_destructor_alone_runs_at_close() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    static ENDED: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    jit.define_ptr("ended", ENDED.as_ptr()).unwrap();
    let text =
        "extern int ended; __attribute__((destructor)) static void end(void) { ended++; } int f(void) { return 1; }";
    jit.add_object(workshop.compile("c", text, &["-fPIC"])).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 1);
    // SAFETY: nothing of it is used any more.
    unsafe { jit.close() }.unwrap();
    assert_eq!(ENDED.load(std::sync::atomic::Ordering::Relaxed), 1);
}

/// Archives: which members are pulled.
#[cfg(not(windows))]
#[test]
fn members_are_pulled_for_strong_references_only() {
    let workshop = Workshop::new();
    let member = function("f", 1);
    let weak = ".weak f\n".to_owned() + &getter("main", "f");
    let jit = host::jit().unwrap();
    workshop.add(&jit, &[Input::Object(weak.clone()), Input::Archive(vec![member.clone()])]).unwrap();
    assert_eq!(call(&jit, "main").unwrap(), 0);

    // Somebody else needs it, and is found later.
    let needs = Input::Archive(vec![caller("later", "f"), member]);
    let main = weak + &caller("other", "later") + "jmp other\n";
    let jit = host::jit().unwrap();
    workshop.add(&jit, &[Input::Object(main), needs]).unwrap();
    assert_ne!(call(&jit, "main").unwrap(), 0);
}

#[cfg(not(windows))]
#[test]
fn archives_of_all_kinds_give_the_first_member_that_has_a_name() {
    let workshop = Workshop::new();
    // They need each other, and each has `f`.
    let one = [caller("a", "b"), function("f", 1)];
    let two = [caller("b", "f"), function("f", 2) + &function("g", 2), function("f", 3)];
    let texts = |members: &[String]| members.to_vec();
    let main = Input::Object(caller("main", "a"));
    let inputs = [main, Input::Archive(texts(&one)), Input::Archive(texts(&two))];
    assert_eq!(workshop.jitted(&inputs), workshop.native(&inputs));
    assert_eq!(workshop.jitted(&inputs), assembly::Verdict::Returns(1));
    for flags in ["rcs", "rcS", "rcsT", "rcST"] {
        let jit = host::jit().unwrap();
        jit.add_object(workshop.object(&caller("main", "a"))).unwrap();
        for members in [&one[..], &two[..]] {
            let members: Vec<&str> = members.iter().map(String::as_str).collect();
            jit.add_archive(workshop.archive(flags, &members)).unwrap();
        }
        assert_eq!(call(&jit, "main").unwrap(), 1, "{flags}");
        // Its member has an f, too: natively an error, here as well.
        assert!(matches!(jit.lookup("g"), Err(Error::Duplicate { .. })), "{flags}");
        assert_eq!(call(&jit, "main").unwrap(), 1, "{flags}");
    }
}

#[cfg(not(windows))]
#[test]
fn a_member_that_defines_a_common_is_pulled() {
    let workshop = Workshop::new();
    let inputs = [Input::Object(getter("main", "v")), Input::Archive(vec![".comm v,4,4\n".into()])];
    assert_eq!(workshop.jitted(&inputs), workshop.native(&inputs));
    assert_eq!(workshop.jitted(&inputs), assembly::Verdict::Returns(0));
}

/// Natively the order on the command line decides: an archive before the object pulls its member, and the object is then
/// a duplicate. Here objects are known before anything is linked.
#[test]
fn an_object_added_after_an_archive_wins() {
    let workshop = Workshop::new();
    let jit = host::jit().unwrap();
    jit.add_archive(workshop.archive("rcs", &[&function("f", 1)])).unwrap();
    jit.add_object(workshop.object(&function("f", 2))).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 2);
}

#[test]
fn inline_functions_and_templates_are_one_across_objects() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let object = |n: i32| {
        let text = format!(
            "template <class T> struct S {{ static T count; }}; template <class T> T S<T>::count = {n};\n\
             inline int next() {{ static int n = {n}; return n++; }} inline int variable = {n};\n\
             extern \"C\" int f{n}() {{ return next() * 10000 + S<int>::count++ * 100 + variable++; }}"
        );
        workshop.compile("cpp", &text, &["-O0", "-std=c++17"])
    };
    jit.add_object(object(1)).unwrap();
    jit.add_object(object(2)).unwrap();
    assert_eq!(
        [call(&jit, "f2").unwrap(), call(&jit, "f1").unwrap(), call(&jit, "f2").unwrap()],
        [10101, 20202, 30303]
    );
}

#[cfg(not(windows))]
#[test]
fn indirect_and_unique_symbols_are_resolved() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let indirect = ".globl f\n.type f,@gnu_indirect_function\nf: lea impl(%rip),%rax\n ret\nimpl: mov $4,%eax\n ret\n";
    jit.add_object(workshop.object(&(indirect.to_owned() + &caller("calls", "f")))).unwrap();
    jit.add_object(workshop.object(&caller("also", "f"))).unwrap();
    assert_eq!((call(&jit, "calls").unwrap(), call(&jit, "also").unwrap(), call(&jit, "f").unwrap()), (4, 4, 4));
    assert_eq!(call_at(jit.lookup("f").unwrap()), 4);
    let unique = |value| {
        let section = ".section .data.u,\"awG\",@progbits,u,comdat\n.type u,@gnu_unique_object\n";
        format!("{section}u: .long {value}\n.size u,4\n.text\n{}", getter(&format!("get{value}"), "u"))
    };
    jit.main().add_object(source(&workshop.object(&unique(1)))).unwrap();
    jit.main().add_object(source(&workshop.object(&unique(2)))).unwrap();
    assert_eq!((call(&jit, "get2").unwrap(), call(&jit, "get1").unwrap()), (1, 1));
}

#[cfg(not(windows))]
#[test]
fn a_far_function_has_one_address_however_it_is_taken() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let code = ".globl f\nf: mov $getpid, %eax\n lea distance(%rip), %rcx\n add (%rcx), %rcx\n cmp %rcx, %rax\n\
                sete %al\n movzx %al, %eax\n ret\n.data\ndistance: .quad getpid - .\n";
    jit.add_object(workshop.object(code)).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 1);
}

/// The weak reference finds nothing when it is met, and then something in both.
#[cfg(not(windows))]
#[test]
fn the_first_jitdylib_also_wins_for_what_is_pulled_later() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let other = jit.create_dylib("other").unwrap();
    let order = [&other, jit.process()].map(|dylib| (dylib.clone(), MatchScope::Exported));
    jit.main().set_link_order(&order).unwrap();
    let main = ".globl main\nmain: call f\n mov w@GOTPCREL(%rip),%rax\n mov (%rax),%eax\n ret\n.weak w\n";
    jit.add_object(workshop.object(main)).unwrap();
    jit.add_object(workshop.object(".globl f\nf: call a\n call b\n ret\n")).unwrap();
    let member = |name, value| function(name, 0) + &format!(".data\n.globl w\nw: .long {value}\n");
    jit.add_archive(workshop.archive("rcs", &[&member("a", 1)])).unwrap();
    other.add_archive(workshop.archive("rcs", &[&member("b", 2)])).unwrap();
    assert_eq!(call(&jit, "main").unwrap(), 1);
}

#[test]
fn archives_and_other_generators_are_asked_in_the_order_in_which_they_were_added() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.add_archive(workshop.archive("rcs", &[&function("unrelated", 1)])).unwrap();
    jit.main().add_generator(recorder(&[("f", 0x1000)])).unwrap();
    jit.add_archive(workshop.archive("rcs", &[&function("f", 2)])).unwrap();
    assert_eq!(jit.lookup("f").unwrap(), ExecAddr(0x1000));
}

#[test]
fn a_name_is_found_though_a_member_for_another_name_overrides_it() {
    for names in [["f", "g"], ["g", "f"]] {
        let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
        jit.add_object(workshop.object(&function("f", 1).replace(".globl", ".weak"))).unwrap();
        jit.add_archive(workshop.archive("rcs", &[&(function("f", 2) + &function("g", 3))])).unwrap();
        let found = jit.main().link(&names).unwrap();
        assert_eq!(found.into_iter().map(call_at).sum::<i32>(), 5);
    }
}

/// A reference that may stay missing is bound to what is found for another reason, through an alias, too.
#[cfg(not(windows))]
#[test]
fn a_weak_reference_to_an_alias_is_bound_when_the_target_is_pulled() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.main().define_alias("alias", "between").unwrap();
    jit.main().define_alias("between", "target").unwrap();
    jit.add_archive(workshop.archive("rcs", &[&(function("wanted", 1) + &function("target", 5))])).unwrap();
    let user = ".globl f\nf: sub $8, %rsp\ncall wanted\nmov alias@GOTPCREL(%rip), %rax\nadd $8, %rsp\ntest %rax, %rax\n\
        je 1f\njmp *%rax\n1: xor %eax, %eax\nret\n.weak alias\n";
    jit.add_object(workshop.object(user)).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 5);
    // As long as nothing else wants it, it is null.
    let jit = host::jit().unwrap();
    jit.main().define_alias("alias", "target").unwrap();
    jit.add_archive(workshop.archive("rcs", &[&function("target", 5)])).unwrap();
    jit.add_object(workshop.object(&user.replace("call wanted", ""))).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 0);
}

#[cfg(not(windows))]
#[test]
fn the_default_version_of_a_symbol_is_what_its_name_means() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let versions = function("old", 1) + &function("new", 2) + ".symver old, f@V1\n.symver new, f@@V2\n";
    jit.add_object(workshop.object(&versions)).unwrap();
    jit.add_object(workshop.object(&caller("calls", "f"))).unwrap();
    assert_eq!(call(&jit, "calls").unwrap(), 2);
    let outdated = caller("outdated", "of_old") + ".symver of_old, f@V1\n";
    jit.add_object(workshop.object(&outdated)).unwrap();
    assert_eq!(call(&jit, "outdated").unwrap(), 1);
    // An object that defines the name and its version has one function.
    let jit = host::jit().unwrap();
    jit.add_object(workshop.object(&(function("f", 3) + ".symver f, f@@V1\n"))).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 3);
}
