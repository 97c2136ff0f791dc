//! LLVM IR and bitcode to objects, in this process, by an LLVM that is found when the program runs: building this crate
//! takes no LLVM, and one program works with LLVM 17 and later.
//!
//! ```no_run
//! # fn main() -> Result<(), linkjit_llvm::Error> {
//! let llvm = linkjit_llvm::Llvm::open()?;
//! let text = b"define i32 @answer() { ret i32 42 }";
//! let compiled = llvm.compile("answer.ll", text, &linkjit_llvm::Options::default())?;
//! // `compiled.object` is what `clang -c -O2 -fPIC` would have written.
//! # Ok(()) }
//! ```
//!
//! The way of the data: `find` lists the libraries that may be there, and `ffi` opens one and looks up the functions of
//! LLVM's C API. A call of [`Llvm::compile`] checks the input (`input`), copies it into a buffer of LLVM, and hands it to
//! a thread of its own (`workers`), which has target machines from earlier calls. There `compile` parses, verifies,
//! optimizes, gives each function and variable a section (`sections`), and makes the object. A context lives as long as
//! a call.
//!
//! The threads are there for errors that LLVM means to end the process with (`report_fatal_error`): the thread that
//! meets one reports it and sleeps forever, since LLVM can't be unwound, and the caller gets [`Error::Fatal`]. They also
//! have large stacks, which LLVM's recursions need. LLVM's own bugs remain: an LLVM that crashes takes the process along.
//! Invalid IR doesn't make it crash, since it is verified; LLVM's reader of bitcode is less careful.
//!
//! When the process ends, it waits for what is being compiled (`exit`).
//!
//! All unsafe code is in `ffi`, behind types that own what they point to.

mod compile;
mod error;
mod exit;
mod ffi;
mod find;
mod input;
mod options;
mod sections;
mod workers;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use error::Error;
pub use options::{CodeModel, OptLevel, Options, RelocModel};

use ffi::{Library, MemoryBuffer};
use workers::Workers;

/// LLVM's library, opened. A clone stands for the same one; all methods may be called by many threads at once.
#[derive(Clone)]
pub struct Llvm {
    shared: Arc<Shared>,
}

struct Shared {
    library: &'static Library,
    path: PathBuf,
    workers: Workers,
}

/// The result of compiling a module.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compiled {
    /// The relocatable object.
    pub object: Vec<u8>,
    /// LLVM's warnings about a module that it accepts.
    pub warnings: Vec<String>,
}

impl Llvm {
    /// Opens the library that the environment's `LINKJIT_LLVM` names, or else the newest one that is installed, of
    /// LLVM 17 to 23.
    ///
    /// # Errors
    /// If the library is missing, or can't be used.
    pub fn open() -> Result<Self, Error> {
        if let Some(path) = std::env::var_os(find::VARIABLE).filter(|path| !path.is_empty()) {
            return Self::open_path(path);
        }
        let mut refused = Vec::new();
        for path in find::installed() {
            match Self::open_path(&path) {
                Ok(llvm) => return Ok(llvm),
                Err(error) => refused.push(error.to_string()),
            }
        }
        Err(Error::NotFound { refused })
    }

    /// Opens a library. Several may be open at once. A library that was opened stays in the process.
    ///
    /// # Errors
    /// If there is no such library, or it isn't an LLVM that this crate can use.
    pub fn open_path(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let library = Library::open(&path)?;
        Ok(Self { shared: Arc::new(Shared { library, path, workers: Workers::new(library) }) })
    }

    /// The libraries that [`Llvm::open`] would try, the first one first, if the environment names none.
    #[must_use]
    pub fn installed() -> Vec<PathBuf> {
        find::installed()
    }

    /// The library's own version: major, minor, patch.
    #[must_use]
    pub fn version(&self) -> (u32, u32, u32) {
        self.shared.library.version()
    }

    /// The path that the library was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// The triple that LLVM compiles for if neither IR nor options name one.
    #[must_use]
    pub fn default_triple(&self) -> String {
        self.shared.library.default_triple()
    }

    /// Compiles a module, given as IR text or bitcode; the content decides. Errors call it `name`.
    ///
    /// # Errors
    /// If the IR is malformed or invalid, or LLVM can't make code of it. The messages are LLVM's, with lines and carets
    /// where it gives them.
    pub fn compile(&self, name: &str, code: &[u8], options: &Options) -> Result<Compiled, Error> {
        let buffer = self.buffer(name, code)?;
        let (name, options, library) = (name.to_owned(), options.clone(), self.shared.library);
        self.shared
            .workers
            .run(&name.clone(), move |machines| compile::object(library, machines, &name, buffer, &options))
    }

    /// Returns the text of a module, given as text or bitcode.
    ///
    /// # Errors
    /// If the IR is malformed.
    pub fn text(&self, name: &str, code: &[u8]) -> Result<String, Error> {
        let buffer = self.buffer(name, code)?;
        let library = self.shared.library;
        self.shared.workers.run(name, move |_| compile::text(library, buffer))
    }

    fn buffer(&self, name: &str, code: &[u8]) -> Result<MemoryBuffer, Error> {
        input::check(name, code)?;
        Ok(MemoryBuffer::new(self.shared.library, &ffi::c_string(name), code))
    }
}

impl fmt::Debug for Llvm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Llvm").field("path", &self.path()).field("version", &self.version()).finish_non_exhaustive()
    }
}
