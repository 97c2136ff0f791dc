//! Calls of `main` on Windows.

#![cfg(windows_x86_64)]

use std::ffi::{CStr, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use linkjit_executor::{ExecAddr, Executor, ExecutorError, InProcess, MainForm};

extern "C-unwind" fn panics() {
    resume_unwind(Box::new(23));
}

extern "C" fn last_argument(count: c_int, arguments: *const *const c_char, environment: *const *const c_char) -> c_int {
    let count = usize::try_from(count).unwrap();
    // SAFETY: there are `count` arguments and a null pointer.
    let arguments = unsafe { std::slice::from_raw_parts(arguments, count + 1) };
    assert!(arguments[count].is_null() && !environment.is_null());
    // SAFETY: a C string.
    let argument = unsafe { CStr::from_ptr(arguments[count - 1]) };
    argument.to_str().unwrap().parse().unwrap()
}

#[test]
fn panics_pass_main() {
    let executor = InProcess::new().unwrap();
    let main = ExecAddr(panics as *const () as u64);
    // SAFETY: the function ignores its arguments.
    let caught = catch_unwind(AssertUnwindSafe(|| unsafe { executor.call_main(main, MainForm::Main) })).unwrap_err();
    assert_eq!(caught.downcast_ref(), Some(&23));
}

#[test]
fn main_gets_the_arguments_and_its_result_comes_back() {
    let executor = InProcess::new().unwrap();
    executor.set_arguments(&[b"program".to_vec(), b"7".to_vec(), b"42".to_vec()]).unwrap();
    // SAFETY: a function of this type.
    let result = unsafe { executor.call_main(ExecAddr(last_argument as *const () as u64), MainForm::Main) };
    assert_eq!(result.unwrap(), 42);
    let data = 0u64;
    // SAFETY: what is no code is not called.
    let error = unsafe { executor.call_main(ExecAddr(&raw const data as u64), MainForm::Main) }.unwrap_err();
    assert!(matches!(error, ExecutorError::Invalid { .. }), "{error}");
}
