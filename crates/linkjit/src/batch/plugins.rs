//! Showing a batch to plugins, and undoing the changes of their passes if it fails.

use std::sync::{Arc, Mutex};

use linkjit_link::graph::LinkGraph;
use linkjit_link::input::Input;
use linkjit_link::names::NamePool;

use crate::error::Result;
use crate::plugin::{self, LinkedAllocation, PassLists, Plugin, Stage};

/// The plugins of a batch.
#[derive(Default)]
pub(super) struct Plugins {
    plugins: Vec<Arc<dyn Plugin>>,
    /// The passes of each input, as far as plugins were asked for them.
    passes: Vec<PassLists>,
    /// Graphs as they were before any pass changed them, by input.
    originals: Vec<(u32, LinkGraph)>,
    /// They know of the batch, and not what became of it.
    are_waiting: bool,
}

impl Plugins {
    pub(super) fn new(plugins: Vec<Arc<dyn Plugin>>) -> Self {
        Self { plugins, ..Self::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.plugins.is_empty()
    }

    /// Asks for the passes of inputs that are new.
    pub(super) fn add_passes(&mut self, inputs: &[Input]) {
        if self.plugins.is_empty() {
            return;
        }
        for (index, input) in (0u32..).zip(inputs).skip(self.passes.len()) {
            self.are_waiting = true;
            let mut passes = PassLists::default();
            for plugin in &self.plugins {
                plugin.add_passes(&input.graph, &mut passes);
            }
            if !passes.is_empty() {
                self.originals.push((index, input.graph.clone()));
            }
            self.passes.push(passes);
        }
    }

    /// Runs the passes of a stage on an input.
    pub(super) fn run(
        &mut self,
        stage: Stage,
        (index, input): (usize, &mut Input),
        names: &Mutex<NamePool>,
    ) -> Result<()> {
        let Some(passes) = self.passes.get_mut(index).filter(|passes| !passes.is_empty()) else { return Ok(()) };
        input.graph.revise();
        passes.run(stage, &mut input.graph, names)?;
        input.graph.note_kinds();
        Ok(())
    }

    /// Runs the passes of a stage on all inputs.
    pub(super) fn run_all(&mut self, stage: Stage, inputs: &mut [Input], names: &Mutex<NamePool>) -> Result<()> {
        if self.plugins.is_empty() {
            return Ok(());
        }
        inputs.iter_mut().enumerate().try_for_each(|input| self.run(stage, input, names))
    }

    /// Tells that the batch is linked.
    pub(super) fn linked(&self, allocations: &[LinkedAllocation<'_>], names: &Mutex<NamePool>) -> Result<()> {
        self.plugins.iter().try_for_each(|plugin| plugin.linked(allocations, names))
    }

    /// The batch is published: nothing is to be undone.
    pub(super) fn keep(&mut self) {
        self.are_waiting = false;
        self.originals.clear();
    }

    /// Makes graphs what they were.
    pub(super) fn undo(&mut self, inputs: &mut [Input]) {
        for (index, original) in self.originals.drain(..) {
            if let Some(input) = inputs.get_mut(index as usize) {
                *input = Input::new(original, input.dylib, input.window);
            }
        }
    }

    /// Tells that the batch was rolled back, if it was.
    pub(super) fn end(&mut self) {
        if std::mem::take(&mut self.are_waiting) {
            plugin::tell(&self.plugins, |plugin| plugin.failed());
        }
    }
}
