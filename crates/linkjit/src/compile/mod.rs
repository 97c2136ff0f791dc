//! Compilers: from sources to objects.
//!
//! A [`SourceModule`] says what is to be compiled, and how. A [`Compiler`] makes an object of it: [`SystemCompiler`] runs
//! the compiler that is installed for the language. `drivers` knows these compilers and their command lines. A
//! [`CachedCompiler`] keeps what another compiler has made (`cache`).

mod cache;
mod command;
mod dependencies;
mod drivers;
mod fields;
mod ir;
mod language;
mod module;
pub(crate) mod runtime;
mod system;

pub use cache::{CacheKey, CachedCompiler, ObjectCache};
pub use ir::IrCompiler;
pub(crate) use ir::triple_of;
pub use language::Language;
pub use linkjit_llvm::OptLevel;
pub use module::{Code, SourceModule};
pub use system::SystemCompiler;

use std::fmt;
use std::path::PathBuf;

use linkjit_link::source::Source;

use crate::error::Result;

/// Turns modules into relocatable objects.
pub trait Compiler: fmt::Debug + Send + Sync {
    /// Compiles one module.
    ///
    /// # Errors
    /// If the compiler is missing, or rejects the module.
    fn compile(&self, module: &SourceModule) -> Result<CompiledModule>;

    /// Returns bytes that stand for all that decides about a module's object, except its name, its code and the files of
    /// [`CompiledModule::dependencies`]: the compiler and its version, flags, variables of the environment. A
    /// [`CachedCompiler`] asks for them. `None`, which is the default, if nobody can say: then nothing is cached.
    fn identity(&self, module: &SourceModule) -> Option<Vec<u8>> {
        let _unknown = module;
        None
    }
}

/// The result of compiling a module.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CompiledModule {
    /// The relocatable object; it has the module's name.
    pub object: Source,
    /// The messages of the compiler about a module that it accepts, each with its end of line.
    pub warnings: String,
    /// The shared libraries that code of the language needs, beside those that every program has: Rust's `std`, say.
    pub libraries: Vec<PathBuf>,
    /// The files that the compiler has read beside the module's own. `None` if the compiler doesn't say.
    pub dependencies: Option<Vec<PathBuf>>,
}

impl CompiledModule {
    /// An object about which there is nothing else to say.
    #[must_use]
    pub fn new(object: Source) -> Self {
        Self { object, warnings: String::new(), libraries: Vec::new(), dependencies: None }
    }
}
