//! Any bytes, read as an archive: its members and its index can be walked, or there is an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use linkjit_link::object::archive::{Archive, ArchiveIndex, MemberContent};
use linkjit_link::object::import::Import;
use linkjit_link::source::Source;

fuzz_target!(|bytes: &[u8]| {
    let Ok(archive) = Archive::parse(Source::new("fuzz.a", bytes.to_vec())) else { return };
    for member in archive.members() {
        match member {
            Ok(member) => {
                if let MemberContent::Inline(source) = member.content {
                    _ = Import::parse(&source);
                }
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    let mut names = Vec::new();
    for symbol in archive.symbols() {
        match symbol {
            Ok(symbol) => {
                _ = archive.member_at(symbol.member);
                names.push(symbol.name.to_vec());
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    let mut index = ArchiveIndex::new();
    if index.add(archive).is_ok() {
        assert!(names.iter().all(|name| index.find(name).is_some()), "the merged index has lost a name");
    }
});
