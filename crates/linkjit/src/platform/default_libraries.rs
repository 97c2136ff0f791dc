//! Libraries that COFF objects ask for (`/defaultlib`), and the C runtime that the objects get.

use std::path::Path;

use crate::crt::{self, Meaning, RUNTIME_KEY};
use crate::error::{Error, Result};
use crate::jitdylib::JitDylib;
use crate::session::{DylibId, ObjectId, State, read_file};

/// Opens the libraries that objects of a JITDylib have asked for since the last time: an archive where libraries are
/// searched, or else the DLL of that name. One that is neither is missed only if names are, unless it is the runtime's.
pub(super) fn open(dylib: &JitDylib) -> Result<()> {
    let options = dylib.session().options();
    let wanted = {
        let mut state = dylib.session().state();
        let wanted = state.default_libraries(dylib.id())?;
        if !wanted.is_empty() && options.crt.is_from_microsoft() {
            check_flavours(&state, dylib.id())?;
        }
        wanted
    };
    for name in wanted {
        let meaning = options.crt.meaning(&name);
        if meaning != Meaning::Nothing {
            let directories = &options.library_paths;
            let users = directories.iter().map(|directory| directory.join(&name)).find(|path| path.is_file());
            match users.or_else(|| options.crt.find(&name)) {
                Some(path) => dylib.add_archive_source(read_file(&path)?)?,
                None if meaning == Meaning::Runtime => {
                    let searched = directories.iter().chain(options.crt.directories()).cloned().collect();
                    return Err(Error::NoRuntime { library: name, searched });
                }
                None => _ = dylib.open_library(&Path::new(&name).with_extension("dll")),
            }
        }
        dylib.session().state().opened_default_library(dylib.id(), &name);
    }
    Ok(())
}

/// Checks that the libraries that objects ask for are for one runtime.
fn check_flavours(state: &State, dylib: DylibId) -> Result<()> {
    let asked = state.dylib(dylib)?.default_libraries_asked_for();
    let mut flavoured: Vec<_> =
        asked.filter_map(|(library, object)| Some((object, library, crt::flavour(library)?))).collect();
    flavoured.sort_unstable();
    let Some(first) = flavoured.first() else { return Ok(()) };
    let Some(second) = flavoured.iter().find(|second| second.2 != first.2) else { return Ok(()) };
    let describe = |(object, library, flavour): &(ObjectId, &str, &str)| {
        format!("{library} ({flavour}) in {}", state.object_name(*object))
    };
    Err(Error::Mismatch { key: RUNTIME_KEY.into(), first: describe(first), second: describe(second) })
}

/// Says whether the C runtime of an installation was opened for a JITDylib.
pub(super) fn has_installed_crt(dylib: &JitDylib) -> bool {
    let (session, state) = (dylib.session(), dylib.session().state());
    state.dylib(dylib.id()).is_ok_and(|table| table.has_opened(|library| session.options().crt.has_startup(library)))
}

/// Says whether that is Microsoft's, which has the pieces that each image needs of its own.
pub(super) fn has_microsofts_crt(dylib: &JitDylib) -> bool {
    dylib.session().options().crt.is_from_microsoft() && has_installed_crt(dylib)
}
