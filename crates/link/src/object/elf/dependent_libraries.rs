//! Libraries that an object asks for, with `#pragma comment(lib, "name")` in its source (LLVM's "Extensions", section
//! "SHT_LLVM_DEPENDENT_LIBRARIES").

use object::elf::SectionType;

use super::file::File;
use crate::error::Result;
use crate::graph::{LinkGraph, Request};

/// The type of such sections: names, each ended by NUL.
const SHT_LLVM_DEPENDENT_LIBRARIES: SectionType = SectionType(0x6fff_4c04);

/// Adds a request for each library.
pub(super) fn read(file: &File<'_>, graph: &mut LinkGraph) -> Result<()> {
    for section in file.sections.iter().filter(|section| section.kind == SHT_LLVM_DEPENDENT_LIBRARIES) {
        let Some(names) = section.data.strip_suffix(b"\0") else {
            if section.data.is_empty() {
                continue;
            }
            return Err(file.malformed_section(section, "list of dependent libraries: its last name has no end"));
        };
        for name in names.split(|&byte| byte == 0) {
            graph.requests.push(Request::DependentLibrary(String::from_utf8_lossy(name).into_owned()));
        }
    }
    Ok(())
}
