//! Sections that are walked, from `__start_x` to `__stop_x`: such a section is linked as a whole, or not at all.
//!
//! A lookup may need one block of such a section long before the code that walks the section is linked. If only that
//! block were placed, blocks that are linked later could not be beside it. So if the session knows the name of a
//! boundary, the first block that is needed brings the others.

use std::collections::{BTreeMap, BTreeSet};

use linkjit_link::graph::BlockId;
use linkjit_link::input::Input;
use linkjit_link::linker_names::Bound;

use super::Batch;
use super::domains::Domain;
use crate::error::{Error, Result};
use crate::session::{DylibId, TrackerId};

impl Batch<'_> {
    /// Makes the rest of sections live of which something is, if code may walk them. Returns whether there was any.
    pub(super) fn reach_walked(&mut self) -> Result<bool> {
        if self.is_image() {
            return Ok(false);
        }
        let mut found = Vec::new();
        for (index, input) in (0u32..).zip(self.inputs.iter()) {
            let mut last = None;
            for name in walked_sections(input).filter(|&name| last.replace(name) != Some(name)) {
                let key = (DylibId(input.dylib), name.into());
                if !self.walked.contains(&key) {
                    found.push((index, key));
                }
            }
        }
        let mut any = false;
        for (input, key) in found {
            let is_known = |bound: Bound| self.session.names().find(bound.name(&key.1).as_bytes()).is_some();
            if (is_known(Bound::Start) || is_known(Bound::End)) && self.walked.insert(key.clone()) {
                any |= self.reach_section(input, &key.1)?;
            }
        }
        Ok(any)
    }

    /// Places the parts of a walked section together: objects of which something was linked before would be placed
    /// apart from others.
    pub(super) fn join_walked(&self, domains: &mut Vec<Domain>) -> Result<()> {
        if self.walked.is_empty() {
            return Ok(());
        }
        // Which domains have parts of each section.
        let mut parts: BTreeMap<(DylibId, Option<TrackerId>, &str), BTreeSet<usize>> = BTreeMap::new();
        for (at, domain) in domains.iter().enumerate() {
            let inputs = domain.members.iter().map(|&member| &self.inputs[member as usize]);
            for name in inputs.flat_map(walked_sections) {
                parts.entry((domain.dylib, domain.tracker, name)).or_default().insert(at);
            }
        }
        parts
            .retain(|(dylib, _, name), sharers| sharers.len() > 1 && self.walked.contains(&(*dylib, Box::from(*name))));
        // Where the members of each domain have gone.
        let mut gone: Vec<usize> = (0..domains.len()).collect();
        for ((_, _, section), sharers) in parts {
            for pair in sharers.into_iter().collect::<Vec<_>>().windows(2) {
                let [one, other] = [pair[0], pair[1]].map(|mut at| {
                    while gone[at] != at {
                        at = gone[at];
                    }
                    at
                });
                if one == other {
                    continue;
                }
                // The one that is bound to a window decides.
                let (into, from) = if domains[other].home.is_some() { (other, one) } else { (one, other) };
                if domains[from].home.is_some() {
                    return Err(Error::unsupported(format!(
                        "section '{section}' can't be contiguous, as its boundary symbols need it: objects with parts of it \
                         were linked before, in different windows"
                    )));
                }
                gone[from] = into;
                let members = std::mem::take(&mut domains[from].members);
                domains[into].members.extend(members);
            }
        }
        domains.retain(|domain| !domain.members.is_empty());
        Ok(())
    }
}

/// The sections that code may walk of the blocks of an input that are to be placed with the batch.
fn walked_sections(input: &Input) -> impl Iterator<Item = &str> {
    let graph = &input.graph;
    let blocks = if graph.has_contiguous_sections() { input.reach.blocks() } else { &[] };
    let is_wanted = |&&block: &&BlockId| graph.block(block).live && !graph.block(block).placed;
    let sections = blocks.iter().filter(is_wanted).map(|&block| graph.section(graph.block(block).section));
    sections.filter(|section| section.contiguous).map(|section| section.name.as_str())
}
