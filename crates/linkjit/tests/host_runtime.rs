//! Linked code in a program that has loaded the C++ runtime: a host that Microsoft's compiler has made, say.
#![cfg(windows)]
#![allow(missing_docs, reason = "tests are nobody's interface")]

mod compiler;
mod host;

use std::ffi::{CStr, OsStr};
use std::os::windows::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use windows_sys::Win32::Foundation::HMODULE;
use windows_sys::Win32::System::LibraryLoader::{GetModuleFileNameW, GetModuleHandleW, GetProcAddress, LoadLibraryW};

fn wide(text: &OsStr) -> Vec<u16> {
    text.encode_wide().chain([0]).collect()
}

fn directory() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("host_runtime");
    std::fs::create_dir_all(&directory).expect("it is ours");
    directory
}

/// Loads a library from somewhere else than where the system would find it: programs bring theirs along.
fn load_own(name: &str, directory: &Path) -> HMODULE {
    let system = std::env::var_os("SystemRoot").expect("Windows says where it is");
    let own = directory.join(name);
    std::fs::copy(Path::new(&system).join("system32").join(name), &own).expect("a copy");
    // SAFETY: a path; the library is the system's.
    let library = unsafe { LoadLibraryW(wide(own.as_os_str()).as_ptr()) };
    assert!(!library.is_null(), "{}", std::io::Error::last_os_error());
    library
}

/// Where a library was loaded from.
fn file(library: HMODULE) -> PathBuf {
    let mut name = [0; 1024];
    // SAFETY: a library that stays loaded, and room for this many characters.
    let length = unsafe { GetModuleFileNameW(library, name.as_mut_ptr(), 1024) };
    PathBuf::from(String::from_utf16_lossy(&name[..length as usize]))
}

fn address(library: HMODULE, name: &CStr) -> u64 {
    // SAFETY: a library that stays loaded, and a name.
    unsafe { GetProcAddress(library, name.as_ptr().cast()) }.expect("the runtime has it") as *const () as u64
}

const SOURCE: &str = r#"
    struct Base { virtual ~Base() {} };
    struct Derived : Base { int value = 7; };
    __attribute__((noinline)) void raise() { throw Derived(); }
    extern "C" int caught() {
        try { raise(); } catch (Base &base) {
            Derived *derived = dynamic_cast<Derived *>(&base);
            return derived ? derived->value : 1;
        }
        return 2;
    }"#;

#[test]
fn linked_code_uses_the_runtime_that_the_host_has_loaded() {
    let directory = directory();
    let host = load_own("vcruntime140.dll", &directory);
    // SAFETY: a name.
    let found = unsafe { GetModuleHandleW(wide(OsStr::new("vcruntime140.dll")).as_ptr()) };
    assert_eq!(found, host, "the system has loaded another one");
    assert_eq!(file(host).parent().and_then(Path::file_name), directory.file_name());

    let (source, object) = (directory.join("throws.cpp"), directory.join("throws.obj"));
    std::fs::write(&source, SOURCE).expect("it is ours");
    compiler::run(compiler::compiler(true).args(["-O1", "-c"]).arg(&source).arg("-o").arg(&object));
    let jit = host::jit().expect("a session");
    jit.add_object(&object).expect("an object");
    // SAFETY: `caught` is such a function.
    let caught = unsafe { jit.lookup_fn::<extern "C" fn() -> i32>("caught") }.expect("it is linked");
    assert_eq!(caught(), 7);
    for name in [c"__CxxFrameHandler3", c"__RTDynamicCast", c"memmove"] {
        let linked = jit.lookup(name.to_str().expect("ASCII")).expect("the runtime has it").0;
        assert_eq!(linked, address(host, name), "{name:?}");
    }
}
