//! The interface through which a session asks its platform to do what the system's linker, loader and C runtime would
//! have done for objects of its format.

use std::fmt::Debug;
use std::path::PathBuf;

use linkjit_executor::{ExecAddr, MainForm};
use linkjit_link::graph::LinkGraph;
use linkjit_link::names::NamePool;

use super::{ExecutionSession, InitializerRun, ObjectId};
use crate::crt::CrtProvider;
use crate::error::Result;
use crate::jitdylib::JitDylib;

/// The name of a JITDylib's handle, which tells one shared object's `atexit` functions from another's.
pub(crate) const DSO_HANDLE: &[u8] = b"__dso_handle";

/// A platform. It is asked at most once for each object, and not at all for symbols and edges: what depends on a name
/// is a function that is asked for beforehand.
pub(crate) trait Platform: Debug + Send + Sync {
    /// Says whether a JITDylib is an image: one window, since offsets from its base are numbers of 32 bits.
    fn has_images(&self) -> bool {
        false
    }

    /// Says whether archives may be import libraries, whose members say what DLLs have.
    fn has_import_libraries(&self) -> bool {
        false
    }

    /// Says whether the loader makes inline functions and variables one in the whole process.
    fn shares_vague_linkage(&self) -> bool {
        false
    }

    /// Defines what is particular to a new JITDylib. Whatever the user defines takes precedence.
    fn set_up(&self, dylib: &JitDylib) -> Result<()>;

    /// Changes an object before its definitions are entered.
    fn on_object(&self, graph: &mut LinkGraph, names: &NamePool);

    /// Changes an object that was pulled from an archive, before that.
    fn on_member(&self, _graph: &mut LinkGraph, _crt: &CrtProvider, _names: &NamePool) {}

    /// Tells names that archives are never searched for.
    fn is_never_in_archives(&self) -> fn(&[u8]) -> bool;

    /// Tells names that shared libraries are never searched for.
    fn is_never_in_libraries(&self) -> fn(&[u8]) -> bool {
        |_| false
    }

    /// Adds generators to a JITDylib that stands for the process: its libraries, and those that compilers link with
    /// without being told.
    fn add_process_generators(&self, process: &JitDylib) -> Result<()>;

    /// The file that an object or archive means by the name of a library.
    fn find_library(&self, name: &str, directories: &[PathBuf]) -> Option<PathBuf>;

    /// Finds what the session has for a library that linked code opens, given the bytes of its file.
    fn provide(&self, _session: &ExecutionSession, _library: &[u8]) -> Vec<(Vec<u8>, ExecAddr)> {
        Vec::new()
    }

    /// Opens libraries, behind all others, that objects of a JITDylib have asked for since the last time.
    fn open_default_libraries(&self, dylib: &JitDylib) -> Result<()>;

    /// The object that starts the C runtime that was opened for a JITDylib, if one was: made now, if it was not.
    fn crt_startup(&self, _dylib: &JitDylib) -> Result<Option<ObjectId>> {
        Ok(None)
    }

    /// Puts initializers, which are sorted by their order and in link order, into the order in which they run.
    fn order_initializers(&self, _runs: &mut [InitializerRun]) {}

    /// Returns whether linked code that opens a library of this name means a JITDylib.
    fn is_library_of(&self, name: &str, dylib: &str) -> bool {
        name == dylib
    }

    /// Returns whether a shared object that is closed runs its terminators before what it has registered with `atexit`, unlike a
    /// program that ends.
    fn terminates_before_exit_functions(&self) -> bool {
        false
    }

    /// The functions that programs define as their beginning, the most usual first, if they do not say where they begin.
    fn usual_entries(&self) -> &'static [&'static str] {
        &[]
    }

    /// The way in which a program's `main` of this name is called.
    fn main_form(&self, _entry: &str) -> MainForm {
        MainForm::Main
    }
}
