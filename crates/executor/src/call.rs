//! Calls of `main`, and the arguments that initializers see.

use std::ffi::{CString, OsString, c_int};
use std::sync::Mutex;

#[cfg(glibc)]
use crate::initial_stack;
use crate::{ExecAddr, ExecutorError, MainForm, Result, init, lock, os, outermost, runtime};

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

/// Takes the lock for a fork.
#[cfg(glibc_x86_64)]
pub(crate) fn hold(held: &mut crate::fork::Held) -> bool {
    held.hold_static(&PROGRAM)
}

impl Arguments {
    fn new(args: &[OsString]) -> Result<Self> {
        let strings: Vec<CString> = args
            .iter()
            .map(|arg| CString::new(os::narrow(arg)))
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| ExecutorError::Invalid { what: "argument: it contains a NUL byte".into() })?;
        let count = c_int::try_from(strings.len())
            .map_err(|_| ExecutorError::Invalid { what: "number of arguments: it does not fit in an int".into() })?;
        Ok(Self { count, vector: vector_of(&strings) })
    }

    /// Those of this process.
    fn own() -> Result<Self> {
        #[cfg(glibc)]
        if let Some((count, vector)) = initial_stack::own_arguments() {
            return Ok(Self { count: c_int::try_from(count).unwrap_or(c_int::MAX), vector });
        }
        set_arguments(&std::env::args_os().collect::<Vec<_>>())
    }

    /// Returns what initializers and `main` are called with.
    pub(crate) fn current() -> Result<Self> {
        let program = *lock(&PROGRAM);
        match program {
            Some(arguments) => Ok(arguments),
            None => Self::own(),
        }
    }

    /// Returns how many there are, never negative, and the address of `argv`.
    pub(crate) fn parts(self) -> (usize, usize) {
        (self.count.cast_unsigned() as usize, self.vector)
    }

    /// Returns what `main` and initializers are called with.
    fn for_main(self) -> [usize; 4] {
        let (count, vector) = self.parts();
        [count, vector, os::environment() as usize, 0]
    }

    /// Calls an initializer with what `main` is called with.
    ///
    /// # Safety
    /// `function` must be the address of a function that may be called with `main`'s arguments now.
    pub(crate) unsafe fn pass_to(self, function: ExecAddr) -> c_int {
        // SAFETY: the caller vouches for the function.
        unsafe { outermost::call(function.0 as *const (), &self.for_main()) }
    }
}

/// The address of a vector of arguments that stays.
#[cfg(glibc)]
fn vector_of(strings: &[CString]) -> usize {
    initial_stack::enter(strings)
}

/// The address of a vector of arguments that stays.
#[cfg(not(glibc))]
fn vector_of(strings: &[CString]) -> usize {
    let strings = strings.iter().map(|string| string.clone().into_raw());
    let vector: Vec<*mut std::ffi::c_char> = strings.chain([std::ptr::null_mut()]).collect();
    vector.leak().as_mut_ptr() as usize
}

/// Sets the arguments of the program; they begin with its name.
pub(crate) fn set_arguments(args: &[OsString]) -> Result<Arguments> {
    let arguments = Arguments::new(args)?;
    let mut program = lock(&PROGRAM);
    runtime::set_arguments(args, arguments);
    *program = Some(arguments);
    Ok(arguments)
}

/// Calls a C function with up to six words.
///
/// # Safety
/// `function` must be the address of a function that may be called with these.
pub(crate) unsafe fn call(function: ExecAddr, arguments: &[u64]) -> Result<u64> {
    let mut words = [0; 6];
    let Some(given) = words.get_mut(..arguments.len()) else {
        return Err(ExecutorError::Invalid {
            what: format!("number of arguments: {}, but at most 6 are possible", arguments.len()),
        });
    };
    given.copy_from_slice(arguments);
    if function.is_null() || !os::is_code(function) {
        return Err(ExecutorError::Invalid { what: format!("address of a function: there is no code at {function}") });
    }
    type Function = unsafe extern "C-unwind" fn(u64, u64, u64, u64, u64, u64) -> u64;
    // SAFETY: it is the address of code; the caller vouches for the function's type, whose parameters C's calling
    // conventions pass as words, and that ignores words that it has no parameters for.
    let function = unsafe { std::mem::transmute::<usize, Function>(function.0 as usize) };
    let [a, b, c, d, e, f] = words;
    // SAFETY: the caller vouches for it.
    Ok(unsafe { function(a, b, c, d, e, f) })
}

/// Calls `main` in one of its forms.
///
/// # Safety
/// `main` must be the address of such a function, sound to call now.
pub(crate) unsafe fn call_main(main: ExecAddr, form: MainForm) -> Result<i32> {
    if main.is_null() || !os::is_code(main) {
        return Err(ExecutorError::Invalid { what: format!("address of main: there is no code at {main}") });
    }
    let usual = Arguments::current()?.for_main();
    let arguments =
        runtime::main_arguments(form, main, usual).ok_or(ExecutorError::NoSuch { what: "form of main".into() })?;
    // SAFETY: the caller vouches for it.
    let result = unsafe { outermost::call(main.0 as *const (), &arguments) };
    init::set_status(result);
    Ok(result)
}
