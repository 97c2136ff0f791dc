//! Functions that Microsoft's C++ library links into each image for text: code pages (`std::format`), consoles
//! (`std::print`), and the keys by which regular expressions compare (`[[=e=]]`).

use std::ffi::{c_int, c_void};
use std::ptr::null;

use windows_sys::Win32::Foundation::{
    ERROR_FILE_NOT_FOUND, ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED, HANDLE, INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::Globalization::{
    CP_UTF8, CPINFOEXW, GetCPInfoExW, LCMAP_SORTKEY, LCMapStringEx, LINGUISTIC_IGNORECASE, LINGUISTIC_IGNOREDIACRITIC,
    MultiByteToWideChar, NORM_IGNOREKANATYPE, NORM_IGNOREWIDTH,
};
use windows_sys::Win32::System::Console::{GetConsoleMode, WriteConsoleW};

use super::library_function;
use crate::{ExecAddr, os};

functions! {
    symbol(b"__std_"):
    b"get_cvt" => conversion;
    b"get_unicode_console_handle_from_file_stream" | b"get_unicode_console_retval" => find_console;
    b"print_to_unicode_console" => print;
    b"regex_transform_primary_char" => narrow_key;
    b"regex_transform_primary_wchar_t" => wide_key;
}

/// `_Cvtvec`: how the characters of a code page are made of bytes.
#[repr(C)]
#[derive(Default)]
struct Conversion {
    page: u32,
    longest: u32,
    is_c_locale: i32,
    /// A bit for each byte that begins a character of two.
    lead_bytes: [u8; 32],
}

/// `__std_win_error __std_get_cvt(__std_code_page page, _Cvtvec *result)`.
unsafe extern "system" fn conversion(page: u32, result: *mut Conversion) -> u32 {
    // SAFETY: the structure may be all zeros.
    let mut known = unsafe { std::mem::zeroed::<CPINFOEXW>() };
    // SAFETY: a place for the answer.
    let done = unsafe { GetCPInfoExW(page, 0, &raw mut known) };
    let mut conversion = Conversion::default();
    let error = if done == 0 { os::last_error() } else { 0 };
    if error == 0 {
        (conversion.page, conversion.longest) = (known.CodePage, known.MaxCharSize);
        let ranges = known.LeadByte.chunks_exact(2).take_while(|range| range != &[0, 0]);
        for byte in ranges.flat_map(|range| range[0]..=range[1]) {
            conversion.lead_bytes[usize::from(byte / 8)] |= 1 << (byte % 8);
        }
    }
    // SAFETY: the caller's place.
    unsafe { result.write(conversion) };
    error
}

/// `__std_unicode_console_retrieval_result`.
#[repr(C)]
struct Console {
    handle: HANDLE,
    error: u32,
}

/// `_fileno` returns this for a standard stream of a program without console.
const NO_CONSOLE: c_int = -2;

/// The console that a stream of the C runtime goes to.
unsafe extern "system" fn find_console(stream: *mut c_void) -> Console {
    let failed = |error| Console { handle: INVALID_HANDLE_VALUE, error };
    let functions = (library_function(c"_fileno"), library_function(c"_get_osfhandle"));
    let (false, (Some(number), Some(handle))) = (stream.is_null(), functions) else {
        return failed(ERROR_INVALID_PARAMETER);
    };
    // SAFETY: the function has this type.
    let number: extern "C" fn(*mut c_void) -> c_int = unsafe { os::as_function(number) };
    // SAFETY: the function has this type.
    let handle: extern "C" fn(c_int) -> isize = unsafe { os::as_function(handle) };
    let handle = match number(stream) {
        NO_CONSOLE => return failed(ERROR_NOT_SUPPORTED),
        -1 => return failed(ERROR_INVALID_PARAMETER),
        number => handle(number),
    };
    match handle {
        -2 => failed(ERROR_NOT_SUPPORTED),
        -1 => failed(ERROR_INVALID_PARAMETER),
        handle => {
            let mut mode = 0;
            // SAFETY: the system checks the handle.
            let is_console = unsafe { GetConsoleMode(handle as HANDLE, &raw mut mode) } != 0;
            if is_console { Console { handle: handle as HANDLE, error: 0 } } else { failed(ERROR_FILE_NOT_FOUND) }
        }
    }
}

/// Writes UTF-8 to a console; what is none is replaced.
unsafe extern "system" fn print(console: HANDLE, text: *const u8, length: u64) -> u32 {
    if console == INVALID_HANDLE_VALUE || text.is_null() && length > 0 {
        return ERROR_INVALID_PARAMETER;
    }
    if length == 0 {
        return 0;
    }
    // SAFETY: the caller's text.
    let text = unsafe { std::slice::from_raw_parts(text, length as usize) };
    let units: Vec<u16> = String::from_utf8_lossy(text).encode_utf16().collect();
    // A console takes no more at once, and no half of a pair.
    const MOST: usize = 8192;
    let mut rest = &units[..];
    while !rest.is_empty() {
        let mut count = rest.len().min(MOST);
        if count < rest.len() && (0xd800..0xdc00).contains(&rest[count - 1]) {
            count -= 1;
        }
        let mut written = 0;
        // SAFETY: as many units may be read, and the count written.
        let done = unsafe { WriteConsoleW(console, rest.as_ptr(), count as u32, &raw mut written, null()) };
        if done == 0 {
            return os::last_error();
        }
        rest = rest.get(written.max(1) as usize..).unwrap_or_default();
    }
    0
}

/// `_Collvec`: a locale, as far as it orders strings.
#[repr(C)]
struct Collation {
    page: u32,
    /// Null for the C locale.
    locale: *const u16,
}

/// This is returned if there is no key.
const NO_KEY: usize = usize::MAX;

/// Differences that do not count: of case, accents, kinds of Japanese letters, widths.
const FLAGS: u32 =
    LCMAP_SORTKEY | LINGUISTIC_IGNORECASE | LINGUISTIC_IGNOREDIACRITIC | NORM_IGNOREKANATYPE | NORM_IGNOREWIDTH;

/// The key of a text.
fn key(locale: *const u16, text: &[u16]) -> Option<Vec<u8>> {
    let length = i32::try_from(text.len()).ok().filter(|length| *length > 0);
    let Some(length) = length else { return text.is_empty().then(Vec::new) };
    os::written(|to: *mut u8, room| {
        // SAFETY: the locale's name is a C string, `length` units may be read and `room` bytes written.
        unsafe { LCMapStringEx(locale, FLAGS, text.as_ptr(), length, to.cast(), room, null(), null(), 0) }
    })
}

/// The elements between two places.
///
/// # Safety
/// They must be readable.
unsafe fn between<'a, T>(first: *const T, end: *const T) -> &'a [T] {
    let count = (end as usize).saturating_sub(first as usize) / size_of::<T>();
    // SAFETY: the caller vouches for them.
    if count == 0 { &[] } else { unsafe { std::slice::from_raw_parts(first, count) } }
}

/// Copies elements if there is room for all; returns how many there are.
///
/// # Safety
/// The memory between the two places must be writable.
unsafe fn put<T: Copy>(elements: &[T], first: *mut T, end: *mut T) -> usize {
    let room = (end as usize).saturating_sub(first as usize) / size_of::<T>();
    if elements.len() <= room {
        // SAFETY: the caller vouches for the room.
        unsafe { first.copy_from_nonoverlapping(elements.as_ptr(), elements.len()) };
    }
    elements.len()
}

/// The locale to use: the caller's, or the C runtime's current one.
///
/// # Safety
/// The caller's must be valid.
unsafe fn locale_and_page(collation: *const Collation) -> (*const u16, u32) {
    const LC_COLLATE: usize = 1;
    if !collation.is_null() {
        // SAFETY: the caller vouches for it.
        let collation = unsafe { collation.read() };
        return (collation.locale, collation.page);
    }
    let (Some(names), Some(page)) =
        (library_function(c"___lc_locale_name_func"), library_function(c"___lc_collate_cp_func"))
    else {
        return (null(), 0);
    };
    // SAFETY: the function has this type.
    let names: extern "C" fn() -> *const *const u16 = unsafe { os::as_function(names) };
    // SAFETY: the function has this type.
    let page: extern "C" fn() -> u32 = unsafe { os::as_function(page) };
    let name = names().wrapping_add(LC_COLLATE);
    // SAFETY: there is a name for each category.
    (unsafe { name.read() }, page())
}

/// Functions that write the key of a text: `(first, end)` of the key's room, `(first, end)` of the text, the locale. A
/// text of the C locale is its own key.
macro_rules! keys {
    ($($name:ident($unit:ty): |$text:ident, $locale:ident, $page:ident| $key:expr;)*) => {$(
        unsafe extern "system" fn $name(
            to: *mut $unit,
            to_end: *mut $unit,
            text: *const $unit,
            text_end: *const $unit,
            collation: *const Collation,
        ) -> usize {
            // SAFETY: the caller's text.
            let $text = unsafe { between(text, text_end) };
            // SAFETY: the caller's locale.
            let ($locale, $page) = unsafe { locale_and_page(collation) };
            let key = if $locale.is_null() { Some($text.to_vec()) } else { $key };
            // SAFETY: the caller's room.
            key.map_or(NO_KEY, |key| unsafe { put(&key, to, to_end) })
        }
    )*};
}

keys! {
    narrow_key(u8): |text, locale, page| widened(text, page).and_then(|text| key(locale, &text));
    // Keys are bytes, which become characters.
    wide_key(u16): |text, locale, _page| key(locale, text).map(|key| key.into_iter().map(u16::from).collect());
}

/// A text of a code page in UTF-16.
fn widened(text: &[u8], page: u32) -> Option<Vec<u16>> {
    let length = i32::try_from(text.len()).ok().filter(|length| *length > 0);
    let Some(length) = length else { return text.is_empty().then(Vec::new) };
    let page = if page == u32::MAX { CP_UTF8 } else { page };
    os::written(|to, room| {
        // SAFETY: `length` bytes may be read and `room` units written.
        unsafe { MultiByteToWideChar(page, 0, text.as_ptr(), length, to, room) }
    })
}
