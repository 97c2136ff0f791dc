//! Plugins: user code that sees every graph while it is linked, may change it, and learns whether it was linked.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use linkjit_executor::{AllocationId, ExecRange};
use linkjit_link::graph::{BlockId, LinkGraph};
use linkjit_link::names::NamePool;

use crate::error::Result;
use crate::jitdylib::JitDylib;

/// Sees what a session links, and may change it. All methods have defaults that do nothing.
///
/// Batches are linked one after the other. The steps of each are: [`add_passes`](Plugin::add_passes) for each graph
/// when it is taken into the batch, the passes at their stages, then either [`linked`](Plugin::linked) or
/// [`failed`](Plugin::failed). Of several plugins the one that was added first is asked first, and its passes run
/// first.
///
/// Plugins and their passes run on the thread that links, with nothing locked but the batch: they must not look
/// anything up (that is an error), and may do all else. If one panics, the batch is rolled back and the panic goes on
/// to whoever made the lookup; a panic of [`failed`](Plugin::failed) or [`removed`](Plugin::removed) goes nowhere, for
/// these must not stop.
///
/// A plugin is the session's until it is removed: a handle of the session or of a JITDylib in it would keep both as
/// long ([`WeakJitDylib`](crate::WeakJitDylib) does not).
///
/// ```
/// # fn main() -> linkjit::Result<()> {
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use linkjit::{LinkGraph, PassLists, Stage};
///
/// # let path = std::env::temp_dir().join(format!("linkjit-doc-plugin-{}.c", std::process::id()));
/// # std::fs::write(&path, "int answer(void) { return 42; }").unwrap();
///
/// let jit = linkjit::Jit::host()?;
/// // Counts the bytes that are linked. A function that adds passes is a plugin.
/// let total = Arc::new(AtomicU64::new(0));
/// let count = total.clone();
/// jit.session().add_plugin(Arc::new(move |_: &LinkGraph, passes: &mut PassLists| {
///     let count = count.clone();
///     passes.add(Stage::PostPrune, move |graph, _| {
///         let live = graph.blocks().iter().filter(|block| block.live && !block.placed);
///         count.fetch_add(live.map(|block| block.size).sum(), Ordering::Relaxed);
///         Ok(())
///     });
/// }));
/// jit.add_source_file(&path)?;
/// # std::fs::remove_file(&path).unwrap();
/// jit.lookup("answer")?;
/// assert!(total.load(Ordering::Relaxed) > 0);
/// # Ok(()) }
/// ```
pub trait Plugin: Send + Sync {
    /// A graph is taken into a batch: adds the passes that it is to run through. Objects come as they were read, in the
    /// order in which the batch finds that it needs them. When it is placed, graphs follow that the linker has made: of
    /// table entries and stubs, and lazy functions; for these only the stages from [`Stage::PostAllocation`] on run.
    ///
    /// An object of which a part is linked later comes again then, with what was linked marked as placed.
    fn add_passes(&self, graph: &LinkGraph, passes: &mut PassLists) {
        let (_, _) = (graph, passes);
    }

    /// A batch is written and finalized; its symbols are not published yet, and none of its code has run, but for
    /// resolvers of indirect functions. What becomes of each allocation is told by [`removed`](Plugin::removed).
    ///
    /// # Errors
    /// The batch fails with it.
    fn linked(&self, allocations: &[LinkedAllocation<'_>], names: &Mutex<NamePool>) -> Result<()> {
        let (_, _) = (allocations, names);
        Ok(())
    }

    /// The batch was rolled back, whatever the reason: something was missing, could not be linked or placed, a plugin's
    /// error or panic; or it has to wait for something and begins anew after that. Everybody's passes were run on
    /// copies, which are gone. Comes after the memory was given back and before the lookup returns its error.
    fn failed(&self) {}

    /// The memory of an allocation is about to be given back: what was linked there was removed or its JITDylib closed,
    /// its terminators have run. Also told of allocations that were linked before the plugin was added.
    fn removed(&self, allocation: AllocationId) {
        let _ = allocation;
    }
}

/// A function that adds passes is a plugin.
impl<F: Fn(&LinkGraph, &mut PassLists) + Send + Sync> Plugin for F {
    fn add_passes(&self, graph: &LinkGraph, passes: &mut PassLists) {
        self(graph, passes);
    }
}

/// Tells all plugins something. One that panics keeps it neither from the others nor from going on; and if a panic has
/// brought us here, a second one would be an abort.
pub(crate) fn tell(plugins: &[Arc<dyn Plugin>], what: impl Fn(&dyn Plugin)) {
    for plugin in plugins {
        let _reported = catch_unwind(AssertUnwindSafe(|| what(plugin.as_ref())));
    }
}

/// Memory that a batch has got for some blocks. They go together.
#[derive(Debug)]
#[non_exhaustive]
pub struct LinkedAllocation<'a> {
    /// The id by which [`Plugin::removed`] refers to it.
    pub id: AllocationId,
    /// The JITDylib that it belongs to.
    pub dylib: JitDylib,
    /// Its read-only data, code and writable data, in this order; empty where there is none.
    pub segments: [ExecRange; 3],
    /// The blocks that are placed in it, each with its graph.
    pub blocks: Vec<(&'a LinkGraph, BlockId)>,
}

/// A plugin of a session, to remove it by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PluginId(pub(crate) u32);

/// When a pass runs, and what it may do to the graph then.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Stage {
    /// Before anything is marked live: everything, except changing what names the graph defines for others, which the
    /// JITDylib knows since the object was added. Sections, blocks, symbols (also external ones) and edges may be
    /// added, blocks split, references retargeted, contents replaced.
    PrePrune,
    /// When it is known what is live: all of that, too. What live blocks refer to then is live, too, and new externals
    /// are looked up; a new block to which nothing refers is linked if the pass marks it live.
    PostPrune,
    /// When blocks have addresses: contents of the same size, edges and their targets. A target must have been a symbol
    /// of the graph before.
    PostAllocation,
    /// When all symbols have addresses: as before.
    PreFixup,
    /// When everything is written: looking only. What is written is at the blocks' addresses once the batch is
    /// finalized; contents in the graph are as they were before.
    PostFixup,
}

type Pass = dyn FnMut(&mut LinkGraph, &Mutex<NamePool>) -> Result<()> + Send;

/// The passes that a graph is to run through: one list per stage, each in the order in which passes were added.
#[derive(Default)]
pub struct PassLists {
    passes: Vec<(Stage, Box<Pass>)>,
}

impl PassLists {
    /// Adds a pass behind the others of its stage. It runs at most once. If it returns an error, the batch fails with
    /// it. The pool of names is not locked.
    pub fn add(
        &mut self,
        stage: Stage,
        pass: impl FnMut(&mut LinkGraph, &Mutex<NamePool>) -> Result<()> + Send + 'static,
    ) {
        self.passes.push((stage, Box::new(pass)));
    }

    /// Says whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.passes.is_empty()
    }

    /// Runs the passes of a stage.
    pub(crate) fn run(&mut self, stage: Stage, graph: &mut LinkGraph, names: &Mutex<NamePool>) -> Result<()> {
        self.passes.iter_mut().filter(|(other, _)| *other == stage).try_for_each(|(_, pass)| pass(graph, names))
    }
}

impl fmt::Debug for PassLists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.passes.iter().map(|(stage, _)| stage)).finish()
    }
}
