//! Libraries that nobody added, but objects ask for (COFF `/defaultlib`), and those of the C runtime.

use std::path::Path;

use linkjit_executor::ObjectFormat;

use super::Batch;
use crate::error::{Error, Result};
use crate::jitdylib::JitDylib;
use crate::lookup::Goal;
use crate::platform::crt::Meaning;
use crate::platform::crt_startup;
use crate::session::DylibId;

impl Batch<'_> {
    /// Opens libraries that objects have asked for since, behind all others: an archive where libraries are searched,
    /// or else the DLL of that name. One that is neither is missed only if names are, unless it is the C runtime's.
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
        if self.query.goal == Goal::Find { Ok(()) } else { self.start_crt(&of) }
    }

    /// Has the C runtime started that was opened for a JITDylib, where its code can run. It is not if the batch fails.
    fn start_crt(&mut self, dylib: &JitDylib) -> Result<()> {
        if self.session.executor().object_format() != ObjectFormat::Coff {
            return Ok(());
        }
        let (is_installed, made) = {
            let state = self.session.state();
            (state.has_installed_crt(dylib.id()), state.crt_startup(dylib.id()))
        };
        let unit = match made {
            Some(unit) => unit,
            None if is_installed => {
                let graph = crt_startup::graph(&self.session.options().crt, &mut self.session.names())?;
                let unit = dylib.define_pulled(graph)?;
                self.session.state().dylib_mut(dylib.id())?.crt_startup = Some(unit);
                unit
            }
            None => return Ok(()),
        };
        if self.session.state().is_to_be_linked(unit) {
            self.adopt(unit)?;
        }
        Ok(())
    }
}
