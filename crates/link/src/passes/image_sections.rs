//! Sections of an image as its objects ask for them (link.exe's `/merge` and `/section`): what the program may do with them.
//! Where they are does not matter: an image has three sections, one for each protection.

use crate::graph::{Lifetime, Protection};
use crate::link::Input;

/// What the sections are that every image has.
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

/// What objects ask for.
#[derive(Clone, Debug, Default)]
pub struct ImageSections {
    /// Sections that become parts of others. The first that is said of a section counts.
    pub merged: Vec<(String, String)>,
    /// What the program may do with sections. The last that is said counts.
    pub protections: Vec<(String, Protection)>,
}

impl ImageSections {
    /// Whether nobody asks for anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.merged.is_empty() && self.protections.is_empty()
    }

    /// The section that one ends up in.
    fn end<'a>(&'a self, section: &'a str) -> &'a str {
        let mut end = section;
        // A circle has no end; link.exe refuses it.
        for _ in 0..self.merged.len() {
            match self.merged.iter().find(|(from, _)| from == end) {
                Some((_, to)) => end = to,
                None => break,
            }
        }
        end
    }

    /// The protection of a section that another becomes a part of, or that is asked for.
    fn protection(&self, section: &str, known: &[(String, Protection)]) -> Option<Protection> {
        let asked = self.protections.iter().rev();
        let usual = USUAL.iter().find(|(name, _)| *name == section).map(|(_, protection)| *protection);
        let of = |(name, protection): &(String, Protection)| (name == section).then_some(*protection);
        asked.clone().find_map(of).or(usual).or_else(|| known.iter().find_map(of))
    }

    /// Gives the sections of `members` that are to be placed the protections that are asked for.
    pub fn apply(&self, inputs: &mut [Input], members: &[u32]) {
        let mut known: Vec<(String, Protection)> = Vec::new();
        for &member in members {
            for section in inputs[member as usize].graph.sections() {
                if self.merged.iter().any(|(_, to)| to == section.output_name()) {
                    known.push((section.output_name().into(), section.protection));
                }
            }
        }
        for &member in members {
            let graph = &mut inputs[member as usize].graph;
            for id in graph.section_ids() {
                let section = graph.section(id);
                let name = section.output_name();
                let is_asked_for = self.protections.iter().any(|(asked, _)| asked == name);
                let end = self.end(name);
                if section.lifetime != Lifetime::Standard || (end == name && !is_asked_for) {
                    continue;
                }
                if let Some(protection) = self.protection(end, &known) {
                    graph.set_protection(id, protection);
                }
            }
        }
    }
}
