//! Compilers: sources to objects.

mod ir;
pub(crate) mod runtime;
mod system;

pub use ir::IrCompiler;
pub(crate) use ir::triple_of;
pub use system::{SystemCompiler, TargetCompiler};

use std::fmt;
use std::path::Path;

use linkjit_link::source::Source;

use crate::error::Result;

/// Turns a source file into a relocatable object.
pub trait Compiler: fmt::Debug + Send + Sync {
    /// Compiles one file.
    ///
    /// # Errors
    /// If the compiler is missing, or rejects the file.
    fn compile(&self, source: &Path) -> Result<Source>;
}
