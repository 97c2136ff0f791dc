//! Time zones of Microsoft's C++ library (`std::chrono::get_tzdb`, `zoned_time`), as its header calls them
//! (`__msvc_tzdb.hpp`). The library asks ICU; we use the system's own zones, which have rules for each year, under
//! their IANA names. These have no abbreviations, so we make them from the offset, as ICU does for most zones.

use std::collections::HashMap;
use std::ffi::{CString, c_char, c_void};
use std::sync::Mutex;

use windows_sys::Win32::Foundation::SYSTEMTIME;
use windows_sys::Win32::System::Time::{
    DYNAMIC_TIME_ZONE_INFORMATION, EnumDynamicTimeZoneInformation, GetDynamicTimeZoneInformation,
    GetTimeZoneInformationForYear, TIME_ZONE_INFORMATION,
};

use super::library_function;
use crate::{ExecAddr, lock, os};

/// A line for each of the system's zones: its name, then the IANA zones that it stands for, the most important one
/// first. Which these are is in Unicode's CLDR (`windowsZones.xml`).
const ZONES: &str = include_str!("time_zones.txt");

pub(super) fn symbol(name: &[u8]) -> Option<ExecAddr> {
    match name {
        b"__std_tzdb_delete_leap_seconds" | b"__std_free_crt" => return library_function(c"free"),
        b"__std_calloc_crt" => return library_function(c"calloc"),
        _ => {}
    }
    let own = find(name)?;
    // The library's own, where its DLL is new enough to have it: Microsoft's, for Wine's has nothing behind these names.
    let is_wine = os::system_function(c"ntdll.dll", c"wine_get_version").is_some();
    let open = || os::open_library("msvcp140_atomic_wait.dll".as_ref(), false, &[]).ok();
    let real = if is_wine { None } else { open() };
    Some(real.and_then(|library| os::find_symbol(library, &CString::new(name).ok()?)).unwrap_or(own))
}

functions! {
    find(b"__std_tzdb_"):
    b"get_time_zones" => time_zones;
    b"delete_time_zones" => delete_time_zones;
    b"get_current_zone" => current_zone;
    b"delete_current_zone" => delete_current_zone;
    b"get_sys_info" => sys_info;
    b"delete_sys_info" => delete_sys_info;
    b"get_leap_seconds" => leap_seconds;
}

/// Each of the system's names with those that it stands for.
fn zones() -> impl Iterator<Item = (&'static str, &'static str)> {
    ZONES.lines().filter_map(|line| line.split_once(':'))
}

/// A string that is given to the program, which has it deleted by the function beside the one that made it.
fn string(text: &str) -> *const c_char {
    CString::new(text).unwrap_or_default().into_raw()
}

/// # Safety
/// It must be null or one of [`string`].
unsafe fn free(text: *const c_char) {
    if !text.is_null() {
        // SAFETY: the caller vouches for it.
        drop(unsafe { CString::from_raw(text.cast_mut()) });
    }
}

/// `__std_tzdb_error`.
const SUCCESS: i32 = 0;
const SYSTEM_ERROR: i32 = 1;

/// `__std_tzdb_time_zones_info`.
#[repr(C)]
struct TimeZones {
    error: i32,
    version: *const c_char,
    count: usize,
    names: *mut *const c_char,
    /// Null for those that are zones of their own.
    links: *mut *const c_char,
}

extern "system" fn time_zones() -> *mut TimeZones {
    let mut names: Vec<&str> = zones().flat_map(|(_, names)| names.split(' ')).collect();
    names.sort_unstable();
    names.dedup();
    let count = names.len();
    let names: Vec<_> = names.into_iter().map(string).collect();
    let links = vec![std::ptr::null::<c_char>(); count];
    let (names, links) = (Box::into_raw(names.into_boxed_slice()), Box::into_raw(links.into_boxed_slice()));
    let version = string("windows");
    Box::into_raw(Box::new(TimeZones { error: SUCCESS, version, count, names: names.cast(), links: links.cast() }))
}

unsafe extern "system" fn delete_time_zones(zones: *mut TimeZones) {
    if zones.is_null() {
        return;
    }
    // SAFETY: it was made above.
    let zones = unsafe { Box::from_raw(zones) };
    for table in [zones.names, zones.links] {
        let table = std::ptr::slice_from_raw_parts_mut(table, zones.count);
        // SAFETY: as above.
        for text in unsafe { Box::from_raw(table) } {
            // SAFETY: as above.
            unsafe { free(text) };
        }
    }
    // SAFETY: as above.
    unsafe { free(zones.version) };
}

/// `__std_tzdb_current_zone_info`.
#[repr(C)]
struct CurrentZone {
    error: i32,
    name: *const c_char,
}

extern "system" fn current_zone() -> *mut CurrentZone {
    let mut known = DYNAMIC_TIME_ZONE_INFORMATION::default();
    // SAFETY: a place for the answer.
    unsafe { GetDynamicTimeZoneInformation(&raw mut known) };
    let key = text(&known.TimeZoneKeyName);
    let found = zones().find(|(name, _)| *name == key).and_then(|(_, names)| names.split(' ').next());
    // A zone of nobody's making has a whole number of hours, or stands for none.
    let fixed = || match known.Bias {
        0 => Some("UTC".to_owned()),
        minutes if minutes % 60 == 0 => Some(format!("Etc/GMT{:+}", minutes / 60)),
        _ => None,
    };
    let name = found.map(str::to_owned).or_else(fixed);
    let error = if name.is_some() { SUCCESS } else { SYSTEM_ERROR };
    Box::into_raw(Box::new(CurrentZone { error, name: name.map_or(std::ptr::null(), |name| string(&name)) }))
}

unsafe extern "system" fn delete_current_zone(zone: *mut CurrentZone) {
    if !zone.is_null() {
        // SAFETY: it was made above.
        let zone = unsafe { Box::from_raw(zone) };
        // SAFETY: as above.
        unsafe { free(zone.name) };
    }
}

/// A text that ends with a zero.
fn text(units: &[u16]) -> String {
    let end = units.iter().position(|unit| *unit == 0).unwrap_or(units.len());
    String::from_utf16_lossy(&units[..end])
}

/// From when on an offset is valid, in milliseconds of the epoch; offset and what of it is for summer, in minutes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Period {
    begin: i64,
    offset: i32,
    save: i32,
}

/// The first and the last time that ICU knows, in milliseconds.
const FIRST: i64 = -184_303_902_528_000_000;
const LAST: i64 = 183_882_168_921_600_000;
/// The system has rules for some of these years, and the nearest ones for others.
const YEARS: std::ops::RangeInclusive<u16> = 1970..=2100;
const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// Days from the epoch to the first of a month, in the Gregorian calendar.
fn days_to(year: i64, month: i64) -> i64 {
    // Years begin in March here, so that leap days end them.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day = (153 * month + 2) / 5;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day - 719_468
}

/// When a rule of a year takes place, in local milliseconds: on a day of the month, or the so manieth of a weekday.
fn rule_time(rule: &SYSTEMTIME, year: u16) -> i64 {
    let month = i64::from(rule.wMonth);
    let first = days_to(year.into(), month);
    let next = if month == 12 { days_to(i64::from(year) + 1, 1) } else { days_to(year.into(), month + 1) };
    let day = if rule.wYear != 0 {
        first + i64::from(rule.wDay) - 1
    } else {
        // The epoch was a Thursday.
        let ahead = (i64::from(rule.wDayOfWeek) - (first + 4)).rem_euclid(7);
        let day = first + ahead + 7 * (i64::from(rule.wDay) - 1);
        // The fifth is the last one.
        if day >= next { day - 7 } else { day }
    };
    day * DAY
        + (i64::from(rule.wHour) * 60 + i64::from(rule.wMinute)) * MINUTE
        + i64::from(rule.wSecond) * 1000
        + i64::from(rule.wMilliseconds)
}

/// The periods of one of the system's zones.
fn periods(zone: &DYNAMIC_TIME_ZONE_INFORMATION) -> Vec<Period> {
    let mut all: Vec<Period> = Vec::new();
    for year in YEARS {
        let mut rules = TIME_ZONE_INFORMATION::default();
        // SAFETY: a zone of the system's, and a place for the answer.
        if unsafe { GetTimeZoneInformationForYear(year, zone, &raw mut rules) } == 0 {
            continue;
        }
        let standard = -(rules.Bias + rules.StandardBias);
        let daylight = -(rules.Bias + rules.DaylightBias);
        let begin = if all.is_empty() { FIRST } else { days_to(year.into(), 1) * DAY - i64::from(standard) * MINUTE };
        if rules.StandardDate.wMonth == 0 || rules.DaylightDate.wMonth == 0 {
            all.push(Period { begin, offset: standard, save: 0 });
            continue;
        }
        // Each change takes place by the clocks of what was before.
        let change = |rule, before, offset, save| {
            let begin = rule_time(rule, year) - i64::from(before) * MINUTE;
            Period { begin, offset, save }
        };
        let mut changes = [
            change(&rules.DaylightDate, standard, daylight, daylight - standard),
            change(&rules.StandardDate, daylight, standard, 0),
        ];
        changes.sort_by_key(|change| change.begin);
        // The year begins with what its last change leads to.
        all.push(Period { begin, ..changes[1] });
        all.extend(changes);
    }
    all.sort_by_key(|period| period.begin);
    all.dedup_by(|later, earlier| (later.offset, later.save) == (earlier.offset, earlier.save));
    all
}

/// The periods of the zone with an IANA name.
fn named_periods(name: &str) -> Option<Vec<Period>> {
    static KNOWN: Mutex<Option<HashMap<&'static str, Vec<Period>>>> = Mutex::new(None);
    let (system_name, _) = zones().find(|(_, names)| names.split(' ').any(|known| known == name))?;
    if let Some(found) = lock(&KNOWN).as_ref().and_then(|known| known.get(system_name)) {
        return Some(found.clone());
    }
    let zone = (0..).map_while(|index| {
        let mut zone = DYNAMIC_TIME_ZONE_INFORMATION::default();
        // SAFETY: a place for the answer.
        (unsafe { EnumDynamicTimeZoneInformation(index, &raw mut zone) } == 0).then_some(zone)
    });
    let mut zone = zone.into_iter().find(|zone| text(&zone.TimeZoneKeyName) == system_name)?;
    zone.DynamicDaylightTimeDisabled = false;
    let found = periods(&zone);
    lock(&KNOWN).get_or_insert_default().insert(system_name, found.clone());
    (!found.is_empty()).then_some(found)
}

/// `__std_tzdb_sys_info`: times and offsets are in milliseconds.
#[repr(C)]
struct SysInfo {
    error: i32,
    begin: f64,
    end: f64,
    offset: i32,
    save: i32,
    abbreviation: *const c_char,
}

/// `GMT+1`, `GMT-3:30`.
fn abbreviation(name: &str, minutes: i32) -> String {
    let (hours, rest) = (minutes.abs() / 60, minutes.abs() % 60);
    let sign = if minutes < 0 { '-' } else { '+' };
    match rest {
        _ if matches!(name, "UTC" | "Etc/UTC") => "UTC".into(),
        _ if minutes == 0 => "GMT".into(),
        0 => format!("GMT{sign}{hours}"),
        rest => format!("GMT{sign}{hours}:{rest:02}"),
    }
}

unsafe extern "system" fn sys_info(name: *const u8, length: usize, time: f64) -> *mut SysInfo {
    // SAFETY: the caller's text.
    let name = String::from_utf8_lossy(unsafe { std::slice::from_raw_parts(name, length) });
    let failed =
        SysInfo { error: SYSTEM_ERROR, begin: 0.0, end: 0.0, offset: 0, save: 0, abbreviation: std::ptr::null() };
    let info = named_periods(&name).map_or(failed, |periods| {
        let time = time as i64;
        let at = periods.partition_point(|period| period.begin <= time).saturating_sub(1);
        let period = periods[at];
        SysInfo {
            error: SUCCESS,
            begin: period.begin as f64,
            end: periods.get(at + 1).map_or(LAST, |next| next.begin) as f64,
            offset: period.offset * MINUTE as i32,
            save: period.save * MINUTE as i32,
            abbreviation: string(&abbreviation(&name, period.offset)),
        }
    });
    Box::into_raw(Box::new(info))
}

unsafe extern "system" fn delete_sys_info(info: *mut SysInfo) {
    if !info.is_null() {
        // SAFETY: it was made above.
        let info = unsafe { Box::from_raw(info) };
        // SAFETY: as above.
        unsafe { free(info.abbreviation) };
    }
}

/// The header knows all up to 2018; there have been none since.
unsafe extern "system" fn leap_seconds(known: usize, count: *mut usize) -> *mut c_void {
    // SAFETY: the caller's place.
    unsafe { count.write(known) };
    std::ptr::null_mut()
}
