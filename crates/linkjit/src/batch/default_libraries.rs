//! Libraries that nobody added, but objects ask for (COFF `/defaultlib`), and those of the C runtime.

use std::path::Path;

use super::Batch;
use crate::error::{Error, Result};
use crate::jitdylib::JitDylib;
use crate::platform::crt::Meaning;
use crate::session::DylibId;

impl Batch<'_> {
    /// Opens libraries that objects have asked for since, behind all others: an archive where libraries are searched, or else
    /// the DLL of that name. One that is neither is missed only if names are, unless it is the C runtime's.
    pub(super) fn open_default_libraries(&mut self, dylib: DylibId) -> Result<()> {
        let libraries = self.session.state().default_libraries(dylib)?;
        let of = JitDylib::new(self.session.clone(), dylib);
        for name in libraries {
            let options = self.session.options();
            let meaning = options.crt.meaning(&name);
            if meaning != Meaning::Nothing {
                let directories = &options.library_paths;
                let of_user = directories.iter().map(|directory| directory.join(&name)).find(|path| path.is_file());
                match of_user.or_else(|| options.crt.find(&name)) {
                    Some(path) => of.add_archive(path)?,
                    None if meaning == Meaning::Runtime => {
                        let searched = directories.iter().chain(options.crt.directories()).cloned().collect();
                        return Err(Error::NoRuntime { library: name, searched });
                    }
                    None => _ = of.add_library(Path::new(&name).with_extension("dll")),
                }
            }
            self.session.state().opened_default_library(dylib, &name);
        }
        Ok(())
    }
}
