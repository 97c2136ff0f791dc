//! What of an object is linked: what is reached from what is wanted, and from what needs no reference.
#![cfg(not(windows))]

mod assembly;
mod host;

use std::sync::{Arc, Mutex};

use assembly::{Input, Workshop, call, caller, function, getter, source, undefined_names};
use linkjit::{FunctionGenerator, LinkPolicy};

/// Rules 18 to 21: code that nobody reaches is not linked, whatever it misses; nor is its unwind record.
#[test]
fn unreached_code_is_not_linked_unless_all_is() {
    let workshop = Workshop::new();
    let object = workshop.compile(
        "c",
        "int missing(void); int f(void) { return 1; } int g(void) { return missing(); }",
        &["-O1", "-ffunction-sections"],
    );
    let jit = host::jit().unwrap();
    jit.add_object(&object).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 1);
    // Nothing refers to records: functions have them.
    let unwind = jit.main().memory().unwrap().unwind;
    jit.add_object(workshop.object(&function("missing", 2))).unwrap();
    assert_eq!(call(&jit, "g").unwrap(), 2);
    assert!(unwind > 0 && jit.main().memory().unwrap().unwind > unwind);
    let whole = host::builder().policy(LinkPolicy::Whole).build().unwrap();
    whole.add_object(&object).unwrap();
    assert_eq!(undefined_names(whole.lookup("f").unwrap_err()), ["missing"]);
}

/// Rule 23.
#[test]
fn retained_sections_and_boundary_symbols_need_no_reference() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let entry = |value| format!(".section things,\"aw\"\n.quad {value}\n");
    let count = ".globl count\ncount: lea __stop_things(%rip),%rax\n lea __start_things(%rip),%rcx\n sub %rcx,%rax\n \
                 shr $3,%eax\n ret\n";
    let member = function("pulled", 0) + &entry(3);
    let needs = entry(2) + ".text\n" + &caller("needs", "pulled");
    let archive = Input::Archive(vec![member]);
    let first = entry(1) + ".text\n" + count + &caller("also", "needs") + "jmp also\n";
    workshop.add(&jit, &[Input::Object(first), Input::Object(needs), archive]).unwrap();
    // One of each object, and one of the member, which is pulled after the boundaries were seen.
    assert_eq!(call(&jit, "count").unwrap(), 3);
}

/// Rule 24.
#[test]
fn boundary_symbols_of_no_section_are_undefined_or_null() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.add_object(workshop.object(&(".weak __start_none\n".to_owned() + &getter("weak", "__start_none")))).unwrap();
    jit.add_object(workshop.object(&getter("strong", "__start_none"))).unwrap();
    assert_eq!(call(&jit, "weak").unwrap(), 0);
    assert_eq!(undefined_names(jit.lookup("strong").unwrap_err()), ["__start_none"]);
}

/// Rule 19: names that only dead code refers to are not even searched.
#[test]
fn nobody_is_asked_for_what_dead_code_wants() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    let generator = FunctionGenerator::new("the log", move |_, names| {
        log.lock().unwrap().extend(names.iter().map(|of| String::from_utf8_lossy(of.name).into_owned()));
        Ok(())
    });
    jit.main().add_generator(Arc::new(generator)).unwrap();
    let member = function("pulled", 1);
    jit.add_archive(workshop.archive("rcs", &[&member])).unwrap();
    let section = |name: &str, callee: &str| format!(".section .text.{name},\"ax\"\n{}", caller(name, callee));
    let weak = ".weak perhaps\n.section .text.weak,\"ax\"\n".to_owned() + &getter("weak", "perhaps");
    let text = function("inner", 4)
        + &section("dead", "missing")
        + &section("live", "inner")
        + &section("dead_too", "pulled")
        + &weak;
    jit.add_object(workshop.object(&text)).unwrap();
    assert_eq!(call(&jit, "live").unwrap(), 4);
    assert_eq!(*asked.lock().unwrap(), Vec::<String>::new());
    assert_eq!(jit.session().statistics().objects, 1);
    assert_eq!(call(&jit, "weak").unwrap(), 0);
    assert_eq!(*asked.lock().unwrap(), ["perhaps"]);
    assert_eq!(undefined_names(jit.lookup("dead").unwrap_err()), ["missing"]);
    assert_eq!(*asked.lock().unwrap(), ["perhaps", "missing"]);
    // The archive has what nobody had wanted.
    assert_eq!((call(&jit, "dead_too").unwrap(), jit.session().statistics().objects), (1, 2));
}

/// A function's address in unwanted data, or a record of it, is no reason to link it; what somebody wants later is linked
/// then, with all that lives and dies with it.
#[test]
fn the_rest_of_an_object_follows_when_it_is_wanted() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let tracker = jit.create_tracker().unwrap();
    let functions: String = (0..20)
        .map(|n| {
            let next = if n == 19 { String::new() } else { format!(".section .data.{n},\"aw\"\n.quad f{}\n", n + 1) };
            format!(".section .text.{n},\"ax\"\n.cfi_startproc\n{}.cfi_endproc\n{next}", function(&format!("f{n}"), n))
        })
        .collect();
    let functions = functions.replace(".cfi_startproc\n.globl", ".globl").replace(": mov", ": .cfi_startproc\nmov");
    tracker.add_object(source(&workshop.object(&functions))).unwrap();
    let mut last = jit.main().memory().unwrap();
    for n in (0..20).rev() {
        assert_eq!(call(&jit, &format!("f{n}")).unwrap(), n);
        let memory = jit.main().memory().unwrap();
        // With the padding that each allocation begins with.
        assert!(memory.code - last.code <= 32 && memory.unwind > last.unwind);
        last = memory;
    }
    assert_eq!(last.writable, 0);
    // SAFETY: nobody is in its code.
    unsafe { tracker.remove() }.unwrap();
    assert_eq!(jit.main().memory().unwrap().unwind, 0);
}

/// Nothing else refers to the list, and all the rest of the object is linked.
#[test]
fn boundary_symbols_find_lists_of_objects_that_are_linked() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.add_object(workshop.object(&(function("f", 1) + ".section list,\"aw\"\n.long 42\n"))).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 1);
    jit.add_object(workshop.object(&getter("g", "__start_list"))).unwrap();
    assert_eq!(call(&jit, "g").unwrap(), 42);
}
