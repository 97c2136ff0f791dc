//! Names that the linker itself defines: `__start_x` and `__stop_x`, the bases of the GOT and of thread-local storage,
//! the beginning and end of the program (see [`super::image`]).
//!
//! They are bound late, when everything is placed. The blocks between two boundaries are live if the boundaries are.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use linkjit_executor::{ExecAddr, ExecRange, TlsBlock};
use linkjit_link::graph::{LinkGraph, SymbolId};
use linkjit_link::input::{Binding, BlockRef, Input};
use linkjit_link::linker_names::{Array, Bound, ImageName, LinkerName};
use linkjit_link::names::NameId;

use super::Batch;
use super::domains::Domain;
use crate::error::Result;
use crate::session::{DylibId, DylibState, ObjectId, is_c_identifier};

/// A symbol of the batch that only gets its address when everything is placed.
pub(super) struct LateSymbol {
    pub(super) input: u32,
    pub(super) symbol: SymbolId,
    what: Late,
}

enum Late {
    Section(Bound, String),
    GotBase,
    TlsBase,
    Image(ImageName),
}

/// The sections between boundary symbols: who has which. Each object is looked at once, however many there are.
#[derive(Default)]
pub(super) struct Lists {
    /// Objects that the batch may not have yet, by the names of their sections; those that were asked for are gone.
    objects: HashMap<DylibId, Objects, FixedState>,
    /// The blocks of the batch's inputs, of which the first so many were entered.
    blocks: HashMap<(DylibId, Box<str>), Vec<BlockRef>, FixedState>,
    inputs: usize,
    /// The sections whose boundaries somebody refers to, and how many of their blocks were made live.
    reached: HashMap<(DylibId, Box<str>), usize, FixedState>,
    /// Those of them that have more blocks since.
    grown: Vec<(DylibId, Box<str>)>,
}

#[derive(Default)]
struct Objects {
    by_section: HashMap<Box<str>, Vec<ObjectId>, FixedState>,
    /// Objects before that one were entered.
    next: u32,
}

impl Lists {
    /// Forgets what was entered of inputs, which somebody has changed.
    pub(super) fn start_anew(&mut self) {
        self.blocks.clear();
        self.inputs = 0;
        self.reached.values_mut().for_each(|done| *done = 0);
        self.grown = self.reached.keys().cloned().collect();
    }
}

impl Batch<'_> {
    /// Names that the linker itself defines. Their addresses are known when everything is placed.
    pub(super) fn bind_special(&mut self, input: u32, symbol: SymbolId, name: NameId) -> Result<bool> {
        let text = self.session.names().bytes(name).to_vec();
        let what = match LinkerName::parse(&text) {
            Some(LinkerName::GotBase) => Late::GotBase,
            Some(LinkerName::TlsBase) => Late::TlsBase,
            Some(LinkerName::Section(bound, section)) if self.reach_section(input, &section)? => {
                Late::Section(bound, section.into_owned())
            }
            Some(LinkerName::Image(name)) if !self.is_image() => Late::Image(name),
            _ => return Ok(false),
        };
        self.late.push(LateSymbol { input, symbol, what });
        Ok(true)
    }

    /// Makes the blocks of all sections of that name live, in all objects of the JITDylib of `input`. Returns whether
    /// there are any, or were in an earlier batch.
    pub(super) fn reach_section(&mut self, input: u32, section: &str) -> Result<bool> {
        let dylib = DylibId(self.inputs[input as usize].dylib);
        let (objects, known) = {
            let state = self.session.state();
            let table = state.dylib(dylib)?;
            let seen = self.lists.objects.entry(dylib).or_default();
            // Ids only grow, so that what was pulled since is behind those that were seen. The graphs of objects that the
            // batch has are looked at as inputs.
            for object in table.objects_from(ObjectId(seen.next)) {
                seen.next = object.0.saturating_add(1);
                for name in state.input(object).into_iter().flat_map(|input| lists(&input.graph)) {
                    seen.by_section.entry(name.into()).or_default().push(object);
                }
            }
            (seen.by_section.remove(section).unwrap_or_default(), table.section(section).is_some())
        };
        for object in objects {
            // One that was pulled may have been forgotten again.
            if self.input_of.contains_key(&object) || self.session.state().object(object).is_some() {
                self.adopt(object)?;
            }
        }
        self.index_lists();
        let (any, _) = self.reach_list((dylib, section.into()));
        Ok(any || known)
    }

    /// Enters the lists of inputs that came since the last time.
    fn index_lists(&mut self) {
        let Lists { inputs: seen, blocks, reached, grown, .. } = &mut self.lists;
        for (index, input) in (0u32..).zip(self.inputs.iter()).skip(*seen) {
            let (dylib, graph) = (DylibId(input.dylib), &input.graph);
            if lists(graph).next().is_none() {
                continue;
            }
            for id in graph.block_ids() {
                let section = graph.section(graph.block(id).section);
                if !is_c_identifier(section.name.as_bytes()) {
                    continue;
                }
                let key = (dylib, section.name.as_str().into());
                if reached.contains_key(&key) {
                    grown.push(key.clone());
                }
                blocks.entry(key).or_default().push((index, id));
            }
        }
        *seen = self.inputs.len();
    }

    /// Makes the blocks of a section live that are not yet, of the objects in the batch. Returns whether there are any
    /// blocks, and whether some became live.
    fn reach_list(&mut self, key: (DylibId, Box<str>)) -> (bool, bool) {
        let Some(blocks) = self.lists.blocks.get(&key) else { return (false, false) };
        let done = self.lists.reached.entry(key).or_default();
        let mut new = false;
        for &(input, block) in blocks.get(*done..).unwrap_or_default() {
            let Input { graph, reach, .. } = &mut self.inputs[input as usize];
            if !graph.block(block).live {
                new = true;
                reach.mark_block(graph, block);
                self.unfollowed.push(input);
            }
        }
        *done = blocks.len();
        (true, new)
    }

    /// Members that were pulled since a section was reached may have blocks of it, too. Returns whether they have.
    pub(super) fn reach_late_sections(&mut self) -> bool {
        if self.lists.reached.is_empty() {
            return false;
        }
        self.index_lists();
        let grown = std::mem::take(&mut self.lists.grown);
        grown.into_iter().fold(false, |any, key| any | self.reach_list(key).1)
    }

    /// Sorts what the linker defines by input, when all of it is known.
    pub(super) fn sort_late_symbols(&mut self) {
        self.late.sort_by_key(|late| late.input);
    }

    /// The arrays of pointers to functions whose bounds somebody refers to, by JITDylib.
    pub(super) fn walked_arrays(&self) -> Vec<(DylibId, Array)> {
        let array = |late: &LateSymbol| match late.what {
            Late::Image(ImageName::Array(array, _)) => Some((DylibId(self.inputs[late.input as usize].dylib), array)),
            _ => None,
        };
        let mut arrays: Vec<_> = self.late.iter().filter_map(array).collect();
        arrays.sort_unstable();
        arrays.dedup();
        arrays
    }

    /// Gives the symbol for the start of a domain's thread-local storage its place.
    pub(super) fn bind_tls_base(&mut self, domain: &Domain, tls: Option<TlsBlock>) {
        let Some(tls) = tls else { return };
        let start = Binding::LinkedThreadLocal(tls.start);
        for &member in &domain.members {
            let members_symbols = &self.late[self.late.partition_point(|late| late.input < member)..];
            for late in members_symbols.iter().take_while(|late| late.input == member) {
                if matches!(late.what, Late::TlsBase) {
                    self.inputs[member as usize].bind(late.symbol, start);
                }
            }
        }
    }

    /// Gives the symbols that the linker defines their addresses.
    pub(super) fn bind_late_symbols(&mut self) -> Result<()> {
        let mut sections: HashMap<(DylibId, String), ExecRange, FixedState> = HashMap::default();
        for placed in self.placed.domains.iter().filter(|_| !self.late.is_empty()) {
            for (name, range) in placed.layout.contiguous() {
                sections.entry((placed.domain.dylib, name.into())).or_insert(range);
            }
        }
        for late in std::mem::take(&mut self.late) {
            let dylib = DylibId(self.inputs[late.input as usize].dylib);
            // In this batch, or else in the newest one that has the section.
            let section = |name: &str| -> Result<ExecRange> {
                let before = self.session.state().dylib(dylib)?.section(name);
                Ok(sections.get(&(dylib, name.to_owned())).copied().or(before).unwrap_or_default())
            };
            let address = match late.what {
                // Was bound when the storage was reserved, because entries depend on it.
                Late::TlsBase => continue,
                Late::GotBase => got_base(self.session.state().dylib(dylib)?),
                Late::Section(bound, name) => bound.address_in(section(&name)?),
                Late::Image(name) => self.image_address(name, dylib, late.input, section)?,
            };
            self.inputs[late.input as usize].bind(late.symbol, Binding::Linked(address));
        }
        Ok(())
    }
}

/// The address that a JITDylib's offsets from the GOT are relative to: the start of its newest window.
pub(super) fn got_base(dylib: &DylibState) -> ExecAddr {
    dylib.windows().last().map_or(ExecAddr::NULL, |window| window.range.start)
}

/// The names of a graph's sections that boundary symbols may refer to.
fn lists(graph: &LinkGraph) -> impl Iterator<Item = &str> {
    let lists = graph.sections().iter().filter(|section| is_c_identifier(section.name.as_bytes()));
    lists.map(|section| section.name.as_str())
}
