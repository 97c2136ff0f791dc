//! JITDylibs that linked code opens by `LoadLibrary`, compared with DLLs that the system opens.
#![cfg(windows)]

mod assembly;
mod host;

use std::ffi::{CStr, c_char};
use std::process::Command;
use std::sync::Mutex;

use assembly::{Workshop, run};
use linkjit::{ExecAddr, MatchScope};

const PRELUDE: &str = "#include <windows.h>
#include <stdlib.h>
#include <string.h>
void note(const char *what);
__attribute__((unused)) static void note_number(const char *what, long number) {
    char text[100], digits[20];
    strcpy(text, what); strcat(text, \" \"); strcat(text, _ltoa(number, digits, 10)); note(text);
}
";

/// Natively it gets the program's `note` from the program; there are no constructors that could want it before.
const PLUGIN: &str = "
static int count = 10, zero; static void end(void);
static void (*noted)(const char *);
__declspec(dllexport) int next(void (*how)(const char *)) { noted = how; if (!zero++) atexit(end); return ++count; }
static void end(void) { noted(\"end\"); }
__declspec(dllexport) int variable = 5;
int not_exported(void) { return 1; }
";

const PROGRAM: &str = "
static int next(HMODULE plugin) {
    int (*next)(void (*)(const char *)) = (int (*)(void (*)(const char *)))GetProcAddress(plugin, \"next\");
    return next ? next(note) : -1;
}
void run(void) {
    note_number(\"open\", GetModuleHandleA(\"plugin\") != 0);
    HMODULE one = LoadLibraryA(\"plugin\"), two = LoadLibraryExW(L\"PLUGIN.dll\", 0, 0);
    note_number(\"same\", one && one == two); note_number(\"open\", GetModuleHandleW(L\"plugin.dll\") == one);
    note_number(\"next\", next(one)); note_number(\"variable\", *(int *)GetProcAddress(one, \"variable\"));
    note_number(\"not exported\", GetProcAddress(one, \"not_exported\") != 0);
    char name[300]; GetModuleFileNameA(one, name, sizeof name);
    note(strstr(name, \"lugin\") ? \"named\" : name);
    HMODULE three; note_number(\"counted\", GetModuleHandleExA(0, \"plugin\", &three));
    note_number(\"free\", FreeLibrary(one)); note_number(\"free\", FreeLibrary(two)); note_number(\"next\", next(three));
    HMODULE four, five; const char *address = (const char *)GetProcAddress(three, \"variable\");
    note_number(\"uncounted\", GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, address, &five));
    note_number(\"counted\", GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, address, &four));
    note_number(\"same\", four == three && five == three); note_number(\"free\", FreeLibrary(four));
    note_number(\"next\", next(three));
    note_number(\"free\", FreeLibrary(three)); note_number(\"open\", GetModuleHandleA(\"plugin\") != 0);
    one = LoadLibraryW(L\"plugin.dll\"); note_number(\"next\", next(one)); note_number(\"free\", FreeLibrary(one));
    note_number(\"missing\", LoadLibraryA(\"there_is_none\") != 0);
    HMODULE system = LoadLibraryA(\"kernel32\"); note_number(\"system\", GetProcAddress(system, \"Sleep\") != 0);
}
";

const SAYS: &str = "open 0, same 1, open 1, next 11, variable 5, not exported 0, named, counted 1, free 1, free 1, next 12, \
                    uncounted 1, counted 1, same 1, free 1, next 13, \
                    end, free 1, open 0, next 11, end, free 1, missing 0, system 1";

static NOTED: Mutex<Vec<String>> = Mutex::new(Vec::new());

extern "C" fn note(what: *const c_char) {
    // SAFETY: the fixtures pass C strings.
    let what = unsafe { CStr::from_ptr(what) };
    NOTED.lock().unwrap().push(what.to_string_lossy().into_owned());
}

#[test]
fn libraries_are_opened_found_and_freed() {
    let workshop = Workshop::new();
    let plugin = workshop.compile("c", &format!("{PRELUDE}{PLUGIN}"), &["-O1"]);
    let program = workshop.compile("c", &format!("{PRELUDE}{PROGRAM}"), &["-O1"]);

    let main = "#include <stdio.h>\nvoid run(void); void note(const char *what) { puts(what); fflush(stdout); }
                int main(void) { run(); return 0; }";
    let main = workshop.compile("c", main, &["-O1"]);
    let executable = workshop.path("exe");
    let gcc = "x86_64-w64-mingw32-gcc";
    run(Command::new(gcc).arg("-shared").arg("-o").arg(workshop.directory.join("plugin.dll")).arg(&plugin));
    run(Command::new(gcc).arg("-o").arg(&executable).args([&main, &program]));
    let output = Command::new(&executable).output().unwrap();
    let native: Vec<_> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    assert_eq!(native.join(", "), SAYS, "natively");

    let jit = host::jit().unwrap();
    jit.define_absolute("note", ExecAddr::from_ptr(note as *const ())).unwrap();
    let library = jit.create_dylib("plugin").unwrap();
    library.add_to_link_order(jit.main(), MatchScope::Exported).unwrap();
    library.add_object(&plugin).unwrap();
    jit.add_object(&program).unwrap();
    // SAFETY: it is a function without arguments.
    let program = unsafe { jit.lookup_fn::<extern "C" fn()>("run") }.unwrap();
    program();
    assert_eq!(NOTED.lock().unwrap().join(", "), SAYS);
}
