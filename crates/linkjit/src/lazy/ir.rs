//! LLVM IR whose functions are compiled when they are first called.
//!
//! The module's text is cut (`linkjit-ir`). The rest, with all variables, is compiled and added at once. Each group of
//! functions that can be cut is a unit, which promises hidden names; stubs take the functions' own names, as for lazy
//! objects. A call reaches a trampoline, which looks up the hidden name, which has the unit compile its slice, on the
//! thread that calls.

use std::fmt;
use std::sync::Arc;

use linkjit_ir::{Definition, EntityId, Linkage as IrLinkage, Module, Visibility};
use linkjit_link::graph::{LinkGraph, Linkage, Scope};
use linkjit_link::names::{NameId, NamePool};
use linkjit_link::object;
use linkjit_link::source::Source;
use linkjit_llvm::Options;

use super::objects::{by_address, hide_functions};
use super::stubs::StubName;
use super::trampolines::{LazyStub, Targets, define};
use crate::compile::{CompiledModule, IrCompiler, triple_of};
use crate::error::{Error, Result};
use crate::jitdylib::JitDylib;
use crate::materialization::{MaterializationResponsibility, MaterializationUnit, UnitInterface};
use crate::session::{IMPLEMENTATION, State, SymbolFlags, defined_names};
use crate::source::IntoSource;
use crate::symbol_name::SymbolName;

impl JitDylib {
    /// Adds a module of LLVM IR, text or bitcode, whose functions are compiled when they are first called: each by the
    /// thread that calls it, while other threads run, or compile other functions. Inline functions are lazy, too.
    /// Variables and initializers are compiled at once.
    ///
    /// An error in a function is found when it is called: see [`ExecutionSession::set_lazy_failure_handler`].
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// # if linkjit::IrCompiler::open().is_err() { return Ok(()) }
    /// use linkjit::Source;
    ///
    /// let jit = linkjit::Jit::host()?;
    /// let module = "
    ///     define i32 @answer() {
    ///       %half = call i32 @half()
    ///       %answer = mul i32 %half, 2
    ///       ret i32 %answer
    ///     }
    ///     define internal i32 @half() {
    ///       ret i32 21
    ///     }
    ///     define i32 @never_called() {
    ///       ret i32 %this_is_an_error
    ///     }";
    /// jit.add_lazy_ir(Source::new("answer.ll", module.as_bytes().to_vec()))?;
    /// // SAFETY: its type.
    /// let answer = unsafe { jit.lookup_fn::<unsafe extern "C" fn() -> i32>("answer")? };
    /// assert_eq!(jit.session().statistics().units, 0);
    /// // SAFETY: as above.
    /// assert_eq!(unsafe { answer() }, 42);
    /// assert_eq!(jit.session().statistics().units, 2);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If there is no LLVM, if the module can't be read or what of it is compiled at once has an error, or if it defines
    /// what is defined already; then nothing of it was added.
    ///
    /// [`ExecutionSession::set_lazy_failure_handler`]: crate::ExecutionSession::set_lazy_failure_handler
    pub fn add_lazy_ir(&self, module: impl IntoSource) -> Result<()> {
        let source = module.into_source()?;
        let compiler = self.session().ir_compiler()?;
        let text = compiler.text(&source)?;
        let options = compiler.options_for(triple_of(&text), self.session().target());
        let Some(module) = self.read_apart(text) else {
            // LLVM knows better what is wrong with it, or nothing is, and it can't be cut.
            let compiled = compiler.compile_for(&source, self.session().target())?;
            self.session().warn_of(&compiled);
            return self.add_lazy_object(compiled.object);
        };
        // An allocator that serves the libraries must not need the linker when they call it.
        let allocator = self.session().executor().allocator_names();
        let serves = |definition: &Definition| allocator.iter().any(|name| name.as_bytes() == linker_name(definition));
        if module.definitions().any(|definition| serves(&definition)) {
            return self.add_ir(source);
        }
        let name = source.name().clone();
        let lazy = Arc::new(LazyModule { name: name.clone(), module, compiler, options });
        let rest = lazy.module.rest();
        let rest = match rest.trim() {
            "" => None,
            rest => {
                let compiled = lazy.compile(rest)?;
                self.session().warn_of(&compiled);
                Some(compiled.object)
            }
        };
        self.add_object_again(&name, move |dylib| dylib.define_lazy_module(&lazy, rest.as_ref()))
    }

    /// Reads a module; nothing if it can't be cut. Local names that several of its functions refer to become names of the
    /// JITDylib, which tell modules apart by their text: if the same text was added before, it gets another.
    fn read_apart(&self, mut text: String) -> Option<Module> {
        let is_there = |definition: Definition| {
            let is_name_of_module = definition.linkage.is_local() && definition.is_shared();
            let name = is_name_of_module.then(|| self.session().names().find(linker_name(&definition))).flatten();
            name.is_some_and(|name| self.session().state().entry(self.id(), name).is_some())
        };
        loop {
            let module = Module::read(text).ok()?;
            if !module.definitions().any(is_there) {
                return Some(module);
            }
            text = module.into_text();
            text.push_str("\n; again");
        }
    }

    fn define_lazy_module(&self, lazy: &Arc<LazyModule>, rest: Option<&Source>) -> Result<()> {
        let session = self.session();
        session.keep_names();
        let owner = self.owner()?;
        let rest = rest.map(|rest| object::read(rest, &mut session.names())).transpose()?;
        rest.iter().for_each(|graph| session.note_wanted_of_allocator(self.id(), graph));
        // Modules of one JITDylib may have functions of the same name, of which one counts.
        let prefix: Arc<str> = format!("{IMPLEMENTATION}{}-{}.", self.id().0, session.state().next_object().0).into();
        let shares_inline = session.platform().shares_vague_linkage();
        let (mut stubs, mut units) = (Vec::new(), Vec::new());
        for cut in lazy.module.cuts() {
            let Some(unit) = Cut::new(lazy, &prefix, &cut) else { continue };
            let mut names = session.names();
            let functions = cut.iter().filter(|definition| definition.is_shared() && definition.is_callable);
            stubs.extend(functions.map(|function| stub(function, &prefix, shares_inline, &mut names)));
            drop(names);
            let promised = session.promised(&unit, &unit.interface());
            units.push((promised, Box::new(unit)));
        }
        let of_units = units.iter().flat_map(|(promised, _)| promised.symbols.iter().map(|&(name, _)| name));
        let targets = Targets {
            names: rest.iter().flat_map(defined_names).chain(of_units).collect(),
            define: |state: &mut State, names: &NamePool| {
                let rest = rest.map(|graph| state.define_object(self.id(), owner, graph, names)).transpose()?;
                let (mut made, replaced) =
                    rest.map_or_else(Default::default, |(rest, replaced)| (vec![rest], replaced));
                for (promised, unit) in units {
                    match session.define_unit(state, (self.id(), owner), unit, promised, names) {
                        Ok(unit) => made.extend(unit),
                        Err(error) => {
                            state.forget(&made, replaced);
                            return Err(error);
                        }
                    }
                }
                Ok(())
            },
        };
        define(self, self, &lazy.name, &stubs, targets)?;
        Ok(())
    }
}

/// A module whose functions are compiled one by one.
#[derive(Debug)]
struct LazyModule {
    name: Arc<str>,
    module: Module,
    compiler: IrCompiler,
    options: Options,
}

impl LazyModule {
    fn compile(&self, text: &str) -> Result<CompiledModule> {
        self.compiler.compile_with(&self.name, text.as_bytes(), &self.options)
    }
}

/// Functions of a module that are compiled together when one of them is called.
#[derive(Clone)]
struct Cut {
    lazy: Arc<LazyModule>,
    prefix: Arc<str>,
    /// One of the definitions: a slice has all that must be with it.
    wanted: EntityId,
    symbols: Vec<(Vec<u8>, SymbolFlags)>,
}

impl Cut {
    /// The unit of what must be compiled together; nothing if nobody could refer to it.
    fn new(lazy: &Arc<LazyModule>, prefix: &Arc<str>, definitions: &[Definition]) -> Option<Self> {
        let symbols = definitions.iter().filter(|definition| definition.is_shared()).map(|definition| {
            if definition.is_callable {
                ([prefix.as_bytes(), linker_name(definition)].concat(), SymbolFlags::FUNCTION.hidden())
            } else {
                let (linkage, scope) = visibility(definition);
                (linker_name(definition).to_vec(), SymbolFlags { linkage, scope, callable: false })
            }
        });
        let symbols: Vec<_> = symbols.collect();
        let first = definitions.first().filter(|_| !symbols.is_empty())?;
        Some(Self { lazy: lazy.clone(), prefix: prefix.clone(), wanted: first.id, symbols })
    }

    /// Compiles the slice, and gives its functions their hidden names.
    fn graph(&self, dylib: &JitDylib) -> Result<LinkGraph> {
        let session = dylib.session();
        let text = self.lazy.module.slice(&[self.wanted]).map_err(|error| Error::unsupported(error.to_string()))?;
        let compiled = self.lazy.compile(&text)?;
        session.warn_of(&compiled);
        let mut names = session.names();
        let mut graph = object::read(&compiled.object, &mut names)?;
        let hidden: Vec<_> = self.symbols.iter().filter(|(_, flags)| flags.callable).collect();
        let hidden: Vec<NameId> = hidden.into_iter().map(|(name, _)| names.intern(name)).collect();
        // The stub has the function's name, so it is the stub that gives way to other copies.
        let stubs =
            hide_functions(&mut graph, &self.prefix, &mut names, by_address, |target| hidden.contains(&target))?;
        graph.dissolve_groups(|signature| stubs.iter().any(|stub| stub.stub.name == signature));
        Ok(graph)
    }
}

impl MaterializationUnit for Cut {
    fn name(&self) -> String {
        self.lazy.name.to_string()
    }

    fn interface(&self) -> UnitInterface {
        UnitInterface::new(self.symbols.iter().map(|(name, flags)| (name.as_slice(), *flags)))
    }

    fn materialize(self: Box<Self>, responsibility: MaterializationResponsibility) {
        responsibility.complete_with(|responsibility| match self.graph(responsibility.dylib()) {
            Ok(graph) => {
                responsibility.add_graph(graph);
                Ok(())
            }
            Err(error) => {
                // The next call gets it, too.
                responsibility.delegate(self)?;
                Err(error)
            }
        });
    }

    fn discard(&mut self, name: &SymbolName) {
        self.symbols.retain(|(other, _)| **other != **name);
    }
}

impl fmt::Debug for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cut").field("module", &self.lazy.name).field("symbols", &self.symbols).finish_non_exhaustive()
    }
}

/// The stub of a function, which is one for all libraries and JITDylibs if the system `shares_inline` functions.
fn stub(function: &Definition, prefix: &str, shares_inline: bool, names: &mut NamePool) -> LazyStub {
    let name = linker_name(function);
    let (linkage, scope) = visibility(function);
    let target = names.intern(&[prefix.as_bytes(), name].concat());
    let is_inline = matches!(function.linkage, IrLinkage::LinkonceOdr | IrLinkage::WeakOdr);
    LazyStub {
        stub: StubName { name: names.intern(name), linkage, scope, is_vague: is_inline && shares_inline },
        target,
    }
}

/// The name that linkers know a definition by.
fn linker_name(definition: &Definition) -> &[u8] {
    let name = definition.symbol.as_bytes();
    // As it is, without what a system puts before names. No target of ours puts anything there.
    name.strip_prefix(b"\x01").unwrap_or(name)
}

/// The linkage and scope that a definition has in an object.
fn visibility(definition: &Definition) -> (Linkage, Scope) {
    let linkage = match definition.linkage {
        IrLinkage::Weak | IrLinkage::WeakOdr | IrLinkage::Linkonce | IrLinkage::LinkonceOdr => Linkage::Weak,
        _ => Linkage::Strong,
    };
    let is_local = definition.linkage.is_local() || definition.visibility == Visibility::Hidden;
    (linkage, if is_local { Scope::Hidden } else { Scope::Default })
}
