//! Attributes of files, and changes to them.

use std::ptr::null;

use windows_sys::Win32::Foundation::{ERROR_INVALID_PARAMETER, FILETIME};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_NORMAL, FILE_ATTRIBUTE_READONLY, FILE_ATTRIBUTE_REPARSE_POINT,
    FILE_ATTRIBUTE_TAG_INFO, FILE_BASIC_INFO, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT,
    FILE_READ_ATTRIBUTES, FILE_WRITE_ATTRIBUTES, FileAttributeTagInfo, FileBasicInfo, GetFileAttributesExW,
    GetFileAttributesW, GetFileExInfoStandard, INVALID_FILE_ATTRIBUTES, SetFileAttributesW, SetFileTime,
    WIN32_FILE_ATTRIBUTE_DATA,
};

use super::handles::{File, FileId};
use super::{Error, check, give};
use crate::os;

pub(super) fn ticks(time: FILETIME) -> i64 {
    (u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime)).cast_signed()
}

fn wide(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// `__std_fs_stats`.
#[repr(C)]
#[derive(Default)]
pub(super) struct Stats {
    last_write_time: i64,
    size: u64,
    attributes: u32,
    reparse_tag: u32,
    links: u32,
    /// The caller's: what of the others it knows.
    available: u32,
}

/// `__std_fs_stats_flags`: what is wanted. Links are followed or not.
const FOLLOW: u32 = 1;
const ATTRIBUTES: u32 = 2;
const REPARSE_TAG: u32 = 4;
const SIZE: u32 = 8;
const LINKS: u32 = 0x10;
const LAST_WRITE_TIME: u32 = 0x20;

pub(super) unsafe extern "system" fn stats(path: *const u16, stats: *mut Stats, flags: u32, hint: u32) -> Error {
    // SAFETY: the caller's structure of numbers. What is not asked for stays as it is.
    let stats = unsafe { &mut *stats };
    // SAFETY: the caller's path.
    unsafe { find(path, stats, flags, hint) }.map_or_else(|error| error, |()| 0)
}

/// Says whether there is a directory, to wherever links lead.
///
/// # Safety
/// The path must be a C string.
pub(super) unsafe fn is_directory(path: *const u16) -> Result<bool, Error> {
    let mut stats = Stats::default();
    // SAFETY: the caller vouches for the path.
    unsafe { find(path, &mut stats, FOLLOW | ATTRIBUTES, INVALID_FILE_ATTRIBUTES) }?;
    Ok(stats.attributes & FILE_ATTRIBUTE_DIRECTORY != 0)
}

/// `hint`: the attributes of the path itself, if they are known.
///
/// # Safety
/// The path must be a C string.
unsafe fn find(path: *const u16, stats: &mut Stats, flags: u32, hint: u32) -> Result<(), Error> {
    const WITHOUT_OPENING: u32 = ATTRIBUTES | SIZE | LAST_WRITE_TIME;
    let follows = flags & FOLLOW != 0;
    if follows && flags & REPARSE_TAG != 0 {
        // The target of a link is no link.
        return Err(ERROR_INVALID_PARAMETER);
    }
    let mut wanted = flags & !FOLLOW;
    let leads_on = |attributes: u32| follows && attributes & FILE_ATTRIBUTE_REPARSE_POINT != 0;
    let is_known = hint != INVALID_FILE_ATTRIBUTES;
    if wanted & ATTRIBUTES != 0 && is_known && !leads_on(hint) {
        stats.attributes = hint;
        wanted &= !ATTRIBUTES;
    }
    if wanted & WITHOUT_OPENING != 0 && !(is_known && leads_on(hint)) {
        let mut known = WIN32_FILE_ATTRIBUTE_DATA::default();
        // SAFETY: the caller vouches for the path; a place for the answer.
        let error = check(unsafe { GetFileAttributesExW(path, GetFileExInfoStandard, (&raw mut known).cast()) });
        if error != 0 {
            return Err(error);
        }
        if !leads_on(known.dwFileAttributes) {
            stats.attributes = known.dwFileAttributes;
            stats.size = wide(known.nFileSizeHigh, known.nFileSizeLow);
            stats.last_write_time = ticks(known.ftLastWriteTime);
            wanted &= !WITHOUT_OPENING;
        }
    }
    if wanted == 0 {
        return Ok(());
    }
    let links = if follows { 0 } else { FILE_FLAG_OPEN_REPARSE_POINT };
    // SAFETY: the caller vouches for the path.
    let file = unsafe { File::open(path, FILE_READ_ATTRIBUTES, FILE_FLAG_BACKUP_SEMANTICS | links) }?;
    if wanted & (WITHOUT_OPENING | LINKS) != 0 {
        let known = file.by_handle()?;
        stats.attributes = known.dwFileAttributes;
        stats.size = wide(known.nFileSizeHigh, known.nFileSizeLow);
        stats.last_write_time = ticks(known.ftLastWriteTime);
        stats.links = known.nNumberOfLinks;
    }
    if wanted & REPARSE_TAG != 0 {
        stats.reparse_tag = file.information::<FILE_ATTRIBUTE_TAG_INFO>(FileAttributeTagInfo)?.ReparseTag;
    }
    Ok(())
}

pub(super) unsafe extern "system" fn file_id(id: *mut FileId, path: *const u16) -> Error {
    // SAFETY: the caller's path.
    let file = unsafe { File::open(path, FILE_READ_ATTRIBUTES, FILE_FLAG_BACKUP_SEMANTICS) };
    // SAFETY: the caller's place.
    unsafe { give(file.and_then(|file| file.id()), id) }
}

pub(super) unsafe extern "system" fn set_last_write_time(time: i64, path: *const u16) -> Error {
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

/// Attributes of a file that may be written to, or not.
pub(super) fn with_read_only(attributes: u32, read_only: bool) -> u32 {
    let others = attributes & !FILE_ATTRIBUTE_READONLY;
    // Zero would mean: as they are.
    match others | if read_only { FILE_ATTRIBUTE_READONLY } else { 0 } {
        0 => FILE_ATTRIBUTE_NORMAL,
        attributes => attributes,
    }
}

pub(super) unsafe extern "system" fn change_permissions(path: *const u16, follows: bool, read_only: bool) -> Error {
    // SAFETY: the caller's path.
    let old = unsafe { GetFileAttributesW(path) };
    if old == INVALID_FILE_ATTRIBUTES {
        return os::last_error();
    }
    if !follows || old & FILE_ATTRIBUTE_REPARSE_POINT == 0 {
        let new = with_read_only(old, read_only);
        // SAFETY: the caller's path.
        return if new == old { 0 } else { check(unsafe { SetFileAttributesW(path, new) }) };
    }
    let access = FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES;
    // SAFETY: the caller's path.
    let opened = unsafe { File::open(path, access, FILE_FLAG_BACKUP_SEMANTICS) };
    let changed = opened.and_then(|file| {
        let basic = file.information::<FILE_BASIC_INFO>(FileBasicInfo)?;
        Ok(file.set_read_only(&basic, read_only))
    });
    changed.unwrap_or_else(|error| error)
}
