//! The process as Linux shows it.

use std::ops::Range;

/// The mappings of the process: addresses and permissions.
pub(crate) fn mappings() -> Vec<(Range<u64>, String)> {
    let text = std::fs::read_to_string("/proc/self/maps").unwrap();
    text.lines()
        .map(|line| {
            let mut fields = line.split(' ');
            let (start, end) = fields.next().unwrap().split_once('-').unwrap();
            let number = |text| u64::from_str_radix(text, 16).unwrap();
            (number(start)..number(end), fields.next().unwrap().to_owned())
        })
        .collect()
}

/// Resident memory of the process in bytes.
pub(crate) fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// Open files of the process.
pub(crate) fn handles() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
