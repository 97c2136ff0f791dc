//! The protections that objects ask for their sections (link.exe's `/merge` and `/section`). The places of the sections
//! do not matter: an image has three sections, one for each protection.

use std::collections::{HashMap, HashSet};

use crate::graph::{Lifetime, Protection};
use crate::input::Input;

/// The sections that every image has.
const USUAL: [(&str, Protection); 8] = [
    (".text", Protection::ReadExec),
    (".rdata", Protection::Read),
    (".xdata", Protection::Read),
    (".idata", Protection::Read),
    (".edata", Protection::Read),
    (".CRT", Protection::Read),
    (".data", Protection::ReadWrite),
    (".bss", Protection::ReadWrite),
];

/// Sections that become parts of others more often are taken to go in a circle, which has no end; link.exe refuses it.
const LONGEST_CHAIN: usize = 100;

/// The wishes of objects.
#[derive(Clone, Debug, Default)]
pub struct ImageSections {
    /// Sections that become parts of others. The first that is said of a section counts.
    pub merged: Vec<(String, String)>,
    /// The protections of sections. The last that is said counts.
    pub protections: Vec<(String, Protection)>,
}

impl ImageSections {
    /// Returns whether nobody asks for anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.merged.is_empty() && self.protections.is_empty()
    }

    /// Gives the sections of `members` that are to be placed the protections that are asked for.
    pub fn apply(&self, inputs: &mut [Input], members: &[u32]) {
        let merged: HashMap<_, _> = self.merged.iter().rev().map(|(from, to)| (from.as_str(), to.as_str())).collect();
        let asked: HashMap<_, _> =
            self.protections.iter().map(|(name, protection)| (name.as_str(), *protection)).collect();
        let targets: HashSet<_> = merged.values().copied().collect();
        let usual = |wanted: &str| USUAL.iter().find(|(name, _)| *name == wanted).map(|(_, protection)| *protection);
        // What other sections become part of is what the objects say it is.
        let mut known = HashMap::new();
        if targets.iter().any(|name| usual(name).is_none()) {
            for section in members.iter().flat_map(|&member| inputs[member as usize].graph.sections()) {
                if let Some(name) = targets.get(section.output_name()) {
                    known.entry(*name).or_insert(section.protection);
                }
            }
        }
        for &member in members {
            let Input { graph, reach, .. } = &mut inputs[member as usize];
            for &block in reach.blocks() {
                let id = graph.block(block).section;
                let section = graph.section(id);
                let name = section.output_name();
                let end = end(&merged, name);
                if section.lifetime != Lifetime::Standard || (end == name && !asked.contains_key(name)) {
                    continue;
                }
                if let Some(protection) =
                    asked.get(end).copied().or_else(|| usual(end)).or_else(|| known.get(end).copied())
                {
                    graph.section_mut(id).protection = protection;
                }
            }
        }
    }
}

/// The section that one ends up in.
fn end<'a>(merged: &HashMap<&'a str, &'a str>, section: &'a str) -> &'a str {
    let mut end = section;
    for _ in 0..LONGEST_CHAIN {
        match merged.get(end) {
            Some(to) => end = to,
            None => break,
        }
    }
    end
}
