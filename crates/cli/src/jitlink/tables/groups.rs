//! The agreement among objects of a JITDylib, and the choice among their COMDAT groups.

use std::collections::hash_map;

use linkjit_link::graph::{Group, LinkGraph, Request, Selection};
use linkjit_link::rules::{self, GroupConflict, Verdict};

use super::{By, Entry, Tables};
use crate::jitlink::failure::{Failure, Result};

/// A COMDAT group that is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeptGroup {
    /// The graph that has it.
    input: u32,
    selection: Selection,
    /// The size of the section that it is known by.
    size: u64,
}

impl Tables {
    /// Refuses an object that is not made like those before it (`/failifmismatch`).
    pub(super) fn agree(&mut self, dylib: usize, index: u32, graph: &LinkGraph) -> Result<()> {
        for request in &graph.requests {
            let Request::MustMatch { key, value } = request else { continue };
            match self.dylibs[dylib].agreed.get(key) {
                Some((known, first)) if known != value => {
                    let second = graph.name();
                    // It may contradict itself.
                    let first = self.inputs.get(*first as usize).map_or(second, |input| input.graph.name());
                    let what = format!("mismatch of '{key}': {known} in {first}, {value} in {second}");
                    return Err(Failure::usage(what));
                }
                Some(_) => {}
                None => _ = self.dylibs[dylib].agreed.insert(key.clone(), (value.clone(), index)),
            }
        }
        Ok(())
    }

    /// Drops the COMDAT groups that the JITDylib has already, and those of other graphs that yield to the new one's.
    pub(super) fn yield_groups(&mut self, dylib: usize, index: u32, graph: &mut LinkGraph) -> Result<()> {
        let (mut lost, mut replaced) = (Vec::new(), Vec::new());
        let size = |group: &Group| group.blocks.first().map_or(0, |&block| graph.block(block).size);
        for group in &graph.groups {
            let Some(&old) = self.dylibs[dylib].groups.get(&group.signature) else { continue };
            match rules::compare_group(graph, group, old.selection, || old.size) {
                Ok(Verdict::Replaces) => replaced.push((old.input, group.signature)),
                Ok(_) => lost.extend_from_slice(&group.blocks),
                Err(GroupConflict::Duplicate) => return Err(self.duplicate(graph, group.signature)),
                Err(GroupConflict::Differs(what)) => {
                    let (file, name) = (graph.name(), self.text(group.signature));
                    let what = format!("the COMDAT section of '{name}' differs in {what} from the one before");
                    return Err(Failure::usage(format!("In {file}, {what}")));
                }
            }
        }
        replaced.sort_unstable();
        for replaced in replaced.chunk_by(|one, other| one.0 == other.0) {
            let Some(&(input, _)) = replaced.first() else { continue };
            let owner = &mut self.inputs[input as usize].graph;
            let yielding = owner.dissolve_groups(|signature| replaced.binary_search(&(input, signature)).is_ok());
            let table = &mut self.dylibs[dylib];
            for group in &yielding {
                table.groups.remove(&group.signature);
            }
            let mut blocks: Vec<_> = yielding.into_iter().flat_map(|group| group.blocks).collect();
            blocks.sort_unstable();
            let is_by_owner = |entry: &Entry| matches!(entry.by, By::Input(definer, _) if definer == input);
            owner.give_up_blocks(&blocks, |name, _, _| {
                if table.symbols.get(&name).is_some_and(is_by_owner) {
                    table.symbols.remove(&name);
                }
            });
        }
        for group in &graph.groups {
            let new = KeptGroup { input: index, selection: group.selection, size: size(group) };
            match self.dylibs[dylib].groups.entry(group.signature) {
                hash_map::Entry::Vacant(place) => _ = place.insert(new),
                // Of those within an object the first counts.
                hash_map::Entry::Occupied(kept) if kept.get().input == index => lost.extend_from_slice(&group.blocks),
                hash_map::Entry::Occupied(_) => {}
            }
        }
        lost.sort_unstable();
        graph.give_up_blocks(&lost, |_, _, _| {});
        Ok(())
    }
}
