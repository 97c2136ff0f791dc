//! Listing the definitions of a JITDylib, and finding the function or variable at an address. The tables have all
//! answers, so nothing is kept beside them.

use linkjit_executor::{ExecAddr, ExecRange};
use linkjit_link::graph::{Definition, LinkGraph};
use linkjit_link::names::NamePool;

use super::{Address, DefinedBy, DylibState, ExecutionSession, ObjectId, SymbolFlags};
use crate::error::Result;
use crate::jitdylib::JitDylib;
use crate::symbol_name::SymbolName;

/// The prefix of names that linkjit itself makes up.
const OWN: &[u8] = b"$__";
/// Those of functions whose own names are stubs', with the number of the JITDylib behind it.
pub(crate) const IMPLEMENTATION: &str = "$__IMPL.";

/// A name that a JITDylib defines: see [`JitDylib::symbols`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DefinedSymbol {
    /// The name.
    pub name: SymbolName,
    /// Its flags: who sees it, how it competes. Whether it is a function is known only of objects of which a part is yet to be
    /// linked, and of units that are yet to be materialized.
    pub flags: SymbolFlags,
    /// Its address, if it is linked. A thread-local variable has no one address.
    pub address: Option<ExecAddr>,
    /// The file or member that it is from; empty if it is from none.
    pub object: String,
}

/// The function or variable at an address: see [`ExecutionSession::symbolize`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SymbolAt {
    /// The function or variable that begins there or, of those that are known, next before it.
    pub name: SymbolName,
    /// The distance of the address from its beginning.
    pub offset: u64,
    /// The file or member that it is from; of stubs, what they are for.
    pub object: String,
    /// The name of its JITDylib.
    pub dylib: String,
}

/// The best answer so far.
struct Nearest {
    segment: ExecRange,
    wanted: ExecAddr,
    found: Option<(ExecAddr, Vec<u8>, ObjectId)>,
}

impl JitDylib {
    /// Lists what it defines, by name. Not listed is what it has found in libraries, what archives and generators would define,
    /// and what the platform adds to each JITDylib (`atexit`, `__dso_handle`).
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// use linkjit::ExecAddr;
    ///
    /// let jit = linkjit::Jit::host()?;
    /// let plugin = jit.create_dylib("plugin")?;
    /// plugin.define_absolute("b", ExecAddr(4096))?;
    /// plugin.define_alias("a", "b")?;
    /// let names = |symbols: Vec<linkjit::DefinedSymbol>| symbols.into_iter().map(|symbol| (symbol.name.text().into_owned(), symbol.address));
    /// // An alias has an address once it is looked up.
    /// assert_eq!(names(plugin.symbols()?).collect::<Vec<_>>(), [("a".into(), None), ("b".into(), Some(ExecAddr(4096)))]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If the JITDylib is closed.
    pub fn symbols(&self) -> Result<Vec<DefinedSymbol>> {
        let names = self.session().names();
        let state = self.session().state();
        let dylib = state.dylib(self.id())?;
        // The platform has a tracker of its own.
        let is_users = |by: DefinedBy| match by {
            DefinedBy::Found => false,
            DefinedBy::Object(object, _) => {
                state.objects.get(&object).is_none_or(|object| object.tracker != dylib.platform_tracker())
            }
            _ => true,
        };
        let table = dylib.symbols.iter().filter(|(_, entry)| is_users(entry.by));
        let mut symbols: Vec<_> = table
            .filter(|(name, _)| !names.bytes(**name).starts_with(OWN))
            .map(|(&name, entry)| DefinedSymbol {
                name: names.bytes(name).into(),
                flags: state.flags(name, entry),
                address: entry.plain_address(),
                object: entry.by.object().map_or_else(String::new, |object| state.object_name(object)),
            })
            .collect();
        symbols.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(symbols)
    }
}

impl ExecutionSession {
    /// The function or variable of linked code at an address, or that which the address is in.
    ///
    /// It is found among the names that JITDylibs define, and among all symbols of objects of which a part is yet to be
    /// linked. So a local function of an object that is linked whole is taken for the one before it, and the end of a
    /// function is not known. It takes as long as there are symbols in the JITDylib.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("linkjit-doc-symbolize-{}.c", std::process::id()));
    /// # std::fs::write(&path, "int table[10]; int get(int i) { return table[i]; }").unwrap();
    /// let jit = linkjit::Jit::host()?;
    /// jit.add_source_file(&path)?;
    /// # std::fs::remove_file(&path).unwrap();
    /// let get = jit.lookup("get")?;
    /// let found = jit.session().symbolize(get.offset(3)).unwrap();
    /// assert_eq!((found.name.text().as_ref(), found.offset, found.dylib.as_str()), ("get", 3, "main"));
    /// // `abs` is no linked code.
    /// assert!(jit.session().symbolize(jit.lookup("abs")?).is_none());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn symbolize(&self, address: ExecAddr) -> Option<SymbolAt> {
        let names = self.names();
        let state = self.state();
        let allocation = state.allocations.get(state.allocations.at(address)?)?;
        let segment = allocation.segments.iter().copied().find(|segment| segment.contains(address))?;
        let dylib = state.dylib(allocation.dylib).ok()?;
        let mut nearest = Nearest { segment, wanted: address, found: None };
        nearest.search_table(dylib, &names);
        for id in &dylib.objects {
            if let Some(input) = state.objects.get(id).and_then(|object| object.input.as_ref()) {
                nearest.search_graph(*id, &input.graph, &names);
            }
        }
        let (start, name, object) = nearest.found?;
        let object = state.object_name(object);
        let offset = address.distance_from(start).cast_unsigned();
        Some(SymbolAt { name: own_name(&name).into(), offset, object, dylib: dylib.name.clone() })
    }
}

impl Nearest {
    fn search_table(&mut self, dylib: &DylibState, names: &NamePool) {
        for (&name, entry) in &dylib.symbols {
            if let (Some(Address::At(start)), Some(object)) = (entry.address, entry.by.object()) {
                self.offer(start, names.bytes(name), object);
            }
        }
    }

    fn search_graph(&mut self, object: ObjectId, graph: &LinkGraph, names: &NamePool) {
        for id in graph.symbol_ids() {
            let Definition::Defined { block, offset } = graph.symbol(id).definition else { continue };
            let block = graph.block(block);
            let name = graph.symbol_name(names, id);
            // Those of sections are not what people know.
            let is_section = name == graph.section(block.section).name.as_bytes();
            if block.placed && !name.is_empty() && !is_section {
                self.offer(block.address.offset(offset), name, object);
            }
        }
    }

    /// Takes a symbol if it is nearer; of names for one place, the first of the alphabet.
    fn offer(&mut self, start: ExecAddr, name: &[u8], object: ObjectId) {
        let is_before = self.segment.contains(start) && start <= self.wanted;
        let is_better = |(best, known, _): &(ExecAddr, Vec<u8>, ObjectId)| (*best, name) < (start, known.as_slice());
        if is_before && self.found.as_ref().is_none_or(is_better) {
            self.found = Some((start, name.to_vec(), object));
        }
    }
}

/// The name as its object has it.
fn own_name(name: &[u8]) -> &[u8] {
    let number_and_name = name.strip_prefix(IMPLEMENTATION.as_bytes());
    number_and_name
        .and_then(|rest| rest.iter().position(|&c| c == b'.').and_then(|at| rest.get(at + 1..)))
        .unwrap_or(name)
}
