//! A program's own allocator in a process that has other plans: sessions that end, others beside them, what is refused.
//!
//! A program's allocator stays for the life of the process, so each test has a process of its own: this test binary,
//! started again for that test alone.
#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![allow(missing_docs, reason = "tests are nobody's interface")]

mod host;
mod support;

use std::ffi::{CStr, c_char};
use std::path::PathBuf;
use std::process::Command;

use linkjit::{Error, Jit, Source};
use support::{compile, compile_file};

/// Set in the processes that run a test.
const CHILD: &str = "LINKJIT_TEST_OF_ALLOCATOR";

/// Runs a test in a process of its own.
fn alone(name: &str, test: fn()) {
    if std::env::var_os(CHILD).is_some() {
        return test();
    }
    let mut command = Command::new(std::env::current_exe().expect("it is running"));
    let output = command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(CHILD, "1").output();
    let output = output.expect("it can be started again");
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{}\n{}\n{}", output.status, text[0], text[1]);
    assert!(text[0].contains("1 passed"), "{}", text[0]);
}

/// An allocator with a header in front of all memory, which ends the process when it is given any other, and counts what
/// is in use.
const ALLOCATOR: &str = r#"
    #include <stddef.h>
    #include <stdint.h>
    #include <string.h>
    void *__libc_malloc(size_t);
    void __libc_free(void *);
    long live;
    typedef struct { uint64_t magic, size; } Header;
    void *malloc(size_t size) {
        Header *header = __libc_malloc(size + sizeof *header);
        header->magic = 0x123456789abcdef;
        header->size = size;
        __atomic_add_fetch(&live, 1, __ATOMIC_RELAXED);
        return header + 1;
    }
    void free(void *memory) {
        if (!memory) return;
        Header *header = (Header *)memory - 1;
        if (header->magic != 0x123456789abcdef) __builtin_trap();
        header->magic = 0;
        __atomic_sub_fetch(&live, 1, __ATOMIC_RELAXED);
        __libc_free(header);
    }
    size_t malloc_usable_size(void *memory) { return memory ? ((Header *)memory - 1)->size : 0; }
    void *calloc(size_t count, size_t size) { return memset(malloc(count * size), 0, count * size); }
    void *realloc(void *memory, size_t size) {
        void *new = malloc(size);
        if (memory) {
            size_t old = ((Header *)memory - 1)->size;
            memcpy(new, memory, old < size ? old : size);
            free(memory);
        }
        return new;
    }"#;

fn source(name: &str, text: &str) -> Source {
    Source::new(name.to_owned(), compile("-O1 -fPIC -fno-builtin", text))
}

type Number = unsafe extern "C" fn() -> i64;

fn call(jit: &Jit, name: &str) -> i64 {
    // SAFETY: the tests' functions are of this type.
    let function = unsafe { jit.lookup_fn::<Number>(name) }.expect("it can be linked");
    // SAFETY: as above.
    unsafe { function() }
}

/// What the C library allocates and this program frees, in every way that the host has.
fn use_host() {
    unsafe extern "C" {
        fn strdup(text: *const c_char) -> *mut c_char;
        fn free(memory: *mut c_char);
        fn realloc(memory: *mut c_char, size: usize) -> *mut c_char;
        fn malloc_usable_size(memory: *mut c_char) -> usize;
    }
    for round in 0..20 {
        let text = std::ffi::CString::new("x".repeat(1 + round * 50)).expect("no NUL");
        // SAFETY: a C string.
        let copy = unsafe { strdup(text.as_ptr()) };
        // SAFETY: as above.
        assert_eq!(unsafe { CStr::from_ptr(copy) }, text.as_c_str());
        // SAFETY: allocated above.
        assert!(unsafe { malloc_usable_size(copy) } > text.count_bytes());
        // SAFETY: as above.
        let copy = unsafe { realloc(copy, 5000) };
        // SAFETY: as above.
        unsafe { free(copy) };
    }
    // `realpath` allocates, and std frees.
    assert!(std::fs::canonicalize("/usr/..").is_ok());
    assert!(std::fs::read_dir("/").is_ok_and(|entries| entries.count() > 0));
    let threads: Vec<_> = (0..4)
        .map(|number| {
            std::thread::spawn(move || {
                let texts: Vec<String> = (0..200).map(|length| "y".repeat(length * 30 + number)).collect();
                texts.concat().len()
            })
        })
        .collect();
    for thread in threads {
        assert!(thread.join().expect("it does not panic") > 0);
    }
}

/// A program that uses memory of the C library's functions.
const PROGRAM: &str = r#"
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    extern long live;
    long count(void) { return live; }
    long use(void) {
        long before = live;
        char *text = strdup("text"), *line = NULL;
        size_t size = 0;
        if (live <= before) return -1;
        free(text);
        FILE *file = fopen("/proc/self/status", "r");
        while (getline(&line, &size, file) > 0) continue;
        fclose(file);
        free(line);
        return live - before;
    }"#;

#[test]
fn the_host_and_the_program_share_a_process() {
    alone("the_host_and_the_program_share_a_process", || {
        use_host();
        let old = vec![String::from("of the host"); 100];
        let jit = host::jit().expect("a session");
        jit.main().add_object(source("allocator.c", ALLOCATOR)).expect("an object");
        jit.main().add_object(source("program.c", PROGRAM)).expect("an object");
        assert_eq!(call(&jit, "use"), 0);
        use_host();
        drop(old);
        // Linking goes on, and what is linked later uses it, too.
        jit.main()
            .add_object(source(
                "later.c",
                &PROGRAM.replace("long count", "long count_later").replace("long use", "long use_later"),
            ))
            .expect("an object");
        assert_eq!(call(&jit, "use_later"), 0);
        assert!(std::fs::canonicalize("/usr/..").is_ok());
    });
}

#[test]
fn its_memory_outlives_its_session() {
    alone("its_memory_outlives_its_session", || {
        // What the libraries hold beyond the end.
        unsafe extern "C" {
            fn setenv(name: *const c_char, value: *const c_char, replace: i32) -> i32;
            fn strdup(text: *const c_char) -> *mut c_char;
            fn free(memory: *mut c_char);
        }
        let mut kept = std::ptr::null_mut();
        for ends in ["closed", "dropped"] {
            let jit = host::jit().expect("a session");
            jit.main().add_object(source("allocator.c", ALLOCATOR)).expect("an object");
            jit.main().add_object(source("program.c", PROGRAM)).expect("an object");
            if ends == "closed" {
                assert_eq!(call(&jit, "use"), 0);
                // SAFETY: C strings.
                kept = unsafe { strdup(c"kept".as_ptr()) };
                // SAFETY: no other thread uses the environment.
                assert_eq!(unsafe { setenv(c"LINKJIT_KEPT".as_ptr(), c"value".as_ptr(), 1) }, 0);
                // SAFETY: nobody is in its code.
                unsafe { jit.close() }.expect("it can be closed");
            } else {
                // The process has an allocator: this one yields to it, and its count stays what it was.
                jit.main()
                    .add_object(source("both.c", "long live; long here(void) { return live; }"))
                    .expect_err("a duplicate");
                jit.main()
                    .add_object(source(
                        "more.c",
                        r#"
                    #include <stdlib.h>
                    #include <string.h>
                    extern long live;
                    long here(void) { char *text = strdup("text"); free(text); free(malloc(9)); return live; }"#,
                    ))
                    .expect("an object");
                assert_eq!(call(&jit, "here"), 0);
                drop(jit);
            }
            use_host();
        }
        // SAFETY: allocated above.
        assert_eq!(unsafe { CStr::from_ptr(kept) }, c"kept");
        // SAFETY: as above.
        unsafe { free(kept) };
        use_host();
    });
}

#[test]
fn it_can_not_be_removed() {
    alone("it_can_not_be_removed", || {
        let jit = host::jit().expect("a session");
        let [tracker, other] = [jit.create_tracker().expect("a tracker"), jit.create_tracker().expect("a tracker")];
        tracker.add_object(source("allocator.c", ALLOCATOR)).expect("an object");
        other.add_object(source("program.c", PROGRAM)).expect("an object");
        assert_eq!(call(&jit, "use"), 0);
        // SAFETY: nobody is in its code.
        unsafe { other.remove() }.expect("nothing needs it");
        // SAFETY: as above.
        let error = unsafe { tracker.remove() }.expect_err("the libraries use it");
        assert!(matches!(error, Error::ServesProcess { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.starts_with(
                "allocator.c: the object can't be removed: libraries of this process hold memory from its 'malloc'"
            ),
            "{text}"
        );
        use_host();
        jit.main().add_object(source("program.c", PROGRAM)).expect("an object");
        assert_eq!(call(&jit, "use"), 0);
    });
}

#[test]
fn what_was_linked_before_is_bound_to_the_old_one() {
    alone("what_was_linked_before_is_bound_to_the_old_one", || {
        let jit = host::jit().expect("a session");
        let early = r#"
            #include <stdlib.h>
            #include <string.h>
            long early(void) { char *text = strdup("text"); free(text); return 1; }"#;
        jit.main().add_object(source("early.c", early)).expect("an object");
        assert_eq!(call(&jit, "early"), 1);
        let other = host::jit().expect("a session");
        other.main().add_object(source("allocator.c", ALLOCATOR)).expect("an object");
        other.main().add_object(source("program.c", PROGRAM)).expect("an object");
        let error = other.lookup("use").expect_err("it is too late");
        let text = error.to_string();
        assert!(text.starts_with("allocator.c: 'malloc': ") && text.contains("LD_PRELOAD"), "{text}");
        assert_eq!(call(&jit, "early"), 1);
        // When what was linked before is gone, nothing is in the way.
        drop(jit);
        // At the other end of a connection it goes a moment later.
        for _ in 0..1000 {
            if !host::is_remote() || other.lookup("use").is_ok() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(call(&other, "use"), 0);
        use_host();
    });
}

#[test]
fn a_second_jitdylib_yields() {
    alone("a_second_jitdylib_yields", || {
        let jit = host::jit().expect("a session");
        jit.main().add_object(source("allocator.c", ALLOCATOR)).expect("an object");
        jit.main().add_object(source("program.c", PROGRAM)).expect("an object");
        let plugin = jit.create_dylib("plugin").expect("a JITDylib");
        // Its own functions would end the process.
        let own = r#"
            #include <stdlib.h>
            #include <string.h>
            void *malloc(size_t size) { __builtin_trap(); }
            void free(void *memory) { __builtin_trap(); }
            long plugin(void) {
                char *text = strdup("text");
                free(text);
                free(malloc(10));
                free(calloc(10, 10));
                return 4;
            }"#;
        plugin.add_object(source("plugin.c", own)).expect("an object");
        assert_eq!(call(&jit, "use"), 0);
        let address = plugin.link_with_initializers(&["plugin"]).expect("it can be linked")[0];
        // SAFETY: its type.
        let function = unsafe { std::mem::transmute::<*const (), Number>(address.0 as *const ()) };
        let before = call(&jit, "count");
        // SAFETY: as above.
        assert_eq!(unsafe { function() }, 4);
        assert_eq!(call(&jit, "count"), before);
    });
}

#[test]
fn nobody_takes_the_place_of_one_that_is_closed() {
    alone("nobody_takes_the_place_of_one_that_is_closed", || {
        let jit = host::jit().expect("a session");
        let [first, second] = ["first", "second"].map(|name| jit.create_dylib(name).expect("a JITDylib"));
        let run = |dylib: &linkjit::JitDylib| {
            dylib.add_object(source("allocator.c", ALLOCATOR)).expect("an object");
            dylib.add_object(source("program.c", PROGRAM)).expect("an object");
            let address = dylib.link_with_initializers(&["use"]).expect("it can be linked")[0];
            // SAFETY: its type.
            let function = unsafe { std::mem::transmute::<*const (), Number>(address.0 as *const ()) };
            // SAFETY: as above.
            unsafe { function() }
        };
        assert_eq!(run(&first), 0);
        // SAFETY: nobody is in its code.
        unsafe { first.close() }.expect("nothing needs it");
        use_host();
        // Its own count says nothing, for it is the closed one that counts.
        assert_eq!(run(&second), -1);
        use_host();
    });
}

#[test]
fn one_that_can_be_replaced_is_refused() {
    alone("one_that_can_be_replaced_is_refused", || {
        let jit = host::jit().expect("a session");
        let error = jit.main().add_updatable_object(source("allocator.c", ALLOCATOR)).expect_err("an allocator");
        assert!(matches!(error, Error::UpdatableAllocator { .. }), "{error}");
        let program = "int zero; long f(void) { return zero; }";
        jit.main().add_updatable_object(source("program.c", program)).expect("an object");
        assert_eq!(call(&jit, "f"), 0);
    });
}

#[test]
fn lazy_objects_of_it_are_linked_at_once() {
    alone("lazy_objects_of_it_are_linked_at_once", || {
        let jit = host::jit().expect("a session");
        let split = ALLOCATOR.replace("__libc_malloc", "pool_take").replace("__libc_free", "pool_give");
        let pool = r#"
            #include <stddef.h>
            static _Alignas(16) char pool[16 << 20];
            static size_t used;
            int is_of_pool(char *memory);
            void *pool_take(size_t size) {
                void *memory = pool + used;
                used += (size + 15) / 16 * 16;
                if (used > sizeof pool) __builtin_trap();
                return memory;
            }
            void pool_give(void *memory) { if (!is_of_pool(memory)) __builtin_trap(); }
            int between(char *memory, char *start, char *end);
            int is_of_pool(char *memory) { return between(memory, pool, pool + used); }"#;
        let between = "int between(char *memory, char *start, char *end) { return memory >= start && memory < end; }";
        for (name, text) in [("between.c", between), ("pool.c", pool), ("program.c", PROGRAM), ("allocator.c", &split)]
        {
            jit.main().add_lazy_object(source(name, text)).expect("an object");
        }
        assert_eq!(call(&jit, "use"), 0);
        use_host();
    });
}

#[test]
fn libraries_that_are_opened_later_are_bound_before_they_begin() {
    alone("libraries_that_are_opened_later_are_bound_before_they_begin", || {
        let library = r#"
            #include <stdlib.h>
            #include <string.h>
            static char *kept;
            __attribute__((constructor)) static void begin(void) {
                free(strdup("of the constructor"));
                kept = strdup("kept");
            }
            char *give(void) { return kept; }
            void take(char *text) { free(text); }"#;
        let shared = |name: &str, flags: &str| -> PathBuf {
            let object = compile_file("-O1 -fPIC", library);
            let path = object.with_file_name(format!("lib{name}-{}.so", std::process::id()));
            let status = Command::new("cc").args(["-shared", flags, "-o"]).args([&path, &object]).status();
            assert!(status.is_ok_and(|status| status.success()));
            path
        };
        let jit = host::jit().expect("a session");
        jit.main().add_object(source("allocator.c", ALLOCATOR)).expect("an object");
        jit.main().add_object(source("program.c", PROGRAM)).expect("an object");
        assert_eq!(call(&jit, "use"), 0);
        let later = r#"
            #include <stdlib.h>
            char *give(void);
            void take(char *);
            long exchange(void) { char *text = give(); take(malloc(10)); free(text); return 3; }"#;
        jit.add_library(shared("bound-now", "-Wl,-z,now")).expect("a library");
        jit.main().add_object(source("later.c", later)).expect("an object");
        assert_eq!(call(&jit, "exchange"), 3);
        let opening = r#"
            #include <dlfcn.h>
            #include <stdlib.h>
            long opened(void) {
                void *library = dlopen(PATH, RTLD_LAZY);
                if (!library) return 0;
                char *(*give)(void) = (char *(*)(void))dlsym(library, "give");
                void (*take)(char *) = (void (*)(char *))dlsym(library, "take");
                take(malloc(3));
                free(give());
                return !dlclose(library);
            }"#;
        let path = shared("bound-lazily", "-Wl,-z,lazy");
        jit.main().add_object(source("opening.c", &opening.replace("PATH", &format!("{path:?}")))).expect("an object");
        assert_eq!(call(&jit, "opened"), 1);
    });
}

/// An executor that refuses to have an allocator serve the process leaves all as it was, lazy functions of it among that.
#[test]
fn an_allocator_that_is_refused_is_not_linked() {
    alone("an_allocator_that_is_refused_is_not_linked", || {
        use std::sync::Arc;
        let executor = Arc::new(host::elsewhere::Elsewhere::new(linkjit::executor::InProcess::new().unwrap()));
        let jit = Jit::builder().executor(executor.clone()).build().unwrap();
        let user = "#include <stdlib.h>\n#include <string.h>\nextern long live; void count_in(void);
                    long used(void) { long before = live; char *copy = strdup(\"copy\"); long now = live; free(copy);
                        return 100 * (now - before) + live - before; }";
        let text = ALLOCATOR.replace("__atomic_add_fetch(&live, 1, __ATOMIC_RELAXED)", "count_in()");
        assert_ne!(text, ALLOCATOR);
        let text = text.replace("long live;", "extern long live; void count_in(void);");
        jit.main().add_lazy_object(source("user.o", user)).unwrap();
        let late = "long live; void count_in(void) { __atomic_add_fetch(&live, 1, __ATOMIC_RELAXED); }";
        jit.main().add_lazy_object(source("late.o", late)).unwrap();
        jit.main().add_object(source("allocator.o", &text)).unwrap();
        executor.refuse(true);
        for _ in 0..3 {
            jit.lookup("used").unwrap_err();
            assert_eq!(jit.session().statistics().batches, 0);
        }
        executor.refuse(false);
        // SAFETY: its type.
        let used = unsafe { jit.lookup_fn::<Number>("used") }.unwrap();
        // SAFETY: as above. The library's function allocates by the program's.
        assert_eq!(unsafe { used() }, 100);
    });
}
