//! Sources become objects: LLVM IR and bitcode in this process if LLVM's library is installed, all else by commands.

use std::env::consts::ARCH;
use std::path::Path;
use std::sync::OnceLock;

use linkjit::executor::ObjectFormat;
use linkjit::{Error, Result, TargetCompiler};
use linkjit_link::object;
use linkjit_link::source::Source;
use linkjit_llvm::{Llvm, Options};

/// Compiles for a format. LLVM's library is opened when IR is met, and its threads end with the compiler.
pub(crate) struct SourceCompiler {
    format: ObjectFormat,
    command: TargetCompiler,
    llvm: OnceLock<std::result::Result<Llvm, linkjit_llvm::Error>>,
}

impl SourceCompiler {
    pub(crate) fn new(format: ObjectFormat) -> Self {
        Self { format, command: TargetCompiler::new(format), llvm: OnceLock::new() }
    }

    /// Returns the object, and warnings.
    pub(crate) fn compile(&self, source: &Path) -> Result<(Source, String)> {
        if !source.extension().is_some_and(|extension| extension == "ll" || extension == "bc") {
            return self.command.compile_with_warnings(source);
        }
        match self.llvm.get_or_init(Llvm::open) {
            Ok(llvm) => self.compile_ir(llvm, source),
            Err(missing @ linkjit_llvm::Error::NotFound { .. }) => {
                let compiled = self.command.compile_with_warnings(source);
                compiled.map_err(|error| match error {
                    // Clang isn't there either; otherwise it has said what is wrong with the source.
                    Error::Compile { file, command, output } if output.starts_with("can't be started") => {
                        Error::Compile { file, command, output: format!("{}\n{missing}\n", output.trim_end()) }
                    }
                    error => error,
                })
            }
            // It is the one that the user has named.
            Err(error) => Err(failure(source, "LLVM", error)),
        }
    }

    fn compile_ir(&self, llvm: &Llvm, source: &Path) -> Result<(Source, String)> {
        let code = linkjit_host::file::read(source)
            .map_err(|error| Error::File { path: source.into(), message: error.to_string() })?;
        let compile = |options: &Options| {
            let compiled = llvm.compile(&source.to_string_lossy(), code.as_ref(), options);
            compiled.map_err(|error| failure(source, &format!("LLVM {}", llvm.version().0), error))
        };
        let mut compiled = compile(&Options::default())?;
        if object::format(&compiled.object) != Some(self.format) {
            // The module says that it is for another system, or nothing: clang overrides that, too.
            let mut options = Options::default();
            options.triple = Some(self.triple(llvm));
            compiled = compile(&options)?;
        }
        let warnings = compiled.warnings.iter().map(|warning| format!("{}: {warning}\n", source.display()));
        Ok((Source::new(source.to_string_lossy(), compiled.object), warnings.collect()))
    }

    /// The target whose objects have the format.
    fn triple(&self, llvm: &Llvm) -> String {
        match self.format {
            format if format == ObjectFormat::HOST => llvm.default_triple(),
            ObjectFormat::Coff => format!("{ARCH}-w64-windows-gnu"),
            ObjectFormat::Elf => format!("{ARCH}-linux-gnu"),
        }
    }
}

fn failure(source: &Path, compiler: &str, error: impl std::fmt::Display) -> Error {
    Error::Compile { file: source.into(), command: compiler.to_owned(), output: error.to_string() }
}
