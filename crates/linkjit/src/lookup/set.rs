//! The set of names that a lookup asks for.

use linkjit_executor::ExecAddr;

use crate::batch::{Goal, Query, Unfound};
use crate::error::Result;
use crate::jitdylib::JitDylib;
use crate::session::{Address, ExecutionSession, LookupKind};
use crate::symbol_name::SymbolName;

/// Names to be looked up together.
///
/// ```
/// # fn main() -> linkjit::Result<()> {
/// use linkjit::SymbolLookupSet;
///
/// let jit = linkjit::Jit::host()?;
/// let set = SymbolLookupSet::new(["abs"]).weak(["there_is_no_such_function"]);
/// let found = jit.lookup_set(&set)?;
/// assert!(found[0].is_some());
/// assert_eq!(found[1], None);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct SymbolLookupSet {
    names: Vec<(SymbolName, bool)>,
    kind: LookupKind,
    goal: Goal,
}

impl SymbolLookupSet {
    /// These names; it is an error if one of them is missing.
    pub fn new<N: Into<SymbolName>>(required: impl IntoIterator<Item = N>) -> Self {
        let names = required.into_iter().map(|name| (name.into(), false)).collect();
        Self { names, ..Self::default() }
    }

    /// These names, too, which may be missing. As for weak references, no member of an archive is pulled for them
    /// alone.
    #[must_use]
    pub fn weak<N: Into<SymbolName>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.names.extend(names.into_iter().map(|name| (name.into(), true)));
        self
    }

    /// On whose behalf.
    #[must_use]
    pub fn kind(self, kind: LookupKind) -> Self {
        Self { kind, ..self }
    }

    /// Links what [`JitDylib::initialize`] will run, too.
    #[must_use]
    pub fn with_initializers(self) -> Self {
        Self { goal: Goal::LinkWithAllInitializers, ..self }
    }

    /// The lookup of it. Of several occurrences of a name the one that requires it counts.
    pub(super) fn query(&self, dylib: &JitDylib) -> Query {
        let in_use = dylib.session().use_names();
        let mut pool = dylib.session().names();
        let mut names: Vec<_> = self
            .names
            .iter()
            .map(|(name, weak)| Unfound { weak: *weak, kind: self.kind, ..Unfound::required(pool.intern(name)) })
            .collect();
        let mut required: Vec<_> = names.iter().filter(|unfound| !unfound.weak).map(|unfound| unfound.name).collect();
        required.sort_unstable();
        for name in &mut names {
            name.weak &= required.binary_search(&name.name).is_err();
        }
        Query { _names_in_use: Some(in_use), ..Query::new(dylib.id(), names, self.goal) }
    }

    /// Turns what was found into addresses, which the host gets.
    pub(super) fn addresses(
        &self,
        session: &ExecutionSession,
        found: Vec<Option<Address>>,
    ) -> Result<Vec<Option<ExecAddr>>> {
        session.state().keep_definers_open(found.iter().copied().flatten());
        let named = found.into_iter().zip(&self.names);
        named.map(|(found, (name, _))| found.map(|address| address.plain(name)).transpose()).collect()
    }
}
