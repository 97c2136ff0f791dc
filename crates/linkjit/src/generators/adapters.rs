//! Generators made of other generators, of functions, and of JITDylibs.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::jitdylib::JitDylib;
use crate::session::{DefinitionGenerator, Wanted, WeakJitDylib};
use crate::symbol_name::SymbolName;

/// A generator that passes on what a condition holds for.
///
/// ```
/// # fn main() -> linkjit::Result<()> {
/// use std::sync::Arc;
/// use linkjit::{ExecAddr, FilteredGenerator, FunctionGenerator};
///
/// let all = FunctionGenerator::new("everything", |dylib, names| {
///     names.iter().try_for_each(|wanted| dylib.define_absolute(wanted.name, ExecAddr(4096)))
/// });
/// let jit = linkjit::Jit::host()?;
/// let public = FilteredGenerator::new(Arc::new(all), |wanted| !wanted.name.starts_with(b"_"));
/// jit.add_generator(Arc::new(public))?;
/// assert!(jit.lookup("public").is_ok());
/// assert!(jit.lookup("_private_name").is_err());
/// # Ok(()) }
/// ```
pub struct FilteredGenerator<F> {
    generator: Arc<dyn DefinitionGenerator>,
    passes: F,
}

impl<F: Fn(&Wanted<'_>) -> bool + Send + Sync> FilteredGenerator<F> {
    /// Asks `generator` for those names that `passes` is true for.
    pub fn new(generator: Arc<dyn DefinitionGenerator>, passes: F) -> Self {
        Self { generator, passes }
    }
}

impl<F: Fn(&Wanted<'_>) -> bool + Send + Sync> DefinitionGenerator for FilteredGenerator<F> {
    fn generate(&self, dylib: &JitDylib, names: &[Wanted<'_>]) -> Result<()> {
        let passed: Vec<_> = names.iter().filter(|wanted| (self.passes)(wanted)).copied().collect();
        if passed.is_empty() { Ok(()) } else { self.generator.generate(dylib, &passed) }
    }

    fn describe(&self) -> String {
        self.generator.describe()
    }
}

/// A generator that is a function.
///
/// ```
/// # fn main() -> linkjit::Result<()> {
/// use std::sync::Arc;
/// use linkjit::{ExecAddr, FunctionGenerator};
///
/// static VARIABLE: i32 = 42;
/// let variables = FunctionGenerator::new("my variables", |dylib, names| {
///     if names.iter().any(|wanted| wanted.name == b"variable") {
///         dylib.define_ptr("variable", &raw const VARIABLE)?;
///     }
///     Ok(())
/// });
/// let jit = linkjit::Jit::host()?;
/// jit.add_generator(Arc::new(variables))?;
/// assert_eq!(jit.lookup("variable")?, ExecAddr::from_ptr(&VARIABLE));
/// # Ok(()) }
/// ```
pub struct FunctionGenerator<F> {
    name: String,
    generate: F,
}

impl<F: Fn(&JitDylib, &[Wanted<'_>]) -> Result<()> + Send + Sync> FunctionGenerator<F> {
    /// Takes the name in messages, and a function that is called when the generator is asked: see [`DefinitionGenerator::generate`].
    pub fn new(name: impl Into<String>, generate: F) -> Self {
        Self { name: name.into(), generate }
    }
}

impl<F: Fn(&JitDylib, &[Wanted<'_>]) -> Result<()> + Send + Sync> DefinitionGenerator for FunctionGenerator<F> {
    fn generate(&self, dylib: &JitDylib, names: &[Wanted<'_>]) -> Result<()> {
        (self.generate)(dylib, names)
    }

    fn describe(&self) -> String {
        self.name.clone()
    }
}

/// A generator of aliases: names of another JITDylib, under the same or other names.
///
/// Unlike a JITDylib in the link order, it shows only what it is told to, and what it has shown is the JITDylib's own from
/// then on: others that link against that find it there.
///
/// ```
/// # fn main() -> linkjit::Result<()> {
/// use std::sync::Arc;
/// use linkjit::ReexportsGenerator;
///
/// let jit = linkjit::Jit::host()?;
/// let sandbox = jit.session().create_dylib("sandbox")?;
/// // `my_abs` here is `abs` there, and there is nothing else.
/// let renamed = |name: &[u8]| name.strip_prefix(b"my_").map(Into::into);
/// sandbox.add_generator(Arc::new(ReexportsGenerator::new(jit.process(), renamed)))?;
/// assert_eq!(sandbox.link(&["my_abs"])?, jit.process().link(&["abs"])?);
/// assert!(sandbox.link(&["abs"]).is_err());
/// # Ok(()) }
/// ```
pub struct ReexportsGenerator<F> {
    from: WeakJitDylib,
    source: F,
}

impl<F: Fn(&[u8]) -> Option<SymbolName> + Send + Sync> ReexportsGenerator<F> {
    /// For each wanted name, `source` tells the name in `from`; `None`: it is not re-exported.
    pub fn new(from: &JitDylib, source: F) -> Self {
        Self { from: from.downgrade(), source }
    }
}

impl<F: Fn(&[u8]) -> Option<SymbolName> + Send + Sync> DefinitionGenerator for ReexportsGenerator<F> {
    fn generate(&self, dylib: &JitDylib, names: &[Wanted<'_>]) -> Result<()> {
        let from = self.from.upgrade().ok_or(Error::Closed)?;
        let targets = names.iter().filter_map(|wanted| Some(((self.source)(wanted.name)?, *wanted)));
        let targets: Vec<_> = targets.collect();
        // What is not defined there may be defined by a generator after this one.
        let defined = from.find_targets(&targets)?;
        for ((target, wanted), _) in targets.iter().zip(defined).filter(|(_, defined)| *defined) {
            dylib.reexport(wanted.name, &from, target)?;
        }
        Ok(())
    }

    fn describe(&self) -> String {
        format!("re-exports of JITDylib '{}'", self.from.upgrade().map(|from| from.name()).unwrap_or_default())
    }
}

impl<F> fmt::Debug for FilteredGenerator<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilteredGenerator").field("generator", &self.generator).finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for FunctionGenerator<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionGenerator").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for ReexportsGenerator<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReexportsGenerator").field("from", &self.from).finish_non_exhaustive()
    }
}
