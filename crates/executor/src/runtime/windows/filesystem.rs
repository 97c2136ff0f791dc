//! `std::filesystem` of Microsoft's C++ library: the functions over the system's that it links into each image. Their
//! interface is that of its open-source headers (`xfilesystem_abi.h`); errors are the system's.

use std::ffi::c_void;
use std::mem::transmute;
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{
    CloseHandle, ERROR_ACCESS_DENIED, ERROR_ALREADY_EXISTS, ERROR_DIRECTORY, ERROR_FILE_EXISTS,
    ERROR_INVALID_PARAMETER, ERROR_NO_UNICODE_TRANSLATION, ERROR_REPARSE_TAG_INVALID, ERROR_SHARING_VIOLATION,
    FILETIME, HANDLE, INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::Globalization::{
    CP_ACP, CP_OEMCP, CP_UTF8, MB_ERR_INVALID_CHARS, MultiByteToWideChar, WC_ERR_INVALID_CHARS, WC_NO_BEST_FIT_CHARS,
    WideCharToMultiByte,
};
use windows_sys::Win32::Storage::FileSystem::{
    AreFileApisANSI, BY_HANDLE_FILE_INFORMATION, CopyFileW, CreateDirectoryW, CreateFileW, CreateHardLinkW,
    CreateSymbolicLinkW, DeleteFileW, FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_NORMAL, FILE_ATTRIBUTE_READONLY,
    FILE_ATTRIBUTE_REPARSE_POINT, FILE_ATTRIBUTE_TAG_INFO, FILE_BASIC_INFO, FILE_END_OF_FILE_INFO,
    FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_GENERIC_WRITE, FILE_READ_ATTRIBUTES,
    FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE, FILE_WRITE_ATTRIBUTES, FileAttributeTagInfo, FileBasicInfo,
    FileEndOfFileInfo, FileIdInfo, FindClose, FindExInfoBasic, FindExSearchNameMatch, FindFirstFileExW, FindNextFileW,
    GetDiskFreeSpaceExW, GetFileAttributesExW, GetFileAttributesW, GetFileExInfoStandard, GetFileInformationByHandle,
    GetFileInformationByHandleEx, GetFinalPathNameByHandleW, GetFullPathNameW, GetTempPathW, INVALID_FILE_ATTRIBUTES,
    MOVEFILE_COPY_ALLOWED, MOVEFILE_REPLACE_EXISTING, MoveFileExW, OPEN_EXISTING, RemoveDirectoryW,
    SYMBOLIC_LINK_FLAG_ALLOW_UNPRIVILEGED_CREATE, SYMBOLIC_LINK_FLAG_DIRECTORY, SetFileAttributesW,
    SetFileInformationByHandle, SetFileTime, WIN32_FILE_ATTRIBUTE_DATA, WIN32_FIND_DATAW,
};
use windows_sys::Win32::System::Environment::{GetCurrentDirectoryW, SetCurrentDirectoryW};
use windows_sys::Win32::System::IO::DeviceIoControl;

use super::library_function;
use crate::{ExecAddr, os};

pub(super) fn symbol(name: &[u8]) -> Option<ExecAddr> {
    let address = match name.strip_prefix(b"__std_fs_")? {
        b"get_full_path_name" => full_path as *const (),
        b"open_handle" => open_handle as *const (),
        b"close_handle" => close_handle as *const (),
        b"get_file_attributes_by_handle" => attributes_of_handle as *const (),
        b"get_final_path_name_by_handle" => final_path as *const (),
        b"copy_file" => copy_file as *const (),
        b"directory_iterator_open" => open_directory as *const (),
        b"directory_iterator_advance" => advance_directory as *const (),
        b"directory_iterator_close" => close_directory as *const (),
        b"get_stats" => stats as *const (),
        b"code_page" => code_page as *const (),
        b"convert_narrow_to_wide" => narrow_to_wide as *const (),
        b"convert_wide_to_narrow" => wide_to_narrow as *const (),
        b"convert_wide_to_narrow_replace_chars" => wide_to_narrow_replacing as *const (),
        b"get_file_id" => file_id as *const (),
        b"set_last_write_time" => set_last_write_time as *const (),
        b"change_permissions" => change_permissions as *const (),
        b"get_temp_path" => temporary_directory as *const (),
        b"get_current_path" => current_directory as *const (),
        b"set_current_path" => set_current_directory as *const (),
        b"create_directory" => create_directory as *const (),
        b"create_directory_symbolic_link" => link_directory as *const (),
        b"create_symbolic_link" => link_file as *const (),
        b"create_hard_link" => hard_link as *const (),
        b"read_reparse_data_buffer" => read_reparse_data as *const (),
        b"write_reparse_data_buffer" => write_reparse_data as *const (),
        b"read_name_from_reparse_data_buffer" => name_in_reparse_data as *const (),
        b"is_junction_from_reparse_data_buffer" => is_junction as *const (),
        b"remove" => remove as *const (),
        b"rename" => rename as *const (),
        b"resize_file" => resize as *const (),
        b"space" => space as *const (),
        _ => return None,
    };
    Some(ExecAddr(address as u64))
}

/// `__std_win_error`: the system's number, 0 for success.
type Error = u32;

/// What a function of the system that returns a `BOOL` says.
fn check(done: i32) -> Error {
    if done == 0 { os::last_error() } else { 0 }
}

/// `__std_ulong_and_error`.
#[repr(C)]
struct Size {
    size: u32,
    error: Error,
}

/// What a function of the system says that returns 0 if it fails.
fn size(size: u32) -> Size {
    Size { size, error: if size == 0 { os::last_error() } else { 0 } }
}

/// `__std_fs_copy_file_result`, `__std_fs_create_directory_result`, `__std_fs_remove_result`.
#[repr(C)]
struct Done {
    done: bool,
    error: Error,
}

impl Done {
    const fn failed(error: Error) -> Self {
        Self { done: false, error }
    }

    const DONE: Self = Self { done: true, error: 0 };
    const NOTHING_TO_DO: Self = Self::failed(0);
}

/// Whether an error says that there is no such file (`__std_is_file_not_found`).
const fn is_not_found(error: Error) -> bool {
    const BAD_NETWORK_PATH: Error = 53;
    const INVALID_NAME: Error = 123;
    matches!(error, 2 | 3 | BAD_NETWORK_PATH | INVALID_NAME)
}

/// A file that is open for a while.
struct File(HANDLE);

impl File {
    /// # Safety
    /// The path must be a C string.
    unsafe fn open(path: *const u16, access: u32, flags: u32) -> Result<Self, Error> {
        let share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
        // SAFETY: the caller vouches for the path.
        let handle = unsafe { CreateFileW(path, access, share, null(), OPEN_EXISTING, flags, null_mut()) };
        if handle == INVALID_HANDLE_VALUE { Err(os::last_error()) } else { Ok(Self(handle)) }
    }

    fn information<T>(&self, class: i32) -> Result<T, Error> {
        let mut information = std::mem::MaybeUninit::<T>::zeroed();
        let place = information.as_mut_ptr().cast();
        // SAFETY: the class is that of the type, of which there is room for one.
        let done = unsafe { GetFileInformationByHandleEx(self.0, class, place, size_of::<T>() as u32) };
        // SAFETY: it is a structure of numbers, all of which were set, if only to zero.
        if done == 0 { Err(os::last_error()) } else { Ok(unsafe { information.assume_init() }) }
    }

    fn set<T>(&self, class: i32, information: &T) -> Error {
        let place: *const T = information;
        // SAFETY: the class is that of the type.
        check(unsafe { SetFileInformationByHandle(self.0, class, place.cast(), size_of::<T>() as u32) })
    }

    fn by_handle(&self) -> Result<BY_HANDLE_FILE_INFORMATION, Error> {
        let mut information = BY_HANDLE_FILE_INFORMATION::default();
        // SAFETY: a place for the answer.
        let done = unsafe { GetFileInformationByHandle(self.0, &raw mut information) };
        if done == 0 { Err(os::last_error()) } else { Ok(information) }
    }

    fn id(&self) -> Result<FileId, Error> {
        self.information(FileIdInfo).or_else(|_| {
            // What has no numbers of 128 bits has some of 64.
            let known = self.by_handle()?;
            let number = u128::from(known.nFileIndexHigh) << 32 | u128::from(known.nFileIndexLow);
            Ok(FileId { volume: known.dwVolumeSerialNumber.into(), id: number.to_le_bytes() })
        })
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: it is ours.
        unsafe { CloseHandle(self.0) };
    }
}

/// `__std_fs_file_id`.
#[repr(C)]
#[derive(PartialEq)]
struct FileId {
    volume: u64,
    id: [u8; 16],
}

fn ticks(time: FILETIME) -> i64 {
    (u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime)).cast_signed()
}

unsafe extern "system" fn full_path(path: *const u16, room: u32, target: *mut u16) -> Size {
    // SAFETY: the arguments are the caller's.
    size(unsafe { GetFullPathNameW(path, room, target, null_mut()) })
}

unsafe extern "system" fn open_handle(handle: *mut HANDLE, path: *const u16, access: u32, flags: u32) -> Error {
    // SAFETY: the caller's path.
    let (opened, error) = match unsafe { File::open(path, access, flags) } {
        Ok(file) => (std::mem::ManuallyDrop::new(file).0, 0),
        Err(error) => (INVALID_HANDLE_VALUE, error),
    };
    // SAFETY: the caller's place.
    unsafe { handle.write(opened) };
    error
}

unsafe extern "system" fn close_handle(handle: HANDLE) {
    if handle != INVALID_HANDLE_VALUE {
        drop(File(handle));
    }
}

unsafe extern "system" fn attributes_of_handle(handle: HANDLE, attributes: *mut u32) -> Error {
    let file = std::mem::ManuallyDrop::new(File(handle));
    match file.information::<FILE_BASIC_INFO>(FileBasicInfo) {
        Ok(basic) => {
            // SAFETY: the caller's place.
            unsafe { attributes.write(basic.FileAttributes) };
            0
        }
        Err(error) => error,
    }
}

unsafe extern "system" fn final_path(handle: HANDLE, target: *mut u16, room: u32, kind: u32) -> Size {
    // SAFETY: the arguments are the caller's.
    size(unsafe { GetFinalPathNameByHandleW(handle, target, room, kind) })
}

/// `__std_fs_copy_options`: what is to happen if there is such a file.
const SKIP: u32 = 1;
const OVERWRITE: u32 = 2;
const UPDATE: u32 = 4;

unsafe extern "system" fn copy_file(source: *const u16, target: *const u16, options: u32) -> Done {
    // SAFETY: the arguments are the caller's.
    let error = check(unsafe { CopyFileW(source, target, 1) });
    match options & 0xf {
        _ if error == 0 => return Done::DONE,
        _ if !matches!(error, ERROR_FILE_EXISTS | ERROR_ALREADY_EXISTS) => return Done::failed(error),
        SKIP => return Done::NOTHING_TO_DO,
        OVERWRITE | UPDATE => {}
        _ => return Done::failed(error),
    }
    let open = |path| {
        // SAFETY: the caller's path.
        unsafe { File::open(path, FILE_READ_ATTRIBUTES, FILE_FLAG_BACKUP_SEMANTICS) }
    };
    let compared = open(source).and_then(|source| {
        let target = open(target)?;
        let is_same = source.id()? == target.id()?;
        let is_newer = ticks(source.by_handle()?.ftLastWriteTime) > ticks(target.by_handle()?.ftLastWriteTime);
        Ok((is_same, is_newer))
    });
    match compared {
        Err(error) => Done::failed(error),
        Ok((true, _)) => Done::failed(ERROR_FILE_EXISTS),
        Ok((_, false)) if options & 0xf == UPDATE => Done::NOTHING_TO_DO,
        Ok(_) => {
            // SAFETY: the arguments are the caller's.
            let error = check(unsafe { CopyFileW(source, target, 0) });
            Done { done: error == 0, error }
        }
    }
}

/// The handle is one that was opened before, or none.
unsafe extern "system" fn open_directory(
    pattern: *const u16,
    handle: *mut HANDLE,
    found: *mut WIN32_FIND_DATAW,
) -> Error {
    // SAFETY: the caller's place.
    let old = unsafe { handle.read() };
    // SAFETY: as above.
    unsafe { close_directory(old) };
    // SAFETY: the arguments are the caller's.
    let opened = unsafe { FindFirstFileExW(pattern, FindExInfoBasic, found.cast(), FindExSearchNameMatch, null(), 0) };
    let error = if opened == INVALID_HANDLE_VALUE { os::last_error() } else { 0 };
    // SAFETY: as above.
    unsafe { handle.write(opened) };
    error
}

unsafe extern "system" fn advance_directory(handle: HANDLE, found: *mut WIN32_FIND_DATAW) -> Error {
    // SAFETY: the arguments are the caller's.
    check(unsafe { FindNextFileW(handle, found) })
}

unsafe extern "system" fn close_directory(handle: HANDLE) {
    if handle != INVALID_HANDLE_VALUE {
        // SAFETY: the caller's handle.
        unsafe { FindClose(handle) };
    }
}

/// `__std_fs_stats`.
#[repr(C)]
#[derive(Default)]
struct Stats {
    last_write_time: i64,
    size: u64,
    attributes: u32,
    reparse_tag: u32,
    links: u32,
    available: u32,
}

/// `__std_fs_stats_flags`: what is wanted, and what there is.
const FOLLOW: u32 = 1;
const ATTRIBUTES: u32 = 2;
const REPARSE_TAG: u32 = 4;
const SIZE: u32 = 8;
const LINKS: u32 = 0x10;
const LAST_WRITE_TIME: u32 = 0x20;

unsafe extern "system" fn stats(path: *const u16, stats: *mut Stats, flags: u32, hint: u32) -> Error {
    // SAFETY: the caller's path.
    let found = unsafe { find_stats(path, flags, hint) };
    let (found, error) = found.map_or_else(|error| (Stats::default(), error), |found| (found, 0));
    // SAFETY: the caller's place.
    unsafe { stats.write(found) };
    error
}

/// # Safety
/// The path must be a C string.
unsafe fn find_stats(path: *const u16, flags: u32, hint: u32) -> Result<Stats, Error> {
    let follows = flags & FOLLOW != 0;
    if follows && flags & REPARSE_TAG != 0 {
        // What links lead to is none.
        return Err(ERROR_INVALID_PARAMETER);
    }
    let is_link = |attributes: u32| attributes & FILE_ATTRIBUTE_REPARSE_POINT != 0;
    if hint != INVALID_FILE_ATTRIBUTES && flags & !FOLLOW == ATTRIBUTES && !(follows && is_link(hint)) {
        return Ok(Stats { attributes: hint, available: ATTRIBUTES, ..Stats::default() });
    }
    // Without opening the file, if that will do: others may not share it.
    if flags & (LINKS | REPARSE_TAG) == 0 {
        let mut known = WIN32_FILE_ATTRIBUTE_DATA::default();
        // SAFETY: the caller's path, and a place for the answer.
        let error = check(unsafe { GetFileAttributesExW(path, GetFileExInfoStandard, (&raw mut known).cast()) });
        if error == 0 && !(follows && is_link(known.dwFileAttributes)) {
            return Ok(Stats {
                last_write_time: ticks(known.ftLastWriteTime),
                size: u64::from(known.nFileSizeHigh) << 32 | u64::from(known.nFileSizeLow),
                attributes: known.dwFileAttributes,
                available: ATTRIBUTES | SIZE | LAST_WRITE_TIME,
                ..Stats::default()
            });
        }
        if error != 0 && error != ERROR_SHARING_VIOLATION && error != ERROR_ACCESS_DENIED {
            return Err(error);
        }
    }
    let links = if follows { 0 } else { FILE_FLAG_OPEN_REPARSE_POINT };
    // SAFETY: the caller's path.
    let file = unsafe { File::open(path, FILE_READ_ATTRIBUTES, FILE_FLAG_BACKUP_SEMANTICS | links) }?;
    let known = file.by_handle()?;
    let mut found = Stats {
        last_write_time: ticks(known.ftLastWriteTime),
        size: u64::from(known.nFileSizeHigh) << 32 | u64::from(known.nFileSizeLow),
        attributes: known.dwFileAttributes,
        reparse_tag: 0,
        links: known.nNumberOfLinks,
        available: ATTRIBUTES | SIZE | LINKS | LAST_WRITE_TIME,
    };
    if flags & REPARSE_TAG != 0 {
        if is_link(found.attributes) {
            found.reparse_tag = file.information::<FILE_ATTRIBUTE_TAG_INFO>(FileAttributeTagInfo)?.ReparseTag;
        }
        found.available |= REPARSE_TAG;
    }
    Ok(found)
}

extern "system" fn code_page() -> u32 {
    let of_locale = library_function(c"___lc_codepage_func").map(|function| {
        // SAFETY: the function has this type.
        let function = unsafe { transmute::<*const (), extern "C" fn() -> u32>(function.0 as *const ()) };
        function()
    });
    if of_locale == Some(CP_UTF8) {
        return CP_UTF8;
    }
    // SAFETY: has no preconditions.
    if unsafe { AreFileApisANSI() } == 0 { CP_OEMCP } else { CP_ACP }
}

/// `__std_fs_convert_result`.
#[repr(C)]
struct Converted {
    length: i32,
    error: Error,
}

fn converted(length: i32) -> Converted {
    Converted { length, error: if length == 0 { os::last_error() } else { 0 } }
}

unsafe extern "system" fn narrow_to_wide(
    page: u32,
    text: *const u8,
    length: i32,
    to: *mut u16,
    room: i32,
) -> Converted {
    // SAFETY: the arguments are the caller's.
    converted(unsafe { MultiByteToWideChar(page, MB_ERR_INVALID_CHARS, text, length, to, room) })
}

unsafe extern "system" fn wide_to_narrow(
    page: u32,
    text: *const u16,
    length: i32,
    to: *mut u8,
    room: i32,
) -> Converted {
    const GB18030: u32 = 54936;
    if matches!(page, CP_UTF8 | GB18030) {
        let flags = WC_ERR_INVALID_CHARS;
        // SAFETY: the arguments are the caller's.
        return converted(unsafe { WideCharToMultiByte(page, flags, text, length, to, room, null(), null_mut()) });
    }
    let mut replaced = 0;
    let flags = WC_NO_BEST_FIT_CHARS;
    // SAFETY: the arguments are the caller's, and a place for the answer.
    let written = unsafe { WideCharToMultiByte(page, flags, text, length, to, room, null(), &raw mut replaced) };
    if replaced != 0 { Converted { length: 0, error: ERROR_NO_UNICODE_TRANSLATION } } else { converted(written) }
}

unsafe extern "system" fn wide_to_narrow_replacing(
    page: u32,
    text: *const u16,
    length: i32,
    to: *mut u8,
    room: i32,
) -> Converted {
    // SAFETY: the arguments are the caller's.
    converted(unsafe { WideCharToMultiByte(page, 0, text, length, to, room, null(), null_mut()) })
}

unsafe extern "system" fn file_id(id: *mut FileId, path: *const u16) -> Error {
    // SAFETY: the caller's path.
    let file = unsafe { File::open(path, FILE_READ_ATTRIBUTES, FILE_FLAG_BACKUP_SEMANTICS) };
    match file.and_then(|file| file.id()) {
        Ok(found) => {
            // SAFETY: the caller's place.
            unsafe { id.write(found) };
            0
        }
        Err(error) => error,
    }
}

unsafe extern "system" fn set_last_write_time(time: i64, path: *const u16) -> Error {
    // SAFETY: the caller's path.
    let file = match unsafe { File::open(path, FILE_WRITE_ATTRIBUTES, FILE_FLAG_BACKUP_SEMANTICS) } {
        Ok(file) => file,
        Err(error) => return error,
    };
    let time = time.cast_unsigned();
    let time = FILETIME { dwLowDateTime: time as u32, dwHighDateTime: (time >> 32) as u32 };
    // SAFETY: a time; the others stay.
    check(unsafe { SetFileTime(file.0, null(), null(), &raw const time) })
}

unsafe extern "system" fn change_permissions(path: *const u16, follows: bool, read_only: bool) -> Error {
    // SAFETY: the caller's path.
    let old = unsafe { GetFileAttributesW(path) };
    if old == INVALID_FILE_ATTRIBUTES {
        return os::last_error();
    }
    let with = |attributes: u32| {
        let others = attributes & !FILE_ATTRIBUTE_READONLY;
        let wanted = others | if read_only { FILE_ATTRIBUTE_READONLY } else { 0 };
        // Zero would mean: as they are.
        if wanted == 0 { FILE_ATTRIBUTE_NORMAL } else { wanted }
    };
    if !follows || old & FILE_ATTRIBUTE_REPARSE_POINT == 0 {
        // SAFETY: the caller's path.
        return if with(old) == old { 0 } else { check(unsafe { SetFileAttributesW(path, with(old)) }) };
    }
    let access = FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES;
    // SAFETY: the caller's path.
    let opened = unsafe { File::open(path, access, FILE_FLAG_BACKUP_SEMANTICS) };
    let changed = opened.and_then(|file| {
        let mut basic = file.information::<FILE_BASIC_INFO>(FileBasicInfo)?;
        basic.FileAttributes = with(basic.FileAttributes);
        Ok(file.set(FileBasicInfo, &basic))
    });
    changed.unwrap_or_else(|error| error)
}

unsafe extern "system" fn temporary_directory(target: *mut u16) -> Size {
    /// What the caller has room for.
    const ROOM: u32 = 261;
    // SAFETY: the caller's buffer.
    let found = size(unsafe { GetTempPathW(ROOM, target) });
    if found.error != 0 {
        return found;
    }
    // SAFETY: the system has written a path there.
    let attributes = unsafe { GetFileAttributesW(target) };
    let error = match attributes {
        INVALID_FILE_ATTRIBUTES => os::last_error(),
        _ if attributes & FILE_ATTRIBUTE_DIRECTORY == 0 => ERROR_DIRECTORY,
        _ => 0,
    };
    Size { error, ..found }
}

unsafe extern "system" fn current_directory(room: u32, target: *mut u16) -> Size {
    // SAFETY: the caller's buffer.
    size(unsafe { GetCurrentDirectoryW(room, target) })
}

unsafe extern "system" fn set_current_directory(path: *const u16) -> Error {
    // SAFETY: the caller's path.
    check(unsafe { SetCurrentDirectoryW(path) })
}

unsafe extern "system" fn create_directory(path: *const u16) -> Done {
    // SAFETY: the caller's path.
    let error = check(unsafe { CreateDirectoryW(path, null()) });
    if error == 0 {
        return Done::DONE;
    }
    // SAFETY: as above.
    let there = unsafe { find_stats(path, FOLLOW | ATTRIBUTES, INVALID_FILE_ATTRIBUTES) };
    let is_directory = there.is_ok_and(|there| there.attributes & FILE_ATTRIBUTE_DIRECTORY != 0);
    if error == ERROR_ALREADY_EXISTS && is_directory { Done::NOTHING_TO_DO } else { Done::failed(error) }
}

/// Older systems know nothing of users without privileges.
unsafe fn link(link: *const u16, target: *const u16, kind: u32) -> Error {
    // SAFETY: the caller's paths.
    let done = unsafe { CreateSymbolicLinkW(link, target, kind | SYMBOLIC_LINK_FLAG_ALLOW_UNPRIVILEGED_CREATE) };
    match check(done.into()) {
        // SAFETY: the caller's paths.
        ERROR_INVALID_PARAMETER => check(unsafe { CreateSymbolicLinkW(link, target, kind) }.into()),
        error => error,
    }
}

unsafe extern "system" fn link_directory(name: *const u16, target: *const u16) -> Error {
    // SAFETY: the caller's paths.
    unsafe { link(name, target, SYMBOLIC_LINK_FLAG_DIRECTORY) }
}

unsafe extern "system" fn link_file(name: *const u16, target: *const u16) -> Error {
    // SAFETY: the caller's paths.
    unsafe { link(name, target, 0) }
}

unsafe extern "system" fn hard_link(name: *const u16, existing: *const u16) -> Error {
    // SAFETY: the caller's paths.
    check(unsafe { CreateHardLinkW(name, existing, null()) })
}

unsafe extern "system" fn read_reparse_data(handle: HANDLE, buffer: *mut c_void, room: u32) -> Error {
    const FSCTL_GET_REPARSE_POINT: u32 = 0x9_00a8;
    let mut written = 0;
    // SAFETY: the caller's buffer.
    let done = unsafe {
        DeviceIoControl(handle, FSCTL_GET_REPARSE_POINT, null(), 0, buffer, room, &raw mut written, null_mut())
    };
    check(done)
}

/// The beginning of `REPARSE_DATA_BUFFER`, as links and mount points have it.
#[repr(C)]
struct ReparseData {
    tag: u32,
    length: u16,
    reserved: u16,
    substitute_offset: u16,
    substitute_length: u16,
    print_offset: u16,
    print_length: u16,
}

const SYMBOLIC_LINK: u32 = 0xa000_000c;
const MOUNT_POINT: u32 = 0xa000_0003;

unsafe extern "system" fn write_reparse_data(handle: HANDLE, data: *const ReparseData) -> Error {
    const FSCTL_SET_REPARSE_POINT: u32 = 0x9_00a4;
    /// What the length does not count: the tag, the length and what is reserved.
    const HEADER: u32 = 8;
    // SAFETY: the caller's data.
    let length = unsafe { (*data).length };
    let mut written = 0;
    // SAFETY: as above; it says how long it is.
    let done = unsafe {
        let size = HEADER + u32::from(length);
        DeviceIoControl(handle, FSCTL_SET_REPARSE_POINT, data.cast(), size, null_mut(), 0, &raw mut written, null_mut())
    };
    check(done)
}

/// Where the name is in the data, and its length: the one that is printed, or else the one that counts.
unsafe extern "system" fn name_in_reparse_data(data: *mut ReparseData, name: *mut *mut u16, length: *mut u16) -> Error {
    // SAFETY: the caller's data.
    let known = unsafe { &*data };
    // A symbolic link has flags before the names.
    let names = match known.tag {
        SYMBOLIC_LINK => size_of::<ReparseData>() + 4,
        MOUNT_POINT => size_of::<ReparseData>(),
        _ => return ERROR_REPARSE_TAG_INVALID,
    };
    let (offset, bytes) = match known.print_length {
        0 => (known.substitute_offset, known.substitute_length),
        length => (known.print_offset, length),
    };
    // SAFETY: the caller's places.
    unsafe { name.write(data.cast::<u8>().wrapping_add(names + usize::from(offset)).cast()) };
    // SAFETY: as above.
    unsafe { length.write(bytes / 2) };
    0
}

unsafe extern "system" fn is_junction(data: *const ReparseData) -> bool {
    // SAFETY: the caller's data.
    unsafe { (*data).tag == MOUNT_POINT }
}

unsafe extern "system" fn remove(path: *const u16) -> Done {
    // SAFETY: the caller's path.
    let attributes = unsafe { GetFileAttributesW(path) };
    if attributes == INVALID_FILE_ATTRIBUTES {
        let error = os::last_error();
        return if is_not_found(error) { Done::NOTHING_TO_DO } else { Done::failed(error) };
    }
    let is_directory = attributes & FILE_ATTRIBUTE_DIRECTORY != 0;
    let remove = || {
        // SAFETY: the caller's path.
        check(if is_directory { unsafe { RemoveDirectoryW(path) } } else { unsafe { DeleteFileW(path) } })
    };
    let mut error = remove();
    if error == ERROR_ACCESS_DENIED && attributes & FILE_ATTRIBUTE_READONLY != 0 {
        // That a file may not be written to does not keep it.
        // SAFETY: the caller's path.
        unsafe { SetFileAttributesW(path, (attributes & !FILE_ATTRIBUTE_READONLY).max(FILE_ATTRIBUTE_NORMAL)) };
        error = remove();
        if error != 0 {
            // SAFETY: as above.
            unsafe { SetFileAttributesW(path, attributes) };
        }
    }
    match error {
        0 => Done::DONE,
        error if is_not_found(error) => Done::NOTHING_TO_DO,
        error => Done::failed(error),
    }
}

unsafe extern "system" fn rename(source: *const u16, target: *const u16) -> Error {
    // SAFETY: the caller's paths.
    check(unsafe { MoveFileExW(source, target, MOVEFILE_COPY_ALLOWED | MOVEFILE_REPLACE_EXISTING) })
}

unsafe extern "system" fn resize(path: *const u16, size: u64) -> Error {
    let Ok(size) = i64::try_from(size) else { return ERROR_INVALID_PARAMETER };
    // SAFETY: the caller's path.
    match unsafe { File::open(path, FILE_GENERIC_WRITE, 0) } {
        Ok(file) => file.set(FileEndOfFileInfo, &FILE_END_OF_FILE_INFO { EndOfFile: size }),
        Err(error) => error,
    }
}

unsafe extern "system" fn space(path: *const u16, available: *mut u64, total: *mut u64, free: *mut u64) -> Error {
    let mut found = [u64::MAX; 3];
    let [a, t, f] = found.each_mut();
    // SAFETY: the caller's path, and places for the answers.
    let mut error = check(unsafe { GetDiskFreeSpaceExW(path, a, t, f) });
    if error == ERROR_DIRECTORY {
        // That is a file: its directory has as much.
        // SAFETY: a C string.
        let length = (0..).take_while(|&at| unsafe { path.wrapping_add(at).read() } != 0).count();
        // SAFETY: as many units are there.
        let file = unsafe { std::slice::from_raw_parts(path, length) };
        let separators = [b'\\', b'/'].map(u16::from);
        let end = file.iter().rposition(|unit| separators.contains(unit)).map_or(0, |at| at + 1);
        let directory = if end == 0 { vec![u16::from(b'.'), 0] } else { [&file[..end], &[0]].concat() };
        let [a, t, f] = found.each_mut();
        // SAFETY: as above.
        error = check(unsafe { GetDiskFreeSpaceExW(directory.as_ptr(), a, t, f) });
    }
    if error != 0 {
        found = [u64::MAX; 3];
    }
    for (place, value) in [available, total, free].into_iter().zip(found) {
        // SAFETY: the caller's places.
        unsafe { place.write(value) };
    }
    error
}
