//! Calls of `main`, and the arguments that initializers see.

use std::ffi::{CString, OsString, c_char, c_int};
use std::ptr::null_mut;
use std::sync::Mutex;

use crate::{ExecAddr, ExecutorError, Result, lock, os, outermost};

/// An argument vector as C wants it. Never freed: the C standard lets a program keep pointers to its arguments for as
/// long as it runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arguments {
    count: c_int,
    /// Address of `count` C strings' addresses and a null one.
    vector: usize,
}

/// The arguments of the program: those that were set last, else those of this process.
static PROGRAM: Mutex<Option<Arguments>> = Mutex::new(None);

impl Arguments {
    fn new(args: impl IntoIterator<Item = Vec<u8>>) -> Result<Self> {
        let strings: Vec<CString> = args
            .into_iter()
            .map(CString::new)
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| ExecutorError::Invalid { what: "argument: it contains a NUL byte".into() })?;
        let count = c_int::try_from(strings.len())
            .map_err(|_| ExecutorError::Invalid { what: "number of arguments".into() })?;
        let vector: Vec<*mut c_char> = strings.into_iter().map(CString::into_raw).chain([null_mut()]).collect();
        Ok(Self { count, vector: vector.leak().as_mut_ptr() as usize })
    }

    /// What initializers and `main` are called with.
    pub(crate) fn of_program() -> Result<Self> {
        let mut program = lock(&PROGRAM);
        if let Some(arguments) = *program {
            return Ok(arguments);
        }
        let arguments = Self::new(std::env::args_os().map(OsString::into_encoded_bytes))?;
        *program = Some(arguments);
        Ok(arguments)
    }

    /// Calls `function` with these arguments and the environment: `main`, or an initializer, whose result nobody wants.
    ///
    /// # Safety
    /// `function` must be the address of a function that may be called with `main`'s arguments now.
    pub(crate) unsafe fn pass_to(self, function: ExecAddr) -> c_int {
        let function = function.0 as *const ();
        let vector = self.vector as *mut *mut c_char;
        // SAFETY: the caller vouches for the function.
        unsafe { outermost::call(function, self.count, vector, os::environment()) }
    }
}

/// Sets the arguments of the program; they begin with its name.
pub(crate) fn set_arguments(args: &[OsString]) -> Result<()> {
    let arguments = Arguments::new(args.iter().map(|arg| arg.clone().into_encoded_bytes()))?;
    *lock(&PROGRAM) = Some(arguments);
    Ok(())
}

/// Calls `main(argc, argv, envp)`.
///
/// # Safety
/// `main` must be the address of such a function, sound to call now.
pub(crate) unsafe fn call_main(main: ExecAddr) -> Result<i32> {
    if main.is_null() || !os::is_code(main) {
        return Err(ExecutorError::Invalid { what: format!("address of main: there is no code at {main}") });
    }
    let arguments = Arguments::of_program()?;
    // SAFETY: the caller vouches for it.
    Ok(unsafe { arguments.pass_to(main) })
}
