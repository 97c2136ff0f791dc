//! The C runtime of Windows that linked code gets.

use std::ffi::OsString;

use linkjit::CrtProvider;

use crate::args::Crt;

/// The runtime that is asked for. What MinGW's compilers have compiled needs the runtime that these have the headers of,
/// if they are there.
pub(crate) fn provider(asked_for: Option<&Crt>, needs_mingw: bool) -> linkjit::Result<CrtProvider> {
    match asked_for {
        None if needs_mingw => CrtProvider::of_mingw_compiler(),
        None | Some(Crt::BuiltIn) => Ok(CrtProvider::built_in()),
        Some(Crt::VisualStudio) => CrtProvider::visual_studio(),
        Some(Crt::Xwin(directory)) => CrtProvider::xwin(directory),
        Some(Crt::MinGw(directory)) => CrtProvider::mingw(directory),
    }
}

/// Flags that have clang find the headers of the runtime that is asked for, after its own.
pub(crate) fn header_flags(asked_for: Option<&Crt>) -> linkjit::Result<Vec<OsString>> {
    let Some(Crt::Xwin(directory)) = asked_for else { return Ok(Vec::new()) };
    let provider = CrtProvider::xwin(directory)?;
    Ok(provider.header_directories().iter().flat_map(|directory| ["-idirafter".into(), directory.into()]).collect())
}
