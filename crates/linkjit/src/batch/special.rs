//! Names that the linker itself defines: `__start_x` and `__stop_x`, the bases of the GOT and of thread-local storage,
//! where the program begins and ends (see [`super::image`]).
//!
//! They are bound late, when all is placed. What lies between boundaries is live if these are.

use linkjit_executor::{ExecAddr, ExecRange, TlsBlock};
use linkjit_link::graph::{Lifetime, LinkGraph, Section, SymbolId};
use linkjit_link::link::Binding;
use linkjit_link::names::NameId;

use super::Batch;
use super::domains::Domain;
use crate::error::Result;
use crate::platform::image_names::{Array, ImageName};
use crate::session::{DylibId, UnitId, tls_address};

/// A symbol of the batch that only gets its address when everything is placed.
pub(super) struct LateSymbol {
    pub(super) input: u32,
    pub(super) symbol: SymbolId,
    what: Late,
}

enum Late {
    SectionStart(String),
    SectionEnd(String),
    GotBase,
    /// The start of the thread-local storage: what local-dynamic code with descriptors asks for.
    TlsBase,
    /// Where a part of the program begins or ends.
    Image(ImageName),
}

impl Batch<'_> {
    /// Names that the linker itself defines. Their addresses are known when everything is placed.
    pub(super) fn bind_special(&mut self, input: u32, symbol: SymbolId, name: NameId) -> Result<bool> {
        let text = self.session.names().text(name).into_owned();
        let what = if text == "_GLOBAL_OFFSET_TABLE_" {
            Late::GotBase
        } else if text == "_TLS_MODULE_BASE_" {
            Late::TlsBase
        } else if let Some(section) = text.strip_prefix("__start_") {
            if !self.reach_section(input, section)? {
                return Ok(false);
            }
            Late::SectionStart(section.into())
        } else if let Some(section) = text.strip_prefix("__stop_") {
            if !self.reach_section(input, section)? {
                return Ok(false);
            }
            Late::SectionEnd(section.into())
        } else if let Some(name) = ImageName::of(text.as_bytes()).filter(|_| !self.is_image()) {
            Late::Image(name)
        } else {
            return Ok(false);
        };
        self.late.push(LateSymbol { input, symbol, what });
        Ok(true)
    }

    /// Makes the blocks of all sections of that name live, in all objects of the JITDylib of `input`. Returns whether
    /// there are any, or were in an earlier batch.
    fn reach_section(&mut self, input: u32, section: &str) -> Result<bool> {
        let dylib = DylibId(self.inputs[input as usize].dylib);
        let (units, known) = {
            let state = self.session.state();
            let of = state.dylib(dylib)?;
            let with_section = |unit: &&UnitId| {
                let input = state.units.get(*unit).and_then(|unit| unit.input.as_ref());
                input.is_some_and(|input| input.graph.find_section(section).is_some())
            };
            let units: Vec<_> = of.units.iter().filter(with_section).copied().collect();
            (units, of.sections.contains_key(section))
        };
        for unit in units {
            self.adopt(unit)?;
        }
        let (any, _) = self.reach_section_of_inputs(dylib, section);
        Ok(any || known)
    }

    /// The same for the objects in the batch. Returns whether there are any such blocks, and whether some became live.
    fn reach_section_of_inputs(&mut self, dylib: DylibId, section: &str) -> (bool, bool) {
        let (mut any, mut new) = (false, false);
        for (index, input) in (0u32..).zip(&mut self.inputs) {
            let graph = &mut input.graph;
            if DylibId(input.dylib) != dylib || graph.find_section(section).is_none() {
                continue;
            }
            for block in graph.block_ids() {
                if graph.section(graph.block(block).section).name == section {
                    any = true;
                    new |= !graph.block(block).live;
                    self.reach[index as usize].mark_block(graph, block);
                }
            }
            self.unfollowed.push(index);
        }
        (any, new)
    }

    /// Members that were pulled since a section was reached may have blocks of it, too. Returns whether they have.
    pub(super) fn reach_late_sections(&mut self) -> bool {
        let mut sections: Vec<(DylibId, String)> = Vec::new();
        for late in &self.late {
            if let Late::SectionStart(name) | Late::SectionEnd(name) = &late.what {
                sections.push((DylibId(self.inputs[late.input as usize].dylib), name.clone()));
            }
        }
        sections.sort_unstable();
        sections.dedup();
        sections.into_iter().fold(false, |any, (dylib, name)| any | self.reach_section_of_inputs(dylib, &name).1)
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
        let start = Binding::LinkedThreadLocal(tls_address(tls.module, tls.module_offset, tls.thread_offset));
        for late in self.late.iter().filter(|late| matches!(late.what, Late::TlsBase)) {
            if domain.members.contains(&late.input) {
                self.inputs[late.input as usize].bind(late.symbol, start);
            }
        }
    }

    /// Gives the symbols that the linker defines their addresses.
    pub(super) fn bind_late_symbols(&mut self) -> Result<()> {
        for late in std::mem::take(&mut self.late) {
            let dylib = DylibId(self.inputs[late.input as usize].dylib);
            let address = match &late.what {
                // Was bound when the storage was reserved, because entries depend on it.
                Late::TlsBase => continue,
                Late::GotBase => self.got_base(dylib)?,
                Late::SectionStart(name) => self.section(dylib, name)?.start,
                Late::SectionEnd(name) => self.section(dylib, name)?.end,
                Late::Image(name) => self.image_address(*name, dylib, late.input)?,
            };
            self.inputs[late.input as usize].bind(late.symbol, Binding::Linked(address));
        }
        Ok(())
    }

    /// Where a contiguous section is: in this batch, or else in the newest one that has it.
    pub(super) fn section(&self, dylib: DylibId, name: &str) -> Result<ExecRange> {
        let here = self.placed.domains.iter().filter(|placed| placed.domain.dylib == dylib);
        let mut here = here.flat_map(|placed| placed.layout.contiguous(placed.bases));
        if let Some((_, range)) = here.find(|(section, _)| *section == name) {
            return Ok(range);
        }
        let state = self.session.state();
        Ok(state.dylib(dylib)?.sections.get(name).map(|&(range, _)| range).unwrap_or_default())
    }

    /// What a JITDylib's offsets from the GOT are relative to: the start of its newest window.
    pub(super) fn got_base(&self, dylib: DylibId) -> Result<ExecAddr> {
        let state = self.session.state();
        Ok(state.dylib(dylib)?.windows.last().map_or(ExecAddr::NULL, |window| window.range.start))
    }
}

/// Whether something is not placed that a boundary symbol (`__start_x`) of a later graph would make live.
pub(super) fn has_unplaced_list(graph: &LinkGraph) -> bool {
    let is_list = |section: &Section| section.lifetime == Lifetime::Standard && is_c_identifier(&section.name);
    graph.sections().iter().any(is_list)
        && graph
            .block_ids()
            .map(|id| graph.block(id))
            .any(|block| !block.placed && is_list(graph.section(block.section)))
}

fn is_c_identifier(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
}
