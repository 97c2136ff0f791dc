//! Sources become objects: LLVM IR and bitcode in this process if LLVM's library is installed, all else by commands.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{IsTerminal, Read};
use std::path::Path;
use std::sync::{Mutex, OnceLock, mpsc};
use std::time::Duration;

use linkjit::executor::ObjectFormat;
use linkjit::llvm::{self, Llvm, Options};
use linkjit::{
    CachedCompiler, CompiledModule, Compiler, Error, IrCompiler, Language, ObjectCache, OptLevel, Result, SourceModule,
    SystemCompiler,
};
use linkjit_host::temporary::PrivateDirectory;
use linkjit_link::source::Source;

use crate::args::{Item, RunOptions};
use crate::one_liner;
use crate::progress::Progress;

/// The environment's cache: a directory, or "off".
const CACHE: &str = "LINKJIT_CACHE";

/// The name of the input that is read from standard input.
pub(crate) const STDIN: &str = "-";

/// Compiles for a format. LLVM's library is opened when IR is met, and its threads end with the compiler.
#[derive(Debug)]
pub(crate) struct SourceCompiler {
    format: ObjectFormat,
    /// The level that is asked for.
    optimization: Option<OptLevel>,
    is_lazy: bool,
    has_colors: bool,
    flags: Vec<OsString>,
    own_flags: Vec<OsString>,
    cache: Option<ObjectCache>,
    ir_compiler: OnceLock<std::result::Result<IrCompiler, llvm::Error>>,
}

impl SourceCompiler {
    /// Compiles without any flags.
    pub(crate) fn new(format: ObjectFormat) -> Self {
        Self {
            format,
            optimization: None,
            is_lazy: false,
            has_colors: false,
            flags: Vec::new(),
            own_flags: Vec::new(),
            cache: None,
            ir_compiler: OnceLock::new(),
        }
    }

    /// Compiles as the command line says.
    ///
    /// # Errors
    /// If the environment names a cache that can't be used.
    pub(crate) fn for_run(options: &RunOptions, format: ObjectFormat, is_json: bool) -> Result<Self> {
        let level = |flag: &OsString| flag.to_str()?.strip_prefix("-O").and_then(OptLevel::parse);
        Ok(Self {
            optimization: options.flags.iter().rev().find_map(level),
            is_lazy: options.lazy,
            has_colors: !is_json && std::env::var_os("NO_COLOR").is_none() && std::io::stderr().is_terminal(),
            flags: options.flags.clone(),
            own_flags: options.own_flags.clone(),
            cache: if options.no_cache { None } else { cache()? },
            ..Self::new(format)
        })
    }

    /// The module of an input; standard input is read now.
    fn module(&self, item: &Item) -> Result<Option<SourceModule>> {
        let (module, language) = match item {
            Item::Source { path, language } if path == Path::new(STDIN) => {
                let mut text = Vec::new();
                let read = std::io::stdin().lock().read_to_end(&mut text);
                read.map_err(|error| Error::File { path: path.clone(), message: error.to_string() })?;
                (SourceModule::text("<stdin>", text), *language)
            }
            Item::Source { path, language } => (SourceModule::file(path), *language),
            Item::Code { text, language } => {
                let language = language.unwrap_or_else(|| Language::from_content(text.as_bytes()));
                (SourceModule::text(one_liner::NAME, one_liner::program(text, language)), Some(language))
            }
            _ => return Ok(None),
        };
        let module = language.into_iter().fold(module, SourceModule::language);
        Ok(Some(self.with_options(module)))
    }

    fn with_options(&self, module: SourceModule) -> SourceModule {
        // Functions are linked one by one if they are sections of their own.
        let module = if self.is_lazy { module.with_sections() } else { module };
        let module = self.own_flags.iter().fold(module, SourceModule::own_flag);
        module
            .format(self.format)
            .optimize(self.optimization.unwrap_or_default())
            .with_colors(self.has_colors)
            .flags(&self.flags)
    }

    /// Compiles a file.
    pub(crate) fn compile_file(&self, path: &Path) -> Result<CompiledModule> {
        self.compile(&self.with_options(SourceModule::file(path)))
    }

    /// Compiles the sources among the inputs, several at a time. The results are in the order of the inputs.
    pub(crate) fn compile_all(&self, items: &[Item], progress: &mut Progress) -> VecDeque<Result<CompiledModule>> {
        let modules: Vec<_> = items.iter().filter_map(|item| self.module(item).transpose()).collect();
        let count = modules.len();
        // Sources in Fortran use the modules of those before them.
        let is_fortran = |module: &Result<SourceModule>| module.as_ref().is_ok_and(is_fortran);
        let (fortran, others): (Vec<_>, Vec<_>) =
            modules.into_iter().enumerate().partition(|(_, module)| is_fortran(module));
        let interfaces = if fortran.len() > 1 { PrivateDirectory::new().ok() } else { None };
        let with_interfaces = |module: SourceModule| match &interfaces {
            Some(directory) => module.flag("-J").flag(directory.path()),
            None => module,
        };
        let fortran: Vec<_> = fortran.into_iter().map(|(index, module)| (index, module.map(with_interfaces))).collect();
        let mut jobs: Vec<_> = others.into_iter().map(|other| vec![other]).chain([fortran]).collect();
        jobs.retain(|job| !job.is_empty());
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
        let queue = Mutex::new(jobs.into_iter());
        let (sender, receiver) = mpsc::channel();
        let mut compiled = std::thread::scope(|scope| {
            for _ in 0..workers {
                let (queue, sender) = (&queue, sender.clone());
                scope.spawn(move || {
                    // Nothing that is done under this lock can panic.
                    while let Some(job) = queue.lock().ok().and_then(|mut queue| queue.next()) {
                        for (index, module) in job {
                            let result = module.and_then(|module| self.compile(&module));
                            // The receiver lives longer than this thread.
                            let _received = sender.send((index, result));
                        }
                    }
                });
            }
            drop(sender);
            let mut compiled = Vec::with_capacity(count);
            loop {
                progress.tick("compiled", compiled.len(), count);
                match receiver.recv_timeout(Duration::from_millis(100)) {
                    Ok(result) => compiled.push(result),
                    Err(mpsc::RecvTimeoutError::Timeout) => {}
                    Err(mpsc::RecvTimeoutError::Disconnected) => return compiled,
                }
            }
        });
        compiled.sort_by_key(|(index, _)| *index);
        compiled.into_iter().map(|(_, result)| result).collect()
    }

    /// The compiler of LLVM IR, if there was any.
    pub(crate) fn used_for_ir(&self) -> Option<&IrCompiler> {
        self.ir_compiler.get().and_then(|compiler| compiler.as_ref().ok())
    }

    fn ir_compiler(&self) -> &std::result::Result<IrCompiler, llvm::Error> {
        self.ir_compiler.get_or_init(|| {
            let mut options = Options::default();
            options.optimization = self.optimization.unwrap_or_default();
            // As lli does.
            options.passes = self.optimization.is_none().then(|| IrCompiler::NO_OPTIMIZATION.to_owned());
            let compiler = IrCompiler::new(Llvm::open()?, options);
            Ok(self.cache.iter().cloned().fold(compiler, IrCompiler::with_cache))
        })
    }
}

impl Compiler for SourceCompiler {
    fn compile(&self, module: &SourceModule) -> Result<CompiledModule> {
        if module.known_language() != Some(Language::LlvmIr) {
            return match &self.cache {
                Some(cache) => CachedCompiler::new(SystemCompiler, cache.clone()).compile(module),
                None => SystemCompiler.compile(module),
            };
        }
        match self.ir_compiler() {
            // The session compiles it, function by function.
            Ok(_) if self.is_lazy => {
                Ok(CompiledModule::new(Source::new(module.name().to_string_lossy(), module.read()?.into_owned())))
            }
            Ok(compiler) => compiler.compile(module),
            Err(missing @ llvm::Error::NotFound { .. }) => {
                SystemCompiler.compile(module).map_err(|error| match error {
                    // Otherwise clang has said what is wrong with the source.
                    Error::NoCompiler { .. } => {
                        failure(module.name(), "clang", format!("it is not installed\n{missing}\n"))
                    }
                    error => error,
                })
            }
            // It is the one that the user has named.
            Err(error) => Err(failure(module.name(), "LLVM", error)),
        }
    }
}

/// The cache that the environment names, or the usual one if it can be used.
fn cache() -> Result<Option<ObjectCache>> {
    match std::env::var_os(CACHE).filter(|value| !value.is_empty()) {
        Some(value) if value == "off" => Ok(None),
        Some(directory) => ObjectCache::in_directory(directory, ObjectCache::DEFAULT_LIMIT).map(Some),
        None => {
            let directory = ObjectCache::default_directory();
            Ok(directory.and_then(|path| ObjectCache::in_directory(path, ObjectCache::DEFAULT_LIMIT).ok()))
        }
    }
}

fn is_fortran(module: &SourceModule) -> bool {
    matches!(module.known_language(), Some(Language::Fortran | Language::FixedFortran))
}

fn failure(source: &Path, compiler: &str, error: impl std::fmt::Display) -> Error {
    Error::Compile { file: source.into(), command: compiler.to_owned(), output: error.to_string() }
}
