//! What initializers are called with as long as nobody has said otherwise, and then. In a process of its own.

#![cfg(glibc_x86_64)]

use std::ffi::{CStr, OsString, c_char, c_int};
use std::os::unix::ffi::OsStringExt;
use std::sync::Mutex;

use linkjit_executor::{ExecAddr, Executor, InProcess, InitializerKind, PointerArray};

/// Addresses of `argv` and `envp`.
static CALLED_WITH: Mutex<Option<(c_int, usize, usize)>> = Mutex::new(None);

extern "C" fn initializer(argc: c_int, argv: *mut *mut c_char, envp: *mut *mut c_char) {
    *CALLED_WITH.lock().unwrap() = Some((argc, argv as usize, envp as usize));
}

/// The strings of `argv`; checks that what follows it is the environment, and the auxiliary vector after that.
fn arguments_of_initializers(executor: &InProcess) -> Vec<OsString> {
    let image = executor.open_image("test").unwrap();
    let functions = [initializer as *const () as usize];
    let address = ExecAddr(functions.as_ptr() as u64);
    let array = PointerArray { address, count: 1, backwards: false, kind: InitializerKind::Plain };
    // SAFETY: an array of one function.
    unsafe { executor.run_initializers(image, &[array], &[]) }.unwrap();
    let (argc, argv, envp) = CALLED_WITH.lock().unwrap().take().unwrap();
    let count = usize::try_from(argc).unwrap();
    assert_eq!(envp, argv + 8 * (count + 1));
    let word = |at: usize| {
        // SAFETY: a word of the block, up to the end of the auxiliary vector.
        unsafe { (at as *const usize).read() }
    };
    let strings = (0..count).map(|index| {
        // SAFETY: C strings.
        unsafe { CStr::from_ptr(word(argv + 8 * index) as *const c_char) }
    });
    let strings = strings.map(|string| OsString::from_vec(string.to_bytes().into())).collect();
    let mut vector = (envp..).step_by(8).find(|&at| word(at) == 0).unwrap() + 8;
    while word(vector) != libc::AT_PAGESZ as usize {
        assert_ne!(word(vector), libc::AT_NULL as usize);
        vector += 16;
    }
    assert_eq!(word(vector + 8) as u64, executor.target().page_size);
    strings
}

#[test]
fn they_are_the_processes_own_until_others_are_set() {
    let executor = InProcess::new().unwrap();
    assert_eq!(arguments_of_initializers(&executor), std::env::args_os().collect::<Vec<_>>());
    for arguments in [&["program", "a", ""][..], &["a longer name of a program"], &[]] {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let texts: Vec<_> = arguments.iter().map(|text| text.clone().into_vec()).collect();
        executor.set_arguments(&texts).unwrap();
        assert_eq!(arguments_of_initializers(&executor), arguments);
        assert!(std::env::var_os("PATH").is_some());
    }
}
