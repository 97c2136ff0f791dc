//! Identifiers of interfaces and classes, and property keys, that Microsoft's `uuid.lib` holds. Code refers to them by
//! name.

/// A line for each: its name, then its bytes in memory, in the order of the names' bytes. They are facts of the Windows
/// SDK; the list was made of MinGW-w64's, which is in the public domain.
const GUIDS: &str = include_str!("guids.txt");

/// The identifier of that name: 16 bytes, or 20 for a property's.
pub(super) fn find(name: &[u8]) -> Option<Vec<u8>> {
    let (mut first, mut end) = (0, GUIDS.len());
    while first < end {
        let middle = first + (end - first) / 2;
        let start = GUIDS[..middle].rfind('\n').map_or(0, |at| at + 1).max(first);
        let line = GUIDS[start..].lines().next()?;
        let (known, digits) = line.split_once(' ')?;
        match known.as_bytes().cmp(name) {
            std::cmp::Ordering::Equal => return bytes(digits),
            std::cmp::Ordering::Less => first = start + line.len() + 1,
            std::cmp::Ordering::Greater => end = start,
        }
    }
    None
}

/// The bytes of which these are the digits.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.as_bytes().as_chunks().0.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_found_and_nothing_else() {
        for line in GUIDS.lines() {
            let (name, digits) = line.split_once(' ').expect("two words");
            let found = find(name.as_bytes()).expect(name);
            assert_eq!(found.len(), if name.starts_with("PKEY_") { 20 } else { 16 }, "{name}");
            assert_eq!(found.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), digits, "{name}");
        }
        for other in ["IID_", "IID_IUnknow", "IID_IUnknownn", "GUID_NUL", "CLSID_", "SID_zzz", "IID_AAA", "other"] {
            assert_eq!(find(other.as_bytes()), None, "{other}");
        }
        let unknown = [0, 0, 0, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46];
        assert_eq!(find(b"IID_IUnknown").as_deref(), Some(&unknown[..]));
    }
}
