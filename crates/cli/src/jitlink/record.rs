//! Recording what a session links, for rules and `-show-...` options.

use std::collections::HashMap;
use std::io::Write;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use linkjit::executor::{ExecRange, Executor};
use linkjit::{ExecAddr, LinkedAllocation, PassLists, Plugin, Stage};
use linkjit_link::graph::LinkGraph;
use linkjit_link::names::NamePool;

use super::failure::Result;
use super::linked::{LinkedFile, LinkedProgram, text};
use super::lock;
use super::report::FileReports;
use super::show::{ABSOLUTE_SYMBOLS, DylibState, REEXPORTS, SymbolState, stubs_name};

/// Keeps copies of all graphs that are linked.
#[derive(Default)]
pub(super) struct Recorder {
    batch: Arc<Mutex<Recorded>>,
    all: Mutex<Recorded>,
    /// The reports on files that are linked from now on, and the names of members of archives.
    following: Mutex<Option<(FileReports, HashMap<String, String>)>>,
}

#[derive(Default)]
struct Recorded {
    objects: Vec<LinkGraph>,
    /// The graphs that the linker has made for them.
    made: Vec<LinkGraph>,
    segments: Vec<ExecRange>,
    /// The JITDylibs of the objects, by their names.
    dylibs: HashMap<String, String>,
}

impl Plugin for Recorder {
    fn add_passes(&self, _: &LinkGraph, passes: &mut PassLists) {
        // What the linker makes is in no need of pruning.
        let is_object = Arc::new(AtomicBool::new(false));
        let is_pruned = Arc::clone(&is_object);
        passes.add(Stage::PrePrune, move |_, _| {
            is_pruned.store(true, Ordering::Relaxed);
            Ok(())
        });
        let batch = Arc::clone(&self.batch);
        passes.add(Stage::PostFixup, move |graph, _| {
            let mut batch = lock(&batch);
            let list = if is_object.load(Ordering::Relaxed) { &mut batch.objects } else { &mut batch.made };
            let mut graph = graph.clone();
            // Objects are linked as a whole: what nobody refers to is there as well.
            for id in graph.symbol_ids() {
                let is_placed = graph.symbol(id).block().is_some_and(|block| graph.block(block).placed);
                graph.symbol_mut(id).live |= is_placed;
            }
            list.push(graph);
            Ok(())
        });
    }

    fn linked(&self, allocations: &[LinkedAllocation<'_>], names: &Mutex<NamePool>) -> linkjit::Result<()> {
        let batch = std::mem::take(&mut *lock(&self.batch));
        let mut all = lock(&self.all);
        if let Some((reports, members)) = &*lock(&self.following) {
            let (names, mut out) = (lock(names), std::io::stdout().lock());
            for file in batch.files(&names, members, all.stub_graphs()) {
                // The program goes on, whoever reads that.
                let _shown = reports.show(&names, &file, &mut out);
            }
            let _shown = out.flush();
        }
        all.objects.extend(batch.objects);
        all.made.extend(batch.made);
        all.segments.extend(allocations.iter().flat_map(|allocation| allocation.segments));
        for allocation in allocations {
            let dylib = allocation.dylib.name();
            all.dylibs.extend(allocation.blocks.iter().map(|(graph, _)| (graph.name().into(), dylib.clone())));
        }
        Ok(())
    }

    fn failed(&self) {
        *lock(&self.batch) = Recorded::default();
    }
}

/// Returns whether a graph has the stubs of a lazy object. It is called as the object is.
fn is_stubs(graph: &LinkGraph) -> bool {
    graph.source().bytes().is_empty() && graph.find_section(".text.stubs").is_some()
}

impl Recorded {
    fn stub_graphs(&self) -> usize {
        self.objects.iter().filter(|graph| is_stubs(graph)).count()
    }

    /// The files, in LLVM's words; `stub_graphs` came before.
    fn files(
        &self,
        names: &NamePool,
        members: &HashMap<String, String>,
        mut stub_graphs: usize,
    ) -> Vec<LinkedFile<'_>> {
        // Entries refer to symbols of other graphs without their names.
        let mut by_address = HashMap::new();
        for graph in &self.objects {
            for symbol in graph.symbol_ids().filter(|&symbol| !graph.symbol(symbol).is_external()) {
                if !graph.symbol_name(names, symbol).is_empty() {
                    by_address.entry(graph.address(symbol)).or_insert_with(|| text(graph, names, symbol));
                }
            }
        }
        let mut names_of_made = HashMap::new();
        for (index, graph) in (1..).zip(&self.made) {
            let named = graph.symbol_ids().filter_map(|symbol| Some((symbol, by_address.get(&graph.address(symbol))?)));
            names_of_made.extend(named.map(|(symbol, name)| ((index, symbol), name.clone())));
        }
        let names_of_made = Rc::new(names_of_made);
        let mut files = Vec::new();
        for object in &self.objects {
            let name = if is_stubs(object) {
                stub_graphs += 1;
                stubs_name(stub_graphs)
            } else {
                members.get(object.name()).map_or(object.name(), String::as_str).into()
            };
            let graphs = std::iter::once(object).chain(&self.made).collect();
            files.push(LinkedFile { name, graphs, names: names_of_made.clone(), ..LinkedFile::default() });
        }
        files
    }
}

impl Recorder {
    /// Shows what is linked from now on as soon as it is.
    pub(super) fn show_what_follows(&self, reports: FileReports, members: HashMap<String, String>) {
        *lock(&self.following) = Some((reports, members));
    }

    /// The state of JITDylibs, given what it was before anything was linked.
    pub(super) fn session(&self, names: &NamePool, mut dylibs: Vec<DylibState>) -> Vec<DylibState> {
        let all = lock(&self.all);
        for graph in &all.objects {
            let dylib = all.dylibs.get(graph.name());
            let Some(own) = dylibs.iter().position(|state| Some(&state.name) == dylib) else { continue };
            for id in graph.symbol_ids() {
                let symbol = graph.symbol(id);
                let (Some(name), true) = (symbol.global_name(), symbol.live) else { continue };
                let (name, address) = (names.text(name).into_owned(), Some(graph.address(id)));
                if !symbol.is_external() {
                    // It may be new: a member of an archive has it.
                    let state = SymbolState {
                        linkage: symbol.linkage,
                        scope: symbol.scope,
                        callable: symbol.callable,
                        address,
                        by: graph.name().into(),
                    };
                    dylibs[own].symbols.insert(name, state);
                } else if let Some(known) = find(&mut dylibs, own, &name) {
                    known.address = address;
                }
            }
        }
        dylibs
    }

    /// Calls `see` with all that was linked. Memory of the executor is as it is now, and `members` tells what members of
    /// archives are to be called.
    pub(super) fn with_program<T>(
        &self,
        executor: &dyn Executor,
        names: &NamePool,
        absolutes: Vec<(String, ExecAddr)>,
        members: &HashMap<String, String>,
        see: impl FnOnce(&LinkedProgram<'_>) -> Result<T>,
    ) -> Result<T> {
        let all = lock(&self.all);
        let files = all.files(names, members, 0);
        let mut memory = Vec::new();
        for segment in all.segments.iter().filter(|segment| segment.size() > 0) {
            memory.push((segment.start.0, executor.read(*segment)?.into()));
        }
        memory.sort_by_key(|(start, _)| *start);
        see(&LinkedProgram { names, files, absolutes, memory })
    }
}

/// Finds the definition of a name that a JITDylib looks for, unless an object has it.
fn find<'a>(dylibs: &'a mut [DylibState], own: usize, name: &str) -> Option<&'a mut SymbolState> {
    let is_it = |symbol: &SymbolState| [ABSOLUTE_SYMBOLS, REEXPORTS].contains(&&*symbol.by);
    let has_it = |searched: &String| {
        dylibs.iter().position(|dylib| dylib.name == *searched && dylib.symbols.get(name).is_some_and(is_it))
    };
    let dylib = std::iter::once(&dylibs[own].name).chain(&dylibs[own].order).find_map(has_it)?;
    dylibs[dylib].symbols.get_mut(name)
}
