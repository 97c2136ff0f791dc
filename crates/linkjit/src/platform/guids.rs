//! Identifiers of interfaces and classes that Microsoft's `uuid.lib` holds: code refers to them by name.

/// A line for each: its name, then its bytes in memory, in the order of the names' bytes. They are facts of the Windows SDK;
/// the list was made of MinGW-w64's, which is in the public domain.
const GUIDS: &str = include_str!("guids.txt");

/// The prefixes of their names.
const PREFIXES: [&[u8]; 11] = [
    b"IID_",
    b"CLSID_",
    b"DIID_",
    b"LIBID_",
    b"CATID_",
    b"FOLDERID_",
    b"FMTID_",
    b"BHID_",
    b"SID_",
    b"CGID_",
    b"GUID_",
];

/// The identifier of that name.
pub(super) fn find(name: &[u8]) -> Option<[u8; 16]> {
    if !PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return None;
    }
    let (mut first, mut end) = (0, GUIDS.len());
    while first < end {
        let middle = first + (end - first) / 2;
        let start = GUIDS[..middle].rfind('\n').map_or(0, |at| at + 1).max(first);
        let line = GUIDS[start..].lines().next()?;
        let (known, digits) = line.split_once(' ')?;
        match known.as_bytes().cmp(name) {
            std::cmp::Ordering::Equal => return Some(u128::from_str_radix(digits, 16).ok()?.to_be_bytes()),
            std::cmp::Ordering::Less => first = start + line.len() + 1,
            std::cmp::Ordering::Greater => end = start,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_found_and_nothing_else() {
        for line in GUIDS.lines() {
            let (name, digits) = line.split_once(' ').expect("two words");
            let number = u128::from_str_radix(digits, 16).expect("a number");
            assert_eq!((digits.len(), find(name.as_bytes())), (32, Some(number.to_be_bytes())), "{name}");
        }
        for other in ["IID_", "IID_IUnknow", "IID_IUnknownn", "GUID_NUL", "CLSID_", "SID_zzz", "IID_AAA", "other"] {
            assert_eq!(find(other.as_bytes()), None, "{other}");
        }
        let unknown = [0, 0, 0, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46];
        assert_eq!(find(b"IID_IUnknown"), Some(unknown));
    }
}
