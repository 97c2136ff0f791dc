//! Units for the most frequent cases.

use std::fmt;

use linkjit_executor::ExecAddr;

use super::{MaterializationResponsibility, MaterializationUnit, SymbolFlags, UnitInterface};
use crate::error::{Error, Result};
use crate::jitdylib::JitDylib;
use crate::session::WeakJitDylib;
use crate::symbol_name::SymbolName;

/// Names for addresses.
///
/// Beside [`JitDylib::define_absolute`], it defines all or none of its names, with flags.
///
/// ```
/// # fn main() -> linkjit::Result<()> {
/// use linkjit::{AbsoluteSymbols, ExecAddr, SymbolFlags};
///
/// static ANSWER: i32 = 42;
/// let jit = linkjit::Jit::host()?;
/// let address = ExecAddr::from_ptr(&raw const ANSWER);
/// jit.define(AbsoluteSymbols::new([("answer", address, SymbolFlags::DATA.weak())]))?;
/// assert_eq!(jit.lookup("answer")?, address);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct AbsoluteSymbols {
    symbols: Vec<(SymbolName, ExecAddr, SymbolFlags)>,
}

impl AbsoluteSymbols {
    /// These: name, address, flags.
    pub fn new<N: Into<SymbolName>>(symbols: impl IntoIterator<Item = (N, ExecAddr, SymbolFlags)>) -> Self {
        Self { symbols: symbols.into_iter().map(|(name, address, flags)| (name.into(), address, flags)).collect() }
    }
}

impl MaterializationUnit for AbsoluteSymbols {
    fn name(&self) -> String {
        "absolute symbols".into()
    }

    fn interface(&self) -> UnitInterface {
        UnitInterface::new(self.symbols.iter().map(|(name, _, flags)| (name.clone(), *flags)))
    }

    fn materialize(self: Box<Self>, mut responsibility: MaterializationResponsibility) {
        for (name, address, _) in &self.symbols {
            responsibility.define_absolute(name, *address);
        }
        // Whoever needs it is told.
        let _told = responsibility.complete();
    }

    fn outlives_executor(&self) -> bool {
        false
    }

    fn discard(&mut self, name: &SymbolName) {
        self.symbols.retain(|(other, ..)| other != name);
    }
}

/// Other names for names of a JITDylib.
///
/// Beside [`JitDylib::reexport`], it defines all or none of its names, with flags.
///
/// ```
/// # fn main() -> linkjit::Result<()> {
/// use linkjit::{SymbolAliases, SymbolFlags};
///
/// let jit = linkjit::Jit::host()?;
/// let aliases = SymbolAliases::new(jit.process(), [("magnitude", "abs", SymbolFlags::FUNCTION)]);
/// jit.define(aliases)?;
/// assert_eq!(jit.lookup("magnitude")?, jit.lookup("abs")?);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct SymbolAliases {
    from: WeakJitDylib,
    aliases: Vec<(SymbolName, SymbolName, SymbolFlags)>,
}

impl SymbolAliases {
    /// These: name, name in the link order of `from`, flags.
    pub fn new<N: Into<SymbolName>, T: Into<SymbolName>>(
        from: &JitDylib,
        aliases: impl IntoIterator<Item = (N, T, SymbolFlags)>,
    ) -> Self {
        let aliases = aliases.into_iter().map(|(name, target, flags)| (name.into(), target.into(), flags)).collect();
        Self { from: from.downgrade(), aliases }
    }
}

impl MaterializationUnit for SymbolAliases {
    fn name(&self) -> String {
        format!("aliases for symbols of '{}'", self.from.upgrade().map(|from| from.name()).unwrap_or_default())
    }

    fn interface(&self) -> UnitInterface {
        UnitInterface::new(self.aliases.iter().map(|(name, _, flags)| (name.clone(), *flags)))
    }

    fn materialize(self: Box<Self>, responsibility: MaterializationResponsibility) {
        responsibility.complete_with(|responsibility| {
            let from = self.from.upgrade().ok_or(Error::Closed)?;
            self.aliases.iter().try_for_each(|(name, target, _)| responsibility.define_alias(name, &from, target))
        });
    }

    fn discard(&mut self, name: &SymbolName) {
        self.aliases.retain(|(other, ..)| other != name);
    }
}

/// A unit that is a function: for compilers, mostly.
///
/// ```
/// # fn main() -> linkjit::Result<()> {
/// use linkjit::{ExecAddr, FunctionUnit, SymbolFlags, UnitInterface};
///
/// extern "C" fn answer() -> i32 {
///     42
/// }
/// let jit = linkjit::Jit::host()?;
/// let interface = UnitInterface::new([("answer", SymbolFlags::FUNCTION)]);
/// jit.define(FunctionUnit::new("the compiler", interface, |responsibility| {
///     // A compiler would `responsibility.add_object(..)?` here.
///     responsibility.define_absolute("answer", ExecAddr::from_ptr(answer as *const ()));
///     Ok(())
/// }))?;
/// // Nothing was compiled before this.
/// // SAFETY: its type.
/// let answer = unsafe { jit.lookup_fn::<unsafe extern "C" fn() -> i32>("answer")? };
/// // SAFETY: as above.
/// assert_eq!(unsafe { answer() }, 42);
/// # Ok(()) }
/// ```
pub struct FunctionUnit<F> {
    name: String,
    interface: UnitInterface,
    materialize: F,
}

impl<F> FunctionUnit<F>
where
    F: FnOnce(&mut MaterializationResponsibility) -> Result<()> + Send,
{
    /// Takes the name in messages, the promise, and the function that materializes the unit. If the function is content, the
    /// materialization is completed, else it fails with the function's error.
    pub fn new(name: impl Into<String>, interface: UnitInterface, materialize: F) -> Self {
        Self { name: name.into(), interface, materialize }
    }
}

impl<F> MaterializationUnit for FunctionUnit<F>
where
    F: FnOnce(&mut MaterializationResponsibility) -> Result<()> + Send,
{
    fn name(&self) -> String {
        self.name.clone()
    }

    fn interface(&self) -> UnitInterface {
        self.interface.clone()
    }

    fn materialize(self: Box<Self>, responsibility: MaterializationResponsibility) {
        responsibility.complete_with(self.materialize);
    }
}

impl<F> fmt::Debug for FunctionUnit<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionUnit").field("name", &self.name).finish_non_exhaustive()
    }
}
