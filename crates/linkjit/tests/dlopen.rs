//! JITDylibs that linked code opens by `dlopen`, compared with shared libraries that the system's loader opens. Each case
//! is a program in C, whose `run` opens libraries of its own and says what happens with `note`.
#![cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]

mod assembly;
mod host;

use std::ffi::{CStr, c_char};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use assembly::{Workshop, run};
use linkjit::{ExecAddr, Jit, JitDylib, MatchScope};

/// A library: its name, its source, and the names of those that it needs, which are before it.
type Library<'a> = (&'a str, &'a str, &'a [&'a str]);

/// The beginning of all sources.
const PRELUDE: &str = "#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
void note(const char *what);
#define BEGIN(what) __attribute__((constructor)) static void begin(void) { note(what); }
#define END(what) __attribute__((destructor)) static void end(void) { note(what); }
#define APART __attribute__((section(\".text.apart\")))
__attribute__((unused)) static void note_number(const char *what, long number) {
    char text[100]; snprintf(text, sizeof text, \"%s %ld\", what, number); note(text);
}
__attribute__((unused)) static int call(void *handle, const char *name) {
    int (*function)(void) = (int (*)(void))dlsym(handle, name);
    if (!function) { note(\"missing\"); return -1; }
    return function();
}
";

static NOTED: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// One case at a time uses it.
static TURN: Mutex<()> = Mutex::new(());

extern "C" fn note(what: *const c_char) {
    // SAFETY: the fixtures pass C strings.
    let what = unsafe { CStr::from_ptr(what) };
    NOTED.lock().unwrap().push(what.to_string_lossy().into_owned());
}

/// Returns what the program says when the system's loader has the libraries.
fn native(workshop: &Workshop, libraries: &[Library<'_>], program: &str) -> Vec<String> {
    let directory = &workshop.directory;
    for (name, source, needs) in libraries {
        let object = workshop.compile("c", &format!("{PRELUDE}{source}"), &["-O1", "-fPIC"]);
        let needs = needs.iter().map(|name| directory.join(name));
        let soname = format!("-Wl,-soname,{name}");
        let mut link = Command::new("gcc");
        run(link
            .args(["-shared", "-Wl,--no-as-needed", &soname, "-o"])
            .arg(directory.join(name))
            .arg(object)
            .args(needs));
    }
    let program = workshop.compile("c", &format!("{PRELUDE}{program}"), &["-O1"]);
    let main = "#include <stdio.h>\nvoid run(void); void note(const char *what) { puts(what); fflush(stdout); }
                int main(void) { run(); note(\"exit\"); return 0; }";
    let main = workshop.compile("c", main, &["-O1"]);
    let executable = workshop.path("exe");
    run(Command::new("gcc").arg("-rdynamic").arg("-o").arg(&executable).args([main, program]));
    let output = Command::new(&executable).env("LD_LIBRARY_PATH", directory).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// Adds the libraries as JITDylibs; returns them.
fn add(jit: &Jit, workshop: &Workshop, libraries: &[Library<'_>]) -> Vec<JitDylib> {
    jit.define_absolute("note", ExecAddr::from_ptr(note as *const ())).unwrap();
    let add = |(name, source, needs): &Library<'_>| {
        let library = jit.create_dylib(name).unwrap();
        for needed in *needs {
            library.add_to_link_order(&jit.session().dylib(needed).unwrap(), MatchScope::Exported).unwrap();
        }
        library.add_to_link_order(jit.main(), MatchScope::Exported).unwrap();
        library.add_object(workshop.compile("c", &format!("{PRELUDE}{source}"), &["-O1", "-fPIC"])).unwrap();
        library
    };
    libraries.iter().map(add).collect()
}

/// Runs the program and closes all; returns what was said.
fn run_program(jit: Jit, workshop: &Workshop) -> Vec<String> {
    let main = "void run(void); void note(const char *what); int main(void) { run(); note(\"exit\"); return 0; }";
    jit.add_object(workshop.compile("c", main, &["-O1"])).unwrap();
    // SAFETY: it is a `main`.
    assert_eq!(unsafe { jit.run_main("main", &["program"]) }.unwrap(), 0);
    // SAFETY: nobody is in the code.
    unsafe { jit.close() }.unwrap();
    std::mem::take(&mut NOTED.lock().unwrap())
}

/// Returns what it says when they are JITDylibs.
fn jitted(workshop: &Workshop, libraries: &[Library<'_>], program: &str) -> Vec<String> {
    let jit = host::jit().unwrap();
    add(&jit, workshop, libraries);
    jit.add_object(workshop.compile("c", &format!("{PRELUDE}{program}"), &["-O1"])).unwrap();
    run_program(jit, workshop)
}

/// The program says this when the libraries are JITDylibs that are initialized on demand, as those of `linkjit run` are, which
/// the program and they may refer to; at once, and if the program is lazy.
fn check_on_demand(libraries: &[Library<'_>], program: &str, says: &str, says_if_lazy: &str) {
    let _turn = TURN.lock();
    let workshop = Workshop::new();
    for (is_lazy, says) in [(false, says), (true, says_if_lazy)] {
        let jit = host::jit().unwrap();
        for library in add(&jit, &workshop, libraries) {
            library.initialize_on_demand().unwrap();
            jit.add_to_link_order(&library, MatchScope::Exported).unwrap();
        }
        let program = workshop.compile("c", &format!("{PRELUDE}{program}"), &["-O1"]);
        if is_lazy { jit.add_lazy_object(program) } else { jit.add_object(program).map(drop) }.unwrap();
        assert_eq!(run_program(jit, &workshop).join(", "), says, "lazy: {is_lazy}");
    }
}

/// Both say the same, which has these lines in it.
fn check(libraries: &[Library<'_>], program: &str, says: &str) {
    let _turn = TURN.lock();
    let workshop = Workshop::new();
    let native = native(&workshop, libraries, program);
    assert_eq!(native.join(", "), says, "natively");
    assert_eq!(jitted(&workshop, libraries, program).join(", "), says);
}

#[test]
fn a_library_is_initialized_once_and_finished_when_it_is_closed_as_often() {
    check(
        &[(
            "plugin",
            "BEGIN(\"begin\") END(\"end\") static void at_exit(void) { note(\"at exit\"); }
             static int count = 10, zero; int next(void) { if (!zero++) atexit(at_exit); return ++count; }",
            &[],
        )],
        "void run(void) {
             void *one = dlopen(\"plugin\", RTLD_NOW), *two = dlopen(\"plugin\", RTLD_LAZY);
             note(one && one == two ? \"same\" : \"different\");
             note_number(\"next\", call(one, \"next\"));
             note_number(\"close\", dlclose(one));
             note_number(\"next\", call(two, \"next\"));
             note_number(\"close\", dlclose(two));
             one = dlopen(\"plugin\", RTLD_NOW);
             note_number(\"next\", call(one, \"next\"));
             dlclose(one);
             one = dlopen(\"plugin\", RTLD_NOW);
         }",
        "begin, same, next 11, close 0, next 12, end, at exit, close 0, begin, next 11, \
         end, at exit, begin, exit, end",
    );
}

#[test]
fn what_a_library_needs_is_opened_before_it_and_closed_after_it() {
    check(
        &[
            ("c", "BEGIN(\"c\") END(\"~c\") int of_c(void) { return 3; }", &[]),
            ("b", "BEGIN(\"b\") END(\"~b\") int of_c(void); int of_b(void) { return of_c() + 10; }", &["c"]),
            (
                "a",
                "BEGIN(\"a\") END(\"~a\") int of_b(void); int of_c(void);
                 int of_a(void) { return of_b() + of_c() + 100; }",
                &["b", "c"],
            ),
        ],
        "void run(void) {
             void *a = dlopen(\"a\", RTLD_NOW), *b = dlopen(\"b\", RTLD_NOW);
             note_number(\"of a\", call(a, \"of_a\"));
             note_number(\"of c\", call(a, \"of_c\"));
             note_number(\"of a of b\", call(b, \"of_a\"));
             dlclose(a); note(\"closed a\");
             note_number(\"of b\", call(b, \"of_b\"));
             dlclose(b); note(\"closed b\");
             a = dlopen(\"a\", RTLD_NOW); void *c = dlopen(\"c\", RTLD_NOW);
             dlclose(a); note(\"closed a\"); dlclose(c); note(\"closed c\");
             note_number(\"open\", dlopen(\"c\", RTLD_NOW | RTLD_NOLOAD) != 0);
             dlopen(\"a\", RTLD_LAZY);
         }",
        "c, b, a, of a 116, of c 3, missing, of a of b -1, ~a, closed a, of b 13, ~b, ~c, closed b, c, b, a, ~a, ~b, \
         closed a, ~c, closed c, open 0, c, b, a, exit, ~a, ~b, ~c",
    );
}

#[test]
fn initializers_and_terminators_open_and_close() {
    check(
        &[
            ("inner", "BEGIN(\"inner\") END(\"~inner\") int value(void) { return 7; }", &[]),
            (
                "outer",
                "static void *inner;
                 __attribute__((constructor)) static void begin(void) {
                     note(\"outer\"); inner = dlopen(\"inner\", RTLD_NOW); note_number(\"value\", call(inner, \"value\"));
                     void *self = dlopen(\"outer\", RTLD_NOW); note_number(\"self\", self != 0); dlclose(self);
                     note(\"outer begun\");
                 }
                 __attribute__((destructor)) static void end(void) { note(\"~outer\"); dlclose(inner); note(\"done\"); }",
                &[],
            ),
        ],
        "void run(void) {
             for (int i = 0; i < 2; i++) { void *outer = dlopen(\"outer\", RTLD_NOW); dlclose(outer); note(\"closed\"); }
         }",
        "outer, inner, value 7, self 1, outer begun, ~outer, done, ~inner, closed, \
         outer, inner, value 7, self 1, outer begun, ~outer, done, ~inner, closed, exit",
    );
}

#[test]
fn symbols_are_found_as_the_manual_says() {
    check(
        &[
            ("base", "int who(void) { return 2; } int of_base(void) { return 20; }", &[]),
            (
                "plugin",
                "int who(void) { return 1; } int variable = 5; _Thread_local int local = 6;
                 __attribute__((visibility(\"hidden\"))) int hidden(void) { return 1; }
                 int *address(void) { return &local; }
                 int next(void) { int (*who)(void) = (int (*)(void))dlsym(RTLD_NEXT, \"who\"); return who ? who() : -1; }
                 int of_program(void); int back(void) { return hidden() + of_program(); }
                 int own(void) { int found = dlsym(RTLD_DEFAULT, \"back\") != 0; return found; }",
                &["base"],
            ),
        ],
        "int of_program(void) { return 40; } int program_only(void) { return 1; }
         static int has(void *handle, const char *name) { int found = dlsym(handle, name) != 0; return found; }
         void run(void) {
             void *plugin = dlopen(\"plugin\", RTLD_NOW);
             note_number(\"who\", call(plugin, \"who\")); note_number(\"base\", call(plugin, \"of_base\"));
             note_number(\"variable\", *(int *)dlsym(plugin, \"variable\"));
             int *local = dlsym(plugin, \"local\"); int *(*address)(void) = (int *(*)(void))dlsym(plugin, \"address\");
             note_number(\"local\", *local); note_number(\"same\", local == address());
             note_number(\"next\", call(plugin, \"next\")); note_number(\"back\", call(plugin, \"back\"));
             note_number(\"own\", call(plugin, \"own\"));
             note_number(\"libc\", has(plugin, \"getenv\"));
             note_number(\"versioned\", dlvsym(plugin, \"who\", \"ANY_1\") != 0);
             note_number(\"getenv\", dlvsym(plugin, \"getenv\", \"GLIBC_2.2.5\") != 0);
             note_number(\"of the program\", has(plugin, \"program_only\"));
             note_number(\"by the program\", has(RTLD_DEFAULT, \"program_only\"));
             void *program = dlopen(0, RTLD_NOW);
             note_number(\"by its handle\", has(program, \"program_only\"));
             dlerror();
             note_number(\"hidden\", has(plugin, \"hidden\"));
             note(strstr(dlerror(), \"plugin: undefined symbol: hidden\") ? \"says so\" : \"says nothing\");
             note(dlerror() ? \"again\" : \"once\");
             note_number(\"local to it\", has(RTLD_DEFAULT, \"back\"));
             void *global = dlopen(\"plugin\", RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL);
             note_number(\"same\", global == plugin); note_number(\"global\", has(RTLD_DEFAULT, \"back\"));
             note_number(\"global\", has(program, \"of_base\"));
             note_number(\"getpid\", has(RTLD_NEXT, \"getpid\"));
             dlclose(plugin); note_number(\"still\", has(RTLD_DEFAULT, \"back\"));
             dlclose(plugin); note_number(\"found\", has(RTLD_DEFAULT, \"back\"));
         }",
        "who 1, base 20, variable 5, local 6, same 1, next 2, back 41, own 1, libc 1, versioned 0, getenv 1, of the program 0, \
         by the program 1, by its handle 1, hidden 0, says so, once, local to it 0, same 1, global 1, global 1, getpid 1, \
         still 1, found 1, exit",
    );
}

#[test]
fn flags_keep_ask_and_check() {
    check(
        &[
            ("kept", "BEGIN(\"kept\") END(\"~kept\") int count; int next(void) { return ++count; }", &[]),
            ("broken", "BEGIN(\"broken\") int nowhere(void); int f(void) { return nowhere(); }", &[]),
        ],
        "void run(void) {
             note_number(\"open\", dlopen(\"kept\", RTLD_NOW | RTLD_NOLOAD) != 0);
             note(dlerror() ? \"error\" : \"no error\");
             void *kept = dlopen(\"kept\", RTLD_NOW | RTLD_NODELETE);
             note_number(\"next\", call(kept, \"next\")); dlclose(kept); note(\"closed\");
             note_number(\"open\", dlopen(\"kept\", RTLD_NOW | RTLD_NOLOAD) != 0);
             kept = dlopen(\"kept\", RTLD_NOW); note_number(\"next\", call(kept, \"next\"));
             note_number(\"broken\", dlopen(\"broken\", RTLD_NOW) != 0);
             note(strstr(dlerror(), \"broken: undefined symbol: nowhere\") ? \"says so\" : \"says nothing\");
             note_number(\"missing\", dlopen(\"there is none\", RTLD_NOW) != 0);
             note(strstr(dlerror(), \"there is none: cannot open shared object file\") ? \"says so\" : \"says nothing\");
             void *m = dlopen(\"libm.so.6\", RTLD_NOW);
             note_number(\"cos\", (long)((double (*)(double))dlsym(m, \"cos\"))(0)); note_number(\"close\", dlclose(m));
         }",
        "open 0, no error, kept, next 1, closed, open 1, next 2, broken 0, says so, missing 0, says so, cos 1, close 0, \
         exit, ~kept",
    );
}

#[test]
fn addresses_are_described() {
    check(
        &[("plugin", "int variable[4]; int f(void) { return variable[1]; }", &[])],
        "static void describe(void *address) {
             Dl_info info; memset(&info, 0, sizeof info);
             if (!dladdr(address, &info)) { note(\"nothing\"); return; }
             const char *slash = strrchr(info.dli_fname, '/');
             char text[200];
             snprintf(text, sizeof text, \"%s %s+%ld\", slash ? slash + 1 : info.dli_fname, info.dli_sname,
                      (long)((char *)address - (char *)info.dli_saddr));
             note(text);
             note_number(\"base\", info.dli_fbase && info.dli_fbase < address);
         }
         void run(void) {
             void *plugin = dlopen(\"plugin\", RTLD_NOW);
             describe(dlsym(plugin, \"f\")); describe((char *)dlsym(plugin, \"variable\") + 4);
             describe((void *)16);
         }",
        "plugin f+0, base 1, plugin variable+4, base 1, nothing, exit",
    );
}

#[test]
fn threads_open_and_close() {
    check(
        &[
            ("base", "int alive; BEGIN(\"base\") END(\"~base\")", &[]),
            (
                "plugin",
                "extern int alive; static int begun; int is_begun(void) { return begun == 1 && alive == 1; }
                 __attribute__((constructor)) static void begin(void) { alive++; begun++; }
                 __attribute__((destructor)) static void end(void) { alive--; begun--; }",
                &["base"],
            ),
        ],
        "static int wrong;
         static void *work(void *unused) {
             for (int i = 0; i < 50; i++) {
                 void *plugin = dlopen(\"plugin\", i % 2 ? RTLD_NOW : RTLD_LAZY);
                 if (!plugin || call(plugin, \"is_begun\") != 1 || dlclose(plugin)) __atomic_fetch_add(&wrong, 1, 5);
             }
             return unused;
         }
         void run(void) {
             void *base = dlopen(\"base\", RTLD_NOW);
             pthread_t threads[8];
             for (int i = 0; i < 8; i++) pthread_create(&threads[i], 0, work, 0);
             for (int i = 0; i < 8; i++) pthread_join(threads[i], 0);
             note_number(\"wrong\", wrong);
             note_number(\"alive\", *(int *)dlsym(base, \"alive\"));
             dlclose(base);
         }",
        "base, wrong 0, alive 0, ~base, exit",
    );
}

#[test]
fn a_terminator_that_opens_does_not_keep_its_own_library() {
    check(
        &[
            ("inner", "BEGIN(\"inner\") END(\"~inner\")", &[]),
            (
                "outer",
                "BEGIN(\"outer\")
                 __attribute__((destructor)) static void end(void) { note(\"~outer\"); dlclose(dlopen(\"inner\", RTLD_NOW)); }",
                &[],
            ),
        ],
        "void run(void) {
             for (int i = 0; i < 2; i++) { dlclose(dlopen(\"outer\", RTLD_NOW)); note(\"closed\"); }
         }",
        "outer, ~outer, inner, ~inner, closed, outer, ~outer, inner, ~inner, closed, exit",
    );
}

#[test]
fn what_code_is_first_bound_to_when_it_is_called_is_initialized_and_closed_with_it() {
    let base = ("base", "BEGIN(\"base\") END(\"~base\") int of_base(void) { return 2; }", &[][..]);
    check_on_demand(
        &[base],
        "int of_base(void); BEGIN(\"program\")
         APART void run(void) { note(\"run\"); note_number(\"of base\", of_base()); note_number(\"of base\", of_base()); }",
        "base, program, run, of base 2, of base 2, exit, ~base",
        "program, base, run, of base 2, of base 2, exit, ~base",
    );
    // Symbols of a plugin are linked when they are asked for.
    check_on_demand(
        &[
            base,
            (
                "plugin",
                "BEGIN(\"plugin\") END(\"~plugin\") int of_base(void); APART int use(void) { return of_base(); }",
                &["base"],
            ),
        ],
        "void run(void) {
             for (int i = 0; i < 2; i++) {
                 void *plugin = dlopen(\"plugin\", RTLD_LAZY);
                 note_number(\"use\", call(plugin, \"use\"));
                 note_number(\"closed\", dlclose(plugin));
                 note_number(\"open\", dlopen(\"base\", RTLD_NOW | RTLD_NOLOAD) != 0);
             }
         }",
        "plugin, base, use 2, ~plugin, ~base, closed 0, open 0, base, plugin, use 2, ~plugin, ~base, closed 0, open 0, exit",
        "plugin, base, use 2, ~plugin, ~base, closed 0, open 0, base, plugin, use 2, ~plugin, ~base, closed 0, open 0, exit",
    );
}

#[test]
fn what_the_host_looks_up_is_initialized() {
    let _turn = TURN.lock();
    let workshop = Workshop::new();
    let app = (
        "app",
        "BEGIN(\"app\") END(\"~app\") int main(void) { note(\"main\"); return 0; } int f(void) { return 1; }",
        &[][..],
    );
    type Use = fn(&Jit);
    let uses: [(Use, &str); 3] = [
        // SAFETY: it is a `main`.
        (|jit| assert_eq!(unsafe { jit.run_main("main", &["app"]) }.unwrap(), 0), "app, main, ~app"),
        (|jit| _ = jit.lookup("f").unwrap(), "app, ~app"),
        (
            |jit| {
                jit.link(&["f"]).unwrap();
                assert_eq!(*NOTED.lock().unwrap(), Vec::<String>::new());
                jit.initialize().unwrap();
            },
            "app, ~app",
        ),
    ];
    for (apply, says) in uses {
        let jit = host::jit().unwrap();
        for library in add(&jit, &workshop, &[app]) {
            library.initialize_on_demand().unwrap();
            jit.add_to_link_order(&library, MatchScope::Exported).unwrap();
        }
        apply(&jit);
        // SAFETY: nobody is in the code.
        unsafe { jit.close() }.unwrap();
        assert_eq!(std::mem::take(&mut *NOTED.lock().unwrap()).join(", "), says);
    }
}

/// The JITDylib that the program has open, and what the host adds to it.
static ADDED: Mutex<Option<(JitDylib, PathBuf)>> = Mutex::new(None);

extern "C" fn add_more() {
    let (dylib, object) = ADDED.lock().unwrap().take().unwrap();
    dylib.add_object(object).unwrap();
}

/// ORC's names, and what only ORC has: a JITDylib that is open gets more, which the program has initialized.
#[test]
fn what_the_host_adds_to_an_open_jitdylib_is_initialized_when_the_program_says_so() {
    let _turn = TURN.lock();
    let workshop = Workshop::new();
    let jit = host::jit().unwrap();
    for (name, function) in [("note", note as *const ()), ("add", add_more as *const ())] {
        jit.define_absolute(name, ExecAddr::from_ptr(function)).unwrap();
    }
    let compile = |source: &str| workshop.compile("c", &format!("{PRELUDE}{source}"), &["-O1", "-fPIC"]);
    let plugin = jit.create_dylib("plugin").unwrap();
    plugin.add_to_link_order(jit.main(), MatchScope::Exported).unwrap();
    plugin.add_object(compile("BEGIN(\"first\") END(\"~first\")")).unwrap();
    *ADDED.lock().unwrap() = Some((plugin, compile("BEGIN(\"second\") END(\"~second\") int f(void) { return 7; }")));
    jit.add_object(compile(
        "void add(void), *__orc_rt_jit_dlopen(const char *, int), *__orc_rt_jit_dlsym(void *, const char *);
         const char *__orc_rt_jit_dlerror(void);
         int __orc_rt_jit_dlupdate(void *), __orc_rt_jit_dlclose(void *);
         int main(void) {
             void *plugin = __orc_rt_jit_dlopen(\"plugin\", RTLD_NOW);
             note_number(\"nothing new\", __orc_rt_jit_dlupdate(plugin));
             add(); note(\"added\");
             note_number(\"update\", __orc_rt_jit_dlupdate(plugin));
             note_number(\"f\", ((int (*)(void))__orc_rt_jit_dlsym(plugin, \"f\"))());
             note_number(\"again\", __orc_rt_jit_dlupdate(plugin));
             note_number(\"close\", __orc_rt_jit_dlclose(plugin));
             note_number(\"update\", __orc_rt_jit_dlupdate(plugin)); note(__orc_rt_jit_dlerror());
             note_number(\"system\", __orc_rt_jit_dlupdate(dlopen(\"libm.so.6\", RTLD_NOW)));
             return 0;
         }",
    ))
    .unwrap();
    // SAFETY: it is a `main`.
    assert_eq!(unsafe { jit.run_main("main", &["program"]) }.unwrap(), 0);
    // SAFETY: nobody is in the code.
    unsafe { jit.close() }.unwrap();
    assert_eq!(
        std::mem::take(&mut *NOTED.lock().unwrap()).join(", "),
        "first, nothing new 0, added, second, update 0, f 7, again 0, ~second, ~first, close 0, update -1, \
         the shared object is not open, system -1"
    );
}

#[test]
fn constructors_of_the_program_wait_for_threads_that_open() {
    check(
        &[("plugin", "BEGIN(\"plugin\") END(\"~plugin\") int value(void) { return 7; }", &[])],
        "static void *work(void *unused) {
             void *plugin = dlopen(\"plugin\", RTLD_NOW);
             note_number(\"value\", call(plugin, \"value\")); dlclose(plugin);
             note_number(\"run\", dlsym(RTLD_DEFAULT, \"run\") != 0);
             return unused;
         }
         __attribute__((constructor)) static void begin(void) {
             pthread_t thread;
             pthread_create(&thread, 0, work, 0); pthread_join(thread, 0);
             note(\"begun\");
         }
         void run(void) { note(\"run\"); }",
        "plugin, value 7, ~plugin, run 1, begun, run, exit",
    );
}

#[test]
fn what_is_opened_for_all_has_what_is_opened_later_needs() {
    check(
        &[
            ("second", "BEGIN(\"second\") END(\"~second\") int who(void) { return 2; }", &[]),
            ("base", "int of_base(void) { return 10; }", &[]),
            ("first", "BEGIN(\"first\") END(\"~first\") int who(void) { return 1; }", &["base"]),
            ("user", "END(\"~user\") int who(void); int of_base(void); 
                 int use(void) { return who() + of_base() + 100 * ((int (*)(void))dlsym(RTLD_DEFAULT, \"who\"))(); }", &[]),
        ],
        "void run(void) {
             note_number(\"user\", dlopen(\"user\", RTLD_NOW) != 0);
             void *first = dlopen(\"first\", RTLD_NOW | RTLD_GLOBAL), *second = dlopen(\"second\", RTLD_NOW | RTLD_GLOBAL);
             void *user = dlopen(\"user\", RTLD_NOW); note_number(\"use\", call(user, \"use\"));
             dlclose(second); dlclose(first); note(\"closed\");
             note_number(\"use\", call(user, \"use\")); dlclose(user); note(\"closed\");
         }",
        "user 0, first, second, use 111, ~second, closed, use 111, ~user, ~first, closed, exit",
    );
}

#[test]
fn a_library_of_the_system_opens_nothing_that_has_a_name_of_it() {
    let _turn = TURN.lock();
    let workshop = Workshop::new();
    let shared = "__attribute__((weak)) int shared = 1;";
    let source = workshop.compile("c", &format!("{shared} int *get(void) {{ return &shared; }}"), &["-O1", "-fPIC"]);
    let library = workshop.path("so");
    run(Command::new("gcc").arg("-shared").arg("-o").arg(&library).arg(source));
    let plugin = format!("BEGIN(\"plugin\") END(\"~plugin\") {shared} int *get_own(void) {{ return &shared; }}");
    let jit = host::jit().unwrap();
    add(&jit, &workshop, &[("plugin", &plugin, &[])]);
    let program = format!(
        "{PRELUDE}void run(void) {{
             note_number(\"library\", dlopen(\"{}\", RTLD_NOW) != 0);
             note_number(\"open\", dlopen(\"plugin\", RTLD_NOW | RTLD_NOLOAD) != 0);
             dlclose(dlopen(\"plugin\", RTLD_NOW)); note(\"closed\");
         }}",
        library.display()
    );
    jit.add_object(workshop.compile("c", &program, &["-O1"])).unwrap();
    assert_eq!(run_program(jit, &workshop).join(", "), "library 1, open 0, plugin, ~plugin, closed, exit");
}

#[test]
fn sessions_of_one_process_have_their_own_libraries() {
    let _turn = TURN.lock();
    let workshop = Workshop::new();
    let session = |number: u32, other: u32| {
        let jit = host::jit().unwrap();
        let value = format!("int value(void) {{ return {number}; }}");
        add(&jit, &workshop, &[("plugin", &value, &[]), (&format!("only_{number}"), &value, &[])]);
        let program = format!(
            "{PRELUDE}int of_{number}(void) {{ return 1; }}
             static long has(void *handle, const char *name) {{ int found = dlsym(handle, name) != 0; return found; }}
             void run(void) {{
                 note_number(\"plugin\", call(dlopen(\"plugin\", RTLD_NOW), \"value\"));
                 note_number(\"own\", dlopen(\"only_{number}\", RTLD_NOW) != 0);
                 note_number(\"other's\", dlopen(\"only_{other}\", RTLD_NOW) != 0);
                 void *program = dlopen(0, RTLD_NOW);
                 note_number(\"own\", has(program, \"of_{number}\") + has(RTLD_DEFAULT, \"of_{number}\"));
                 note_number(\"other's\", has(program, \"of_{other}\") + has(RTLD_DEFAULT, \"of_{other}\"));
             }}"
        );
        jit.add_object(workshop.compile("c", &program, &["-O1"])).unwrap();
        jit.add_object(workshop.compile("c", "void run(void); int main(void) { run(); return 0; }", &["-O1"])).unwrap();
        jit
    };
    let sessions = [session(1, 2), session(2, 1)];
    for (number, jit) in [1, 2, 1].into_iter().zip(sessions.iter().cycle()) {
        // SAFETY: it is a `main`.
        assert_eq!(unsafe { jit.run_main("main", &["program"]) }.unwrap(), 0);
        let said = std::mem::take(&mut *NOTED.lock().unwrap()).join(", ");
        assert_eq!(said, format!("plugin {number}, own 1, other's 0, own 2, other's 0"));
    }
}
