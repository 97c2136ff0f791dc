//! The program's arguments, in all the forms in which code for Windows asks for them. The C runtime and the system
//! would return those of our own process.

use std::ffi::{CStr, OsStr, OsString, c_char, c_int};
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::ptr::null_mut;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use super::{file_names, image, library_function, wide_text};
use crate::call::Arguments;
use crate::{ExecAddr, MainForm, os, unwind};

/// `WinMain` is told to show its window as the program likes.
const SW_SHOWDEFAULT: usize = 10;

/// The C runtime's variables as linked code sees them. What they refer to is never freed.
#[derive(Default)]
struct Variables {
    /// An `int`, whose other half is zero.
    count: AtomicUsize,
    narrow: AtomicPtr<*mut c_char>,
    wide: AtomicPtr<*mut u16>,
    /// Command lines.
    narrow_line: AtomicPtr<c_char>,
    wide_line: AtomicPtr<u16>,
    /// The same from the first argument on.
    narrow_rest: AtomicPtr<c_char>,
    wide_rest: AtomicPtr<u16>,
    /// The program's file.
    narrow_file: AtomicPtr<c_char>,
    wide_file: AtomicPtr<u16>,
}

/// They are where the C runtime's own are, because code may refer to them directly. Without memory there they are
/// anywhere.
fn program() -> &'static Variables {
    static PROGRAM: OnceLock<&Variables> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        match os::allocate_near_runtime(size_of::<Variables>() as u64) {
            // SAFETY: zeroed memory of this size, aligned to a page, which is nobody else's and never given back; all
            // fields may be zero.
            Some(place) => unsafe { &*(place.0 as *const Variables) },
            None => Box::leak(Box::default()),
        }
    })
}

/// A function that returns where a variable is.
macro_rules! place_of {
    ($variable:ident) => {{
        extern "C" fn place() -> u64 {
            &raw const program().$variable as u64
        }
        place as *const ()
    }};
}

/// A function that returns what a variable holds.
macro_rules! value_of {
    ($variable:ident: $unit:ty) => {{
        extern "C" fn value() -> *mut $unit {
            program().$variable.load(Ordering::Acquire)
        }
        value as *const ()
    }};
}

/// Returns what linked code is given in place of the system's and the C runtime's.
pub(super) fn replacement(name: &[u8]) -> Option<ExecAddr> {
    if matches!(name, b"__argc" | b"__argv" | b"__wargv" | b"_acmdln" | b"_wcmdln" | b"_pgmptr" | b"_wpgmptr") {
        // These are to be near the C runtime's own.
        os::open_library(Path::new("ucrtbase.dll"), false, &[]).ok()?;
    }
    let address = match name {
        b"GetCommandLineA" => value_of!(narrow_line: c_char),
        b"GetCommandLineW" => value_of!(wide_line: u16),
        b"__argc" => (&raw const program().count).cast(),
        b"__argv" => (&raw const program().narrow).cast(),
        b"__wargv" => (&raw const program().wide).cast(),
        b"_acmdln" => (&raw const program().narrow_line).cast(),
        b"_wcmdln" => (&raw const program().wide_line).cast(),
        b"_pgmptr" => (&raw const program().narrow_file).cast(),
        b"_wpgmptr" => (&raw const program().wide_file).cast(),
        b"__p___argc" => place_of!(count),
        b"__p___argv" => place_of!(narrow),
        b"__p___wargv" => place_of!(wide),
        b"__p__acmdln" => place_of!(narrow_line),
        b"__p__wcmdln" => place_of!(wide_line),
        b"__p__pgmptr" => place_of!(narrow_file),
        b"__p__wpgmptr" => place_of!(wide_file),
        b"_get_narrow_winmain_command_line" => value_of!(narrow_rest: c_char),
        b"_get_wide_winmain_command_line" => value_of!(wide_rest: u16),
        b"__getmainargs" => main_arguments_narrow as *const (),
        b"__wgetmainargs" => main_arguments_wide as *const (),
        _ => return None,
    };
    ensure()?;
    Some(ExecAddr(address as u64))
}

/// Sets the variables, if nobody has.
pub(super) fn ensure() -> Option<()> {
    Arguments::current().ok().map(drop)
}

pub(super) fn narrow_file_start() -> *mut c_char {
    program().narrow_file.load(Ordering::Acquire)
}

pub(super) fn wide_file_start() -> *mut u16 {
    program().wide_file.load(Ordering::Acquire)
}

/// The program's file.
pub(super) fn narrow_file() -> &'static [u8] {
    let start = narrow_file_start();
    // SAFETY: it was set before anybody could ask, to a C string that is never freed.
    if start.is_null() { &[] } else { unsafe { CStr::from_ptr(start) }.to_bytes() }
}

/// The same.
pub(super) fn wide_file() -> &'static [u16] {
    let start = wide_file_start();
    if start.is_null() {
        return &[];
    }
    // SAFETY: as above.
    unsafe { wide_text(start) }
}

/// `__getmainargs` and `__wgetmainargs` of msvcrt.dll, which MinGW's start-up calls: the environment is theirs.
macro_rules! main_arguments {
    ($($name:ident($real:literal): $vector:ident of $unit:ty;)*) => {$(
        unsafe extern "C" fn $name(
            count: *mut c_int,
            vector: *mut *mut *mut $unit,
            environment: *mut *mut *mut $unit,
            expand: c_int,
            start: *mut c_int,
        ) -> c_int {
            type Real = unsafe extern "C" fn(
                *mut c_int,
                *mut *mut *mut $unit,
                *mut *mut *mut $unit,
                c_int,
                *mut c_int,
            ) -> c_int;
            let Some(real) = os::system_function(c"msvcrt.dll", $real) else { return -1 };
            // SAFETY: the function has this type.
            let real: Real = unsafe { os::as_function(real) };
            // SAFETY: the arguments are the caller's.
            let result = unsafe { real(count, vector, environment, expand, start) };
            let program = program();
            // SAFETY: the caller's places.
            unsafe { count.write(program.count.load(Ordering::Acquire) as c_int) };
            // SAFETY: as above.
            unsafe { vector.write(program.$vector.load(Ordering::Acquire)) };
            result
        }
    )*};
}

main_arguments! {
    main_arguments_narrow(c"__getmainargs"): narrow of c_char;
    main_arguments_wide(c"__wgetmainargs"): wide of u16;
}

/// Makes all forms of these arguments, which `main` will find in `main`.
pub(crate) fn set_arguments(args: &[OsString], main: Arguments) {
    let (name, rest) = args.split_first().map_or((OsStr::new(""), args), |(first, rest)| (first.as_os_str(), rest));
    let mut line: Vec<u16> = quoted(name);
    // One blank after the program, also if nothing follows: the rest begins there.
    line.push(u16::from(b' '));
    let start = line.len();
    let rest: Vec<Vec<u16>> = rest.iter().map(|arg| quoted(arg)).collect();
    line.extend(rest.join(&u16::from(b' ')));
    let narrow = |units: &[u16]| os::narrow(&OsString::from_wide(units));
    let narrow_start = narrow(&line[..start]).len();
    let narrow_line = leak(narrow(&line).into_iter().map(u8::cast_signed));
    let wide_line = leak(line);
    let vector: Vec<*mut u16> = args.iter().map(|arg| leak(arg.encode_wide())).chain([null_mut()]).collect();

    let file = file_names::program_file(args);
    let narrow_file = leak(os::narrow(&file).into_iter().map(u8::cast_signed));
    let (count, narrow_vector) = main.parts();
    program().count.store(count, Ordering::Release);
    program().narrow.store(narrow_vector as *mut *mut c_char, Ordering::Release);
    program().wide.store(vector.leak().as_mut_ptr(), Ordering::Release);
    program().narrow_line.store(narrow_line, Ordering::Release);
    program().wide_line.store(wide_line, Ordering::Release);
    program().narrow_rest.store(narrow_line.wrapping_add(narrow_start), Ordering::Release);
    program().wide_rest.store(wide_line.wrapping_add(start), Ordering::Release);
    program().narrow_file.store(narrow_file, Ordering::Release);
    program().wide_file.store(leak(file.encode_wide()), Ordering::Release);
}

/// A string that ends with a zero and stays for ever.
fn leak<T: Default + Clone>(units: impl IntoIterator<Item = T>) -> *mut T {
    units.into_iter().chain([T::default()]).collect::<Vec<_>>().leak().as_mut_ptr()
}

/// An argument as it is in a command line ("Parsing C command-line arguments", Microsoft Learn).
fn quoted(argument: &OsStr) -> Vec<u16> {
    const QUOTE: u16 = b'"' as u16;
    const BACKSLASH: u16 = b'\\' as u16;
    let units: Vec<u16> = argument.encode_wide().collect();
    if !units.is_empty() && !units.iter().any(|unit| [b' ', b'\t', b'"'].map(u16::from).contains(unit)) {
        return units;
    }
    let mut quoted = vec![QUOTE];
    let mut backslashes = 0;
    for unit in units {
        if unit == QUOTE {
            // Those before a quotation mark count twice, and the last one is the mark's.
            quoted.extend(std::iter::repeat_n(BACKSLASH, backslashes + 1));
        }
        backslashes = if unit == BACKSLASH { backslashes + 1 } else { 0 };
        quoted.push(unit);
    }
    quoted.extend(std::iter::repeat_n(BACKSLASH, backslashes));
    quoted.push(QUOTE);
    quoted
}

/// Returns what a form of `main` is called with. Its image becomes the program's.
pub(crate) fn main_arguments(form: MainForm, main: ExecAddr, usual: [usize; 4]) -> Option<[usize; 4]> {
    let instance = unwind::window_at(main.0).unwrap_or_default();
    image::set_program(instance);
    let line = match form {
        MainForm::Main => return Some(usual),
        MainForm::WideMain => {
            let count = program().count.load(Ordering::Acquire);
            return Some([count, program().wide.load(Ordering::Acquire) as usize, wide_environment(), 0]);
        }
        MainForm::WinMain => program().narrow_rest.load(Ordering::Acquire) as usize,
        MainForm::WideWinMain => program().wide_rest.load(Ordering::Acquire) as usize,
    };
    Some([instance as usize, 0, line, SW_SHOWDEFAULT])
}

/// The environment as `wmain` gets it, which the runtime makes when it is asked.
fn wide_environment() -> usize {
    let Some(function) = library_function(c"_get_initial_wide_environment") else { return 0 };
    // SAFETY: the type of the C runtime's function of that name.
    let function: extern "C" fn() -> usize = unsafe { os::as_function(function) };
    function()
}
