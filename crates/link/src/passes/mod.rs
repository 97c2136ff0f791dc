//! What runs between the phases of linking: the linker's own passes, one file each, and the lists that users put theirs
//! into.

pub mod direct;
pub mod eh_frame;
pub mod entries;
pub mod indirect;
pub mod init_code;
pub mod shared;

use std::fmt;
use std::sync::{Arc, Mutex};

use crate::error::Result;
use crate::graph::LinkGraph;
use crate::names::NamePool;

/// When a pass runs, and what it may do to a graph then.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Stage {
    /// Before anything is marked live: everything, adding and removing definitions aside.
    PrePrune,
    /// When it is known what is live: also adding blocks, symbols and edges. What live blocks refer to then is live, too;
    /// new externals are looked up.
    PostPrune,
    /// When blocks have addresses: contents, edges and their targets.
    PostAllocation,
    /// When all symbols have addresses: contents, edges and their targets.
    PreFixup,
    /// When everything is written: looking only.
    PostFixup,
}

/// A function that looks at graphs while they are linked, and may change them. It gets each graph of a batch once at its
/// stage; if it returns an error, the batch fails. The pool of names is not locked.
pub trait Pass: Send + Sync {
    /// Runs it on a graph.
    ///
    /// # Errors
    /// Whatever it wants to be the outcome of the lookup.
    fn run(&self, graph: &mut LinkGraph, names: &Mutex<NamePool>) -> Result<()>;
}

impl<F: Fn(&mut LinkGraph, &Mutex<NamePool>) -> Result<()> + Send + Sync> Pass for F {
    fn run(&self, graph: &mut LinkGraph, names: &Mutex<NamePool>) -> Result<()> {
        self(graph, names)
    }
}

/// Passes by stage, in the order in which they were added.
#[derive(Clone, Default)]
pub struct PassLists {
    passes: Vec<(Stage, Arc<dyn Pass>)>,
}

impl PassLists {
    /// Adds a pass behind the others of its stage.
    pub fn add(&mut self, stage: Stage, pass: Arc<dyn Pass>) {
        self.passes.push((stage, pass));
    }

    /// Whether a stage has no passes.
    #[must_use]
    pub fn is_empty(&self, stage: Stage) -> bool {
        self.passes.iter().all(|(of, _)| *of != stage)
    }

    /// Whether there are no passes at all.
    #[must_use]
    pub fn are_all_empty(&self) -> bool {
        self.passes.is_empty()
    }

    /// Runs the passes of a stage on a graph.
    ///
    /// # Errors
    /// That of the first pass that fails; the others are not run.
    pub fn run(&self, stage: Stage, graph: &mut LinkGraph, names: &Mutex<NamePool>) -> Result<()> {
        self.passes.iter().filter(|(of, _)| *of == stage).try_for_each(|(_, pass)| pass.run(graph, names))
    }
}

impl fmt::Debug for PassLists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.passes.iter().map(|(stage, _)| stage)).finish()
    }
}
