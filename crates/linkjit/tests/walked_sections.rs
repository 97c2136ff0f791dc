//! Sections that code walks from `__start_x` to `__stop_x`: linkers of ELF define these.
#![cfg(all(not(windows), target_arch = "x86_64"))]

mod host;
mod support;

use std::ffi::c_int;

use linkjit::Jit;
use linkjit::Source;
use support::compile;

fn add(jit: &Jit, name: &str, flags: &str, source: &str) {
    jit.add_object(Source::new(name, compile(flags, source))).unwrap();
}

fn call(jit: &Jit, name: &str, argument: c_int) -> c_int {
    // SAFETY: every function that the tests call takes and returns an int, and its code is alive as long as `jit`.
    let function = unsafe { jit.lookup_fn::<unsafe extern "C" fn(c_int) -> c_int>(name).unwrap() };
    // SAFETY: as above.
    unsafe { function(argument) }
}

#[test]
fn a_section_that_is_walked_is_linked_as_a_whole() {
    let entry = |n: u32| {
        format!(
            "static int value(void) {{ return {n}; }}
            __attribute__((section(\"registry\"), used)) int (*entry{n})(void) = value;
            int touch{n}(int n) {{ return entry{n}() + n; }}"
        )
    };
    let walk = "extern int (*__start_registry[])(void), (*__stop_registry[])(void);
        int walk(int n) { for (int (**p)(void) = __start_registry; p < __stop_registry; p++) n = n * 10 + (*p)(); return n; }";
    for flags in ["-O1 -fPIC", "-O1 -fPIE"] {
        for is_lazy in [false, true] {
            let jit = host::jit().unwrap();
            let add = |name: &str, text: &str| {
                let object = compile(flags, text);
                if is_lazy {
                    jit.main().add_lazy_object(Source::new(name, object)).unwrap();
                } else {
                    jit.add_object(Source::new(name, object)).unwrap();
                }
            };
            for n in [1, 2, 3] {
                add(&format!("{n}.o"), &entry(n));
            }
            add("walk.o", walk);
            // Something of one object is linked before, with its part of the section and without.
            assert_eq!(call(&jit, "touch2", 0), 2);
            assert_eq!(call(&jit, "walk", 0), 123, "{flags}, lazy: {is_lazy}");
        }
    }
}

#[test]
fn parts_of_a_walked_section_are_placed_together() {
    // Something of the second object is linked before, nothing of its part of the section.
    let entry = |n: u32| {
        format!(
            "static int value(void) {{ return {n}; }}
            __attribute__((section(\"registry\"), used)) static int (*entry)(void) = value;
            int touch{n}(int n) {{ return n; }}"
        )
    };
    let walk = "extern int (*__start_registry[])(void), (*__stop_registry[])(void);
        int walk(int n) { for (int (**p)(void) = __start_registry; p < __stop_registry; p++) n = n * 10 + (*p)(); return n; }";
    for adds_walk_late in [false, true] {
        let jit = host::jit().unwrap();
        for n in [1, 2, 3] {
            add(&jit, &format!("{n}.o"), "-O1 -fPIC -ffunction-sections", &entry(n));
        }
        if !adds_walk_late {
            add(&jit, "walk.o", "-O1 -fPIC", walk);
        }
        assert_eq!(call(&jit, "touch2", 5), 5);
        if adds_walk_late {
            add(&jit, "walk.o", "-O1 -fPIC", walk);
        }
        assert_eq!(call(&jit, "walk", 0), 123, "{adds_walk_late}");
    }
}
